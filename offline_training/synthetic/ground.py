"""The ground: one tile of street that repeats in both directions, drawn in metres."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from offline_training.synthetic.camera import Camera
from offline_training.synthetic.layout import BLOCK_M, CROSS_HALF_M, LANE_M, Road
from offline_training.synthetic.pixels import Image, resized, warp_tiled
from offline_training.synthetic.textures import noise

# How far along the road each level reaches, and how much its texture is shrunk across and along:
# seen at a grazing angle the ground is compressed far more along the road than across it.
LEVELS = ((9.0, 1, 1), (20.0, 1, 4), (48.0, 4, 16), (float('inf'), 8, 64))


ALL_X, ALL_Y = (-BLOCK_M, BLOCK_M), (0.0, BLOCK_M)
JOINT, KERB = (126.0, 130.0, 132.0), (186.0, 190.0, 190.0)  # between slabs; edge of the sidewalk


class GroundTile:
    """x from -BLOCK/2 to BLOCK/2, y from 0 to BLOCK; the cross street runs along y = 0."""

    def __init__(
        self,
        road: Road,
        surroundings: str,
        px_per_m: int,
        rng: np.random.Generator,
        *,
        turning: bool = False,
    ) -> None:
        self.px_per_m = px_per_m
        size = int(BLOCK_M * px_per_m)
        self._picture = np.zeros((size, size, 3), dtype=np.float32)
        self._paint_areas(road, surroundings, rng)
        self._paint_asphalt_wear(road, rng)
        self._paint_markings(road, rng)
        tile = np.clip(self._picture, 0, 255).astype(np.uint8)
        del self._picture
        self.levels: list[Image] = [
            resized(tile, (size // across, size // along), cv2.INTER_AREA)
            for _, across, along in LEVELS
        ]
        # For a camera that looks along a cross street.
        self.cross_levels: list[Image] = [
            resized(tile, (size // along, size // across), cv2.INTER_AREA)
            for _, across, along in (LEVELS if turning else ())
        ]

    def draw(self, image: Image, camera: Camera) -> int:
        """Fill what lies below the horizon; returns the first row of ground."""
        height = image.shape[0]
        top = max(0, int(np.floor(camera.horizon_px + 1.0)))
        ends = [min(height, max(top, self._row_at(camera, reach))) for reach, _, _ in LEVELS]
        bottom = height
        for level, end in enumerate(ends):
            if end < bottom:
                image[end:bottom] = self._strip(camera, level, end, bottom, image.shape[1])
                bottom = end
        return top

    def _row_at(self, camera: Camera, distance_m: float) -> int:
        drop = camera.focal_px * camera.position_m[2] / distance_m
        return int(camera.horizon_px + drop) + 1

    def _strip(self, camera: Camera, level: int, top: int, bottom: int, width: int) -> Image:
        eastward = abs(np.cos(camera.heading_rad)) > abs(np.sin(camera.heading_rad))
        texture = (self.cross_levels if eastward and self.cross_levels else self.levels)[level]
        # Shift by whole tiles: OpenCV keeps texture coordinates in 16 bits.
        y_tile = np.floor(camera.position_m[1] / BLOCK_M) * BLOCK_M
        across = BLOCK_M / texture.shape[1]
        along = BLOCK_M / texture.shape[0]
        origin = np.array([-BLOCK_M / 2 + across / 2, y_tile + along / 2, 0.0])
        to_image = camera.plane_homography(
            origin, np.array([across, 0.0, 0.0]), np.array([0.0, along, 0.0])
        )
        shift = np.array([[1, 0, 0], [0, 1, -top], [0, 0, 1.0]])
        return warp_tiled(texture, shift @ to_image, (width, bottom - top))

    def _area(self, x: tuple[float, float], y: tuple[float, float]) -> list[NDArray[np.float32]]:
        """Views of the tile that cover a rectangle in metres, wrapped in y."""
        ppm, size = self.px_per_m, self._picture.shape[0]
        x0, x1 = (int(np.clip(round((v + BLOCK_M / 2) * ppm), 0, size)) for v in x)
        views = []
        for wrap in (-BLOCK_M, 0.0, BLOCK_M):
            y0, y1 = (int(np.clip(round((v + wrap) * ppm), 0, size)) for v in y)
            if y1 > y0 and x1 > x0:
                views.append(self._picture[y0:y1, x0:x1])
        return views

    def _fill(
        self, x: tuple[float, float], y: tuple[float, float], colour: tuple[float, ...]
    ) -> None:
        for view in self._area(x, y):
            view[:] = colour

    def _paint_areas(self, road: Road, surroundings: str, rng: np.random.Generator) -> None:
        ground = (120, 126, 130) if surroundings == 'city' else (58, 106, 88)
        self._picture[:] = ground
        shape = self._picture.shape[:2]
        rough = 16 if surroundings != 'city' else 5
        self._picture += (noise(shape, rng, cells=self.px_per_m * 2, wrap=True) * rough)[..., None]
        walk = (158 + rng.uniform(-14, 14), 164, 168)
        half, cross = road.half_m, CROSS_HALF_M
        for side in (-1, 1):
            x = _span(side * half, side * (half + road.sidewalk_m))
            self._fill(x, ALL_Y, walk)
            self._fill(ALL_X, _span(side * cross, side * (cross + 3.0)), walk)
            for k in np.arange(0, BLOCK_M, 1.0):
                self._fill(x, (k, k + 0.03), JOINT)
            for k in np.arange(*x, 1.0):
                self._fill((k, k + 0.03), ALL_Y, JOINT)
            self._fill(_span(side * half, side * (half + 0.18)), ALL_Y, KERB)
            self._fill(ALL_X, _span(side * cross, side * (cross + 0.18)), KERB)
        tone = rng.uniform(78, 112)
        asphalt = (tone * 1.01, tone, tone * 0.98)
        self._fill((-half, half), ALL_Y, asphalt)
        self._fill(ALL_X, (-cross, cross), asphalt)
        grain = noise(shape, rng, cells=2) * 3 + rng.standard_normal(shape).astype(np.float32) * 3
        self._picture += grain[..., None]

    def _paint_asphalt_wear(self, road: Road, rng: np.random.Generator) -> None:
        stains = noise(self._picture.shape[:2], rng, cells=self.px_per_m * 5, wrap=True)
        self._picture += (stains * 3.5)[..., None]
        for lane in range(-road.lanes, road.lanes):
            middle = (lane + 0.5) * LANE_M
            for view in self._area((middle - 0.35, middle + 0.35), ALL_Y):
                view -= 6.0  # oil between the wheel tracks
            for _ in range(2):  # mended patches
                x, y = middle + rng.uniform(-1.2, 0.4), rng.uniform(0, BLOCK_M)
                w, h, tone = rng.uniform(0.6, 1.6), rng.uniform(0.8, 4.0), rng.uniform(-16, 10)
                for view in self._area((x, x + w), (y, y + h)):
                    view += tone
            self._disc(middle + rng.uniform(-0.5, 0.5), rng.uniform(8, BLOCK_M - 8), 0.33, 52)
        for _ in range(10):
            self._crack(rng.uniform(-road.half_m, road.half_m), rng.uniform(0, BLOCK_M), rng)

    def _disc(self, x: float, y: float, radius: float, tone: float) -> None:
        """A manhole cover."""
        centre = (int((x + BLOCK_M / 2) * self.px_per_m), int(y * self.px_per_m))
        cv2.circle(self._picture, centre, int(radius * self.px_per_m), (tone, tone, tone), -1)
        cv2.circle(self._picture, centre, int(radius * self.px_per_m), (40, 40, 40), 1)

    def _crack(self, x: float, y: float, rng: np.random.Generator) -> None:
        steps = np.cumsum(rng.normal(0, 0.25, (14, 2)), axis=0) + np.array([x, y])
        points = ((steps + np.array([BLOCK_M / 2, 0.0])) * self.px_per_m).astype(np.int32)
        cv2.polylines(self._picture, [points], False, (62, 62, 62), 1)

    def _paint_markings(self, road: Road, rng: np.random.Generator) -> None:
        worn = rng.uniform(0.82, 1.0)
        white = (224 * worn, 226 * worn, 226 * worn)
        middle = (70, 176, 214) if rng.random() < 0.35 else white
        gap = CROSS_HALF_M + 6.5  # markings end before the crossing
        inside = (gap, BLOCK_M - gap)
        if rng.random() < 0.5:
            self._fill((-0.18, -0.06), inside, middle)
            self._fill((0.06, 0.18), inside, middle)
        else:
            self._dashes(0.0, inside, 3.0, 6.0, middle)
        for lane in range(1, road.lanes):
            self._dashes(lane * LANE_M, inside, 3.0, 6.0, white)
            self._dashes(-lane * LANE_M, inside, 3.0, 6.0, white)
        if road.parking:
            for side in (-1, 1):
                x = side * road.lanes * LANE_M
                self._dashes(x, inside, 0.8, 1.0, white)
        for side in (-1, 1):
            self._crossing(road, side, white)

    def _crossing(self, road: Road, side: int, white: tuple[float, ...]) -> None:
        """Zebra and stop line on one side of the cross street, and that street's own dashes."""
        zebra = _span(side * (CROSS_HALF_M + 0.6), side * (CROSS_HALF_M + 3.6))
        for x in np.arange(-road.half_m + 0.3, road.half_m - 0.5, 1.0):
            self._fill((x, x + 0.5), zebra, white)
        stop = _span(side * (CROSS_HALF_M + 4.6), side * (CROSS_HALF_M + 5.0))
        lanes = (-road.lanes * LANE_M, -0.2) if side > 0 else (0.2, road.lanes * LANE_M)
        self._fill(lanes, stop, white)
        for x in np.arange(*_span(side * (road.half_m + 6.0), side * BLOCK_M), 9.0):
            self._fill((x, x + 3.0), (-0.06, 0.06), white)

    def _dashes(
        self,
        x: float,
        y: tuple[float, float],
        length: float,
        gap: float,
        colour: tuple[float, ...],
    ) -> None:
        for start in np.arange(y[0], y[1] - length, length + gap):
            self._fill((x - 0.06, x + 0.06), (start, start + length), colour)


def _span(a: float, b: float) -> tuple[float, float]:
    """Two ends in order."""
    return (a, b) if a < b else (b, a)
