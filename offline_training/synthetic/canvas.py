"""The picture being painted, back to front, and the id buffer that says whose pixel it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from offline_training.synthetic.pixels import (
    added,
    grey_to_bgr,
    Image,
    inverted,
    multiplied,
    resized,
    SHIFT,
)

BACKGROUND_ID = 0


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A polygon (thickness 0) or a line (thickness in px) with one colour."""

    points_px: NDArray[np.float64]  # (N, 2)
    colour: tuple[float, float, float]  # BGR, 0 to 255
    thickness_px: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Painted:
    """What one actor covers: its bounds and area, parts outside the image included."""

    bounds_xyxy_px: tuple[float, float, float, float]
    area_px: float


class Canvas:
    """`image` (H, W, 3) uint8 BGR and `owner` (H, W) int32, the id of what is in front."""

    def __init__(self, image: Image) -> None:
        self.image = image
        self.owner: NDArray[np.int32] = np.zeros(image.shape[:2], dtype=np.int32)

    def paint(
        self, shapes: Sequence[Shape], *, owner: int, grain: Image | None = None
    ) -> Painted | None:
        """Paint shapes in order as one thing; None where nothing falls near the image.

        `grain` (h, w) is stretched over it and scales its brightness, 128 leaves it as it is.
        """
        bounds = _bounds(shapes)
        window = self._window(bounds)
        if window is None:
            return None
        x0, y0, x1, y1 = window
        scale = _supersampling(x1 - x0, y1 - y0)
        layer = _draw(shapes, window, scale)
        if grain is not None:
            stretched = resized(grain, (layer.shape[1], layer.shape[0]), cv2.INTER_CUBIC)
            flat = np.full_like(stretched, 128)  # alpha stays
            layer = multiplied(layer, np.dstack([*[stretched] * 3, flat]), one=128.0)
        alpha = np.ascontiguousarray(layer[:, :, 3])
        self.blend(layer, (x0, y0), owner=owner)
        return Painted(bounds_xyxy_px=bounds, area_px=float(np.count_nonzero(alpha > 127)))

    def blend(self, layer: Image, corner_xy: tuple[int, int], *, owner: int) -> None:
        """Lay a premultiplied BGRA layer over the image with its top left at `corner_xy`."""
        height, width = self.image.shape[0], self.image.shape[1]
        x0, y0 = corner_xy
        left, top = max(0, -x0), max(0, -y0)
        right, bottom = min(layer.shape[1], width - x0), min(layer.shape[0], height - y0)
        if right <= left or bottom <= top:
            return
        part = layer[top:bottom, left:right]
        alpha = np.ascontiguousarray(part[:, :, 3])
        view = self.image[y0 + top : y0 + bottom, x0 + left : x0 + right]
        behind = multiplied(view, grey_to_bgr(inverted(alpha)))
        view[:] = added(behind, np.ascontiguousarray(part[:, :, :3]))
        self.owner[y0 + top : y0 + bottom, x0 + left : x0 + right][alpha > 127] = owner

    def _window(self, bounds: tuple[float, ...]) -> tuple[int, int, int, int] | None:
        """Whole pixels to draw in: the bounds, cut half an image beyond the border."""
        height, width = self.owner.shape
        if bounds[2] < 0 or bounds[3] < 0 or bounds[0] > width - 1 or bounds[1] > height - 1:
            return None
        x0 = int(np.floor(max(bounds[0], -0.5 * width))) - 1
        y0 = int(np.floor(max(bounds[1], -0.5 * height))) - 1
        x1 = int(np.ceil(min(bounds[2], 1.5 * width))) + 2
        y1 = int(np.ceil(min(bounds[3], 1.5 * height))) + 2
        return (x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None


def _bounds(shapes: Sequence[Shape]) -> tuple[float, float, float, float]:
    points = np.concatenate([s.points_px for s in shapes])
    reach = np.repeat([s.thickness_px / 2 for s in shapes], [len(s.points_px) for s in shapes])
    low = (points - reach[:, None]).min(axis=0)
    high = (points + reach[:, None]).max(axis=0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def _supersampling(width: int, height: int) -> int:
    if max(width, height) > 400:
        return 1
    return 2 if max(width, height) > 48 else 3


def _draw(shapes: Sequence[Shape], window: tuple[int, int, int, int], scale: int) -> Image:
    """Premultiplied BGRA at image resolution; drawn larger and averaged, so edges are soft."""
    x0, y0, x1, y1 = window
    layer = np.zeros(((y1 - y0) * scale, (x1 - x0) * scale, 4), dtype=np.uint8)
    # Pixel centres are integers: pixel i of the image covers [i - 0.5, i + 0.5].
    offset = np.array([x0 - 0.5, y0 - 0.5])
    factor = float(1 << SHIFT)
    points = np.concatenate([s.points_px for s in shapes])
    points = ((points - offset) * scale - 0.5) * factor
    fixed_all = np.rint(np.clip(points, -1e6, 1e6)).astype(np.int32)
    end = 0
    for shape in shapes:
        start, end = end, end + len(shape.points_px)
        fixed = fixed_all[start:end]
        colour = (*shape.colour, 255.0)
        if shape.thickness_px > 0:
            thick = max(1, round(shape.thickness_px * scale))
            cv2.polylines(layer, [fixed], False, colour, thick, cv2.LINE_8, SHIFT)
        else:
            cv2.fillPoly(layer, [fixed], colour, cv2.LINE_8, SHIFT)
    if scale == 1:
        return layer
    return resized(layer, (x1 - x0, y1 - y0), cv2.INTER_AREA)
