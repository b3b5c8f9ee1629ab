"""Things that stand still, drawn onto the canvas: buildings, trees, lamp posts, signs."""

from __future__ import annotations

import cv2
import numpy as np

from offline_training.synthetic import textures
from offline_training.synthetic.camera import Camera, clip_near
from offline_training.synthetic.canvas import BACKGROUND_ID, Canvas, Shape
from offline_training.synthetic.layout import Building, Prop
from offline_training.synthetic.light import Light
from offline_training.synthetic.pixels import (
    added,
    Array,
    fill_polygon,
    gained,
    grey_to_bgr,
    Image,
    inverted,
    mixed,
    multiplied,
    resized,
    warp_tiled,
)
from offline_training.synthetic.posts import post_shapes

UP = np.array([0.0, 0.0, 1.0])
NORTH = np.array([0.0, 1.0, 0.0])
EAST = np.array([1.0, 0.0, 0.0])
ROOFS = ((52, 66, 128), (60, 60, 66), (64, 84, 112), (78, 80, 84), (44, 54, 98))


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
        self._trees = [gained(textures.tree(rng), gain) for _ in range(8)]

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

        if building.roof_m > 0:
            self._roof(canvas, building, camera)

    def _roof(self, canvas: Canvas, building: Building, camera: Camera) -> None:
        """A gable towards the camera and the slope that faces the road."""
        (x0, x1), (y0, y1), eaves = building.x_m, building.y_m, building.height_m
        ridge, top = (x0 + x1) / 2, eaves + building.roof_m
        near = x0 - 0.4 if camera.position_m[0] < x0 else x1 + 0.4
        end = y0 if camera.position_m[1] < y0 else y1
        gable = np.array([[x0, end, eaves], [x1, end, eaves], [ridge, end, top]])
        slope = np.array(
            [
                [near, y0 - 0.3, eaves - 0.1],
                [near, y1 + 0.3, eaves - 0.1],
                [ridge, y1 + 0.3, top],
                [ridge, y0 - 0.3, top],
            ]
        )
        side = np.sign(near - ridge)
        tiles = ROOFS[building.facade % len(ROOFS)]
        wall = self._facades[building.facade % len(self._facades)][8:60:4].mean(axis=(0, 1))
        lean = np.array([side * building.roof_m, 0.0, abs(near - ridge)])
        faces = (
            (gable, wall * 0.9, np.sign(end - ridge) * NORTH),
            (slope, np.asarray(tiles), lean / np.linalg.norm(lean)),
        )
        for points, colour, normal in faces:
            optical = clip_near(camera.to_camera(points), near_m=0.5)
            if len(optical) < 3:
                continue
            gain = self._light.shade(normal[None])[0] + self._light.lamps * 0.05
            haze = float(self._light.haze(np.array(optical[:, 2].mean())))
            lit = colour * gain * (1 - haze) + np.asarray(self._light.fog_colour) * haze
            blue, green, red = np.clip(lit, 0, 255).tolist()
            outline = camera.project_optical(optical)[:, :2]
            shape = Shape(points_px=outline, colour=(blue, green, red))
            canvas.paint([shape], owner=BACKGROUND_ID)

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
        px_per_m = camera.focal_px / float(optical[:, 2].min())
        shrink = np.log2(textures.FACADE_PX_PER_M / px_per_m) + 0.7  # walls are seen aslant
        level = int(np.clip(shrink, 0, 3))
        texture = self._face(building.facade, normal, level)
        ppm = textures.FACADE_PX_PER_M / 2**level
        base = corner + UP * (textures.FACADE_SIZE_M[1])
        to_image = camera.plane_homography(base, along / ppm, -UP / ppm)
        shift = np.array([[1, 0, -low[0]], [0, 1, -low[1]], [0, 0, 1.0]])
        size = (int(high[0] - low[0]), int(high[1] - low[1]))
        layer = warp_tiled(texture, shift @ to_image, size)
        layer = self._hazed(layer, np.asarray(np.linalg.inv(shift @ to_image), np.float64))
        mask = np.zeros((size[1], size[0]), dtype=np.uint8)
        fill_polygon(mask, polygon - low, 255)
        region = np.s_[low[1] : high[1], low[0] : high[0]]
        cv2.copyTo(layer, mask, canvas.image[region])
        canvas.owner[region][mask > 0] = BACKGROUND_ID

    def _face(self, facade: int, normal: Array, level: int) -> Image:
        """A facade lit for the direction it looks, shrunk by 2 ** level."""
        index = facade % len(self._facades)
        key = (index, bool(abs(normal[0]) > 0.5), int(normal.sum() > 0))
        if key not in self._faces:
            gain = self._light.shade(normal[None])[0] + self._light.lamps * 0.06
            picture = gained(self._facades[index], gain)
            if self._light.lamps > 0.05:
                strength = min(1.0, self._light.lamps)
                picture = mixed(picture, 1.0, self._glow[index], strength)
            levels = [picture]
            for _ in range(3):
                levels.append(np.asarray(cv2.pyrDown(levels[-1]), np.uint8))
            self._faces[key] = levels
        return self._faces[key][level]

    def _hazed(self, layer: Image, from_image: Array) -> Image:
        """Mix in fog. On a plane 1 / depth is linear in pixels: third row of the inverse."""
        height, width = layer.shape[0], layer.shape[1]
        columns = np.linspace(0, width - 1, max(2, width // 16))
        rows = np.linspace(0, height - 1, max(2, height // 16))
        u, v = np.meshgrid(columns, rows)
        inverse = from_image[2, 0] * u + from_image[2, 1] * v + from_image[2, 2]
        haze = self._light.haze(1.0 / np.maximum(inverse, 1e-3))
        if haze.max() < 0.02:
            return layer
        small = np.clip(haze * 255, 0, 255).astype(np.uint8)
        weight = grey_to_bgr(resized(small, (width, height)))
        fog = gained(weight, [c / 255 for c in self._light.fog_colour])
        return added(multiplied(layer, inverted(weight)), fog)

    def prop(self, canvas: Canvas, prop: Prop, camera: Camera, gain: float) -> None:
        """A tree or post; `gain` is what lamps add to its light."""
        if prop.kind == 'tree':
            self._tree(canvas, prop, camera)
            return
        shapes = post_shapes(prop, camera, self._light, gain)
        if shapes:
            canvas.paint(shapes, owner=BACKGROUND_ID)

    def _tree(self, canvas: Canvas, prop: Prop, camera: Camera) -> None:
        foot = np.array([[prop.x_m, prop.y_m, 0.0]])
        u, v, depth = camera.project(foot)[0]
        picture = self._trees[prop.variant % len(self._trees)]
        scale = prop.height_m * camera.focal_px / depth / picture.shape[0]
        rows, columns = picture.shape[0], picture.shape[1]
        size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
        if depth < 1.5 or size[1] < 3 or size[1] > 4000:
            return
        corner = (round(u - size[0] / 2), round(v - size[1]))
        height, width = canvas.owner.shape
        if corner[0] > width or corner[0] + size[0] < 0 or corner[1] > height:
            return
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        layer = resized(picture, size, method)
        haze = float(self._light.haze(np.array(depth)))
        canvas.blend(hazed_layer(layer, haze, self._light), corner, owner=BACKGROUND_ID)


def hazed_layer(layer: Image, haze: float, light: Light) -> Image:
    """A premultiplied BGRA layer seen through fog."""
    if haze < 0.02:
        return layer
    alpha = layer[:, :, 3]
    share = [c / 255 for c in light.fog_colour]
    fog = gained(np.dstack([alpha] * 4), share)
    result = mixed(layer, 1 - haze, fog, haze)
    result[:, :, 3] = alpha
    return result
