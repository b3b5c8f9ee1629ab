"""Things that stand still, drawn onto the canvas: buildings, trees, lamp posts, signs."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from offline_training.synthetic import textures
from offline_training.synthetic.camera import Camera, clip_near
from offline_training.synthetic.canvas import BACKGROUND_ID, Canvas, Shape
from offline_training.synthetic.layout import Building, Prop
from offline_training.synthetic.light import Light

Array = NDArray[np.float64]
Image = NDArray[np.uint8]
UP = np.array([0.0, 0.0, 1.0])
NORTH = np.array([0.0, 1.0, 0.0])
EAST = np.array([1.0, 0.0, 0.0])


class Structures:
    """The pictures of one scene's facades and trees, and how they are put into the image."""

    def __init__(self, light: Light, surroundings: str, rng: np.random.Generator) -> None:
        self._light = light
        lit = 0.0 if light.lamps < 0.05 else 0.12 + 0.25 * light.lamps
        pairs = [
            textures.facade(rng, lit_share=lit, house=surroundings != 'city') for _ in range(10)
        ]
        self._facades = [picture for picture, _ in pairs]
        self._glow = [glow for _, glow in pairs]
        self._faces: dict[tuple[int, bool, int], list[Image]] = {}
        gain = light.shade(np.array([[0.0, 0.0, 1.0]]))[0] * 0.92 + light.lamps * 0.08
        self._trees = [_gained(textures.tree(rng), gain) for _ in range(8)]

    def building(self, canvas: Canvas, building: Building, camera: Camera) -> None:
        """The two or three walls that look at the camera, far ones first."""
        x, y = camera.position_m[:2]
        (x0, x1), (y0, y1) = building.x_m, building.y_m
        corner = np.array
        if y < y0:
            self._wall(canvas, building, camera, corner([x0, y0, 0.0]), EAST, x1 - x0, -NORTH)
        elif y > y1:
            self._wall(canvas, building, camera, corner([x0, y1, 0.0]), EAST, x1 - x0, NORTH)
        if x < x0:
            self._wall(canvas, building, camera, corner([x0, y0, 0.0]), NORTH, y1 - y0, -EAST)
        elif x > x1:
            self._wall(canvas, building, camera, corner([x1, y0, 0.0]), NORTH, y1 - y0, EAST)

    def _wall(
        self,
        canvas: Canvas,
        building: Building,
        camera: Camera,
        corner: Array,
        along: Array,
        length_m: float,
        normal: Array,
    ) -> None:
        top = corner + UP * building.height_m
        outline = np.array([corner, corner + along * length_m, top + along * length_m, top])
        optical = clip_near(camera.to_camera(outline), near_m=0.5)
        if len(optical) < 3:
            return
        polygon = camera.project_optical(optical)[:, :2]
        height, width = canvas.owner.shape
        if polygon[:, 0].max() < 0 or polygon[:, 0].min() > width:
            return
        low = np.floor(np.maximum(polygon.min(axis=0), 0)).astype(int)
        high = np.ceil(np.minimum(polygon.max(axis=0) + 1, (width, height))).astype(int)
        if (high <= low).any():
            return
        level = int(np.clip(np.log2(max(float(optical[:, 2].min()) / 9.0, 1.0)), 0, 3))
        texture = self._face(building.facade, normal, level)
        ppm = textures.FACADE_PX_PER_M / 2**level
        base = corner + UP * (textures.FACADE_SIZE_M[1])
        to_image = camera.plane_homography(base, along / ppm, -UP / ppm)
        shift = np.array([[1, 0, -low[0]], [0, 1, -low[1]], [0, 0, 1.0]])
        size = (int(high[0] - low[0]), int(high[1] - low[1]))
        layer = _warp_tiled(texture, shift @ to_image, size)
        layer = self._hazed(layer, np.linalg.inv(shift @ to_image))
        mask = np.zeros((size[1], size[0]), dtype=np.uint8)
        points = np.rint(np.clip((polygon - low) * 16, -3e7, 3e7)).astype(np.int32)
        cv2.fillPoly(mask, [points], 255, cv2.LINE_8, 4)
        region = np.s_[low[1] : high[1], low[0] : high[0]]
        cv2.copyTo(layer, mask, canvas.image[region])
        canvas.owner[region][mask > 0] = BACKGROUND_ID

    def _face(self, facade: int, normal: Array, level: int) -> Image:
        """A facade lit for the direction it looks, shrunk by 2 ** level."""
        index = facade % len(self._facades)
        key = (index, bool(abs(normal[0]) > 0.5), int(normal.sum() > 0))
        if key not in self._faces:
            gain = self._light.shade(normal[None])[0] + self._light.lamps * 0.06
            picture = cv2.multiply(self._facades[index], (*gain.tolist(), 0.0))
            if self._light.lamps > 0.05:
                strength = min(1.0, self._light.lamps)
                picture = cv2.addWeighted(picture, 1.0, self._glow[index], strength, 0)
            levels = [picture]
            for _ in range(3):
                levels.append(cv2.pyrDown(levels[-1]))
            self._faces[key] = levels
        return self._faces[key][level]

    def _hazed(self, layer: Image, from_image: Array) -> Image:
        """Mix in the fog. On a plane 1 / depth is linear in pixels: the third row of the inverse."""
        height, width = layer.shape[:2]
        columns = np.linspace(0, width - 1, max(2, width // 16))
        rows = np.linspace(0, height - 1, max(2, height // 16))
        u, v = np.meshgrid(columns, rows)
        inverse = from_image[2, 0] * u + from_image[2, 1] * v + from_image[2, 2]
        haze = self._light.haze(1.0 / np.maximum(inverse, 1e-3))
        if haze.max() < 0.02:
            return layer
        small = np.clip(haze * 255, 0, 255).astype(np.uint8)
        weight = cv2.cvtColor(cv2.resize(small, (width, height)), cv2.COLOR_GRAY2BGR)
        clear = cv2.multiply(layer, cv2.bitwise_not(weight), scale=1 / 255)
        fog = cv2.multiply(weight, (*(c / 255 for c in self._light.fog_colour), 0.0))
        return cv2.add(clear, fog)

    def prop(self, canvas: Canvas, prop: Prop, camera: Camera, gain: float) -> None:
        if prop.kind == 'tree':
            self._tree(canvas, prop, camera)
            return
        shapes = _post_shapes(prop, camera, self._light, gain)
        if shapes:
            canvas.paint(shapes, owner=BACKGROUND_ID)

    def _tree(self, canvas: Canvas, prop: Prop, camera: Camera) -> None:
        foot = np.array([[prop.x_m, prop.y_m, 0.0]])
        u, v, depth = camera.project(foot)[0]
        picture = self._trees[prop.variant % len(self._trees)]
        scale = prop.height_m * camera.focal_px / depth / picture.shape[0]
        size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
        if depth < 1.5 or size[1] < 3 or size[1] > 4000:
            return
        corner = (round(u - size[0] / 2), round(v - size[1]))
        height, width = canvas.owner.shape
        if corner[0] > width or corner[0] + size[0] < 0 or corner[1] > height:
            return
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        layer = cv2.resize(picture, size, interpolation=method)
        haze = float(self._light.haze(np.array(depth)))
        canvas.blend(hazed_layer(layer, haze, self._light), corner, owner=BACKGROUND_ID)


def hazed_layer(layer: Image, haze: float, light: Light) -> Image:
    """A premultiplied BGRA layer seen through fog."""
    if haze < 0.02:
        return layer
    alpha = cv2.extractChannel(layer, 3)
    fog = cv2.multiply(
        cv2.cvtColor(alpha, cv2.COLOR_GRAY2BGRA), (*(c / 255 for c in light.fog_colour), 0.0)
    )
    mixed = cv2.addWeighted(layer, 1 - haze, fog, haze, 0)
    return cv2.insertChannel(alpha, mixed, 3)


def _gained(layer: Image, gain: Array) -> Image:
    return cv2.multiply(layer, (*gain.tolist(), 1.0))


def _warp_tiled(texture: Image, to_image: Array, size_wh: tuple[int, int]) -> Image:
    """Warp a texture that repeats without end."""
    m = np.linalg.inv(to_image).astype(np.float32)
    u, v = np.meshgrid(
        np.arange(size_wh[0], dtype=np.float32), np.arange(size_wh[1], dtype=np.float32)
    )
    w = 1.0 / (m[2, 0] * u + m[2, 1] * v + m[2, 2])
    x = np.clip((m[0, 0] * u + m[0, 1] * v + m[0, 2]) * w, -9999, 9999)
    y = np.clip((m[1, 0] * u + m[1, 1] * v + m[1, 2]) * w, -9999, 9999)
    return cv2.remap(texture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)


def _post_shapes(prop: Prop, camera: Camera, light: Light, gain: float) -> list[Shape]:
    """A post with its lamp, sign or signal, as seen from the camera."""
    foot = np.array([prop.x_m, prop.y_m, 0.0])
    depth = float(camera.to_camera(foot[None])[0, 2])
    if depth < 1.5:
        return []
    haze = float(light.haze(np.array(depth)))
    lit = light.shade(np.array([[0.0, 0.0, 0.5]]))[0] + gain

    def colour(base: tuple[float, float, float], *, glow: bool = False) -> tuple[float, ...]:
        bright = np.asarray(base) * (1.4 if glow and light.lamps > 0.05 else lit)
        mixed = bright * (1 - haze) + np.asarray(light.fog_colour) * haze
        return tuple(np.clip(mixed, 0, 255).tolist())

    def line(a: tuple[float, ...], b: tuple[float, ...], width_m: float, c: tuple[float, ...]) -> Shape:
        ends = camera.project(foot + np.array([a, b]))[:, :2]
        thick = max(0.7, width_m * camera.focal_px / depth)
        return Shape(points_px=ends, colour=c, thickness_px=thick)  # type: ignore[arg-type]

    def panel(x: tuple[float, float], z: tuple[float, float], c: tuple[float, ...], n: int = 4) -> Shape:
        middle = np.array([(x[0] + x[1]) / 2, 0.0, (z[0] + z[1]) / 2])
        size = np.array([(x[1] - x[0]) / 2, 0.0, (z[1] - z[0]) / 2])
        turn = np.linspace(0, 2 * np.pi, n, endpoint=False) + (np.pi / 4 if n == 4 else np.pi / n)
        reach = np.sqrt(2.0) if n == 4 else 1.0
        ring = np.stack([np.cos(turn), np.zeros(n), np.sin(turn)], axis=1) * reach
        points = camera.project(foot + middle + ring * size)[:, :2]
        return Shape(points_px=points, colour=c)  # type: ignore[arg-type]

    steel, height = colour((104, 106, 106)), prop.height_m
    post = line((0, 0, 0), (0, 0, height), 0.11, steel)
    if prop.kind == 'lamp':
        arm = -1.6 * prop.variant
        tip = colour((190, 225, 245), glow=True)
        return [post, line((0, 0, height), (arm, 0, height + 0.3), 0.08, steel),
                line((arm * 0.75, 0, height + 0.22), (arm * 1.2, 0, height + 0.3), 0.16, tip)]  # fmt: skip
    if prop.kind == 'signal':
        box = panel((-0.17, 0.17), (height - 1.0, height), colour((34, 36, 36)))
        lamp = panel((-0.1, 0.1), (height - 0.3, height - 0.1), colour((50, 50, 235), glow=True), 10)
        return [post, box, lamp]
    return [post, *_sign_face(prop, panel, colour)]


def _sign_face(prop: Prop, panel: object, colour: object) -> list[Shape]:
    assert callable(panel) and callable(colour)
    top = prop.height_m
    span, height = (-0.32, 0.32), (top - 0.64, top)
    if prop.variant == 0:
        return [panel(span, height, colour((40, 36, 190)), 14), panel((-0.22, 0.22), (top - 0.54, top - 0.1), colour((235, 235, 235)), 14)]
    if prop.variant == 1:
        return [panel(span, height, colour((150, 80, 30)))]
    if prop.variant == 2:
        return [panel(span, height, colour((40, 36, 190)), 8), panel((-0.24, 0.24), (top - 0.36, top - 0.28), colour((235, 235, 235)))]
    return [panel(span, height, colour((60, 190, 230)), 3)]
