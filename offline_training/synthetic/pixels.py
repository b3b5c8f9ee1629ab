"""Arithmetic on whole pictures: typed, thin layers over OpenCV's saturating operations."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Array = NDArray[np.float64]
SHIFT = 4  # sub-pixel bits of OpenCV's drawing calls


def gained(image: Image, gains: Sequence[float] | Array) -> Image:
    """Each channel times its gain; gains beyond the image's channels are not used."""
    factors = [float(g) for g in gains] + [1.0] * (4 - len(gains))
    return np.asarray(cv2.multiply(image, np.array(factors)), np.uint8)


def multiplied(image: Image, factors: Image, *, one: float = 255.0) -> Image:
    """Pixel by pixel; where `factors` is `one` the image stays as it is."""
    return np.asarray(cv2.multiply(image, factors, scale=1 / one), np.uint8)


def added(image: Image, other: Image) -> Image:
    """Pixel by pixel, up to 255."""
    return np.asarray(cv2.add(image, other), np.uint8)


def mixed(image: Image, weight: float, other: Image, other_weight: float) -> Image:
    """The weighted sum of two pictures."""
    return np.asarray(cv2.addWeighted(image, weight, other, other_weight, 0), np.uint8)


def inverted(image: Image) -> Image:
    """255 minus each value."""
    return np.asarray(cv2.bitwise_not(image), np.uint8)


def grey_to_bgr(grey: Image) -> Image:
    """(H, W) to (H, W, 3)."""
    return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), np.uint8)


def resized(image: Image, size_wh: tuple[int, int], method: int = cv2.INTER_LINEAR) -> Image:
    """The picture in another size."""
    return np.asarray(cv2.resize(image, size_wh, interpolation=method), np.uint8)


def blurred(image: Image, sigma_px: float) -> Image:
    """Gaussian blur."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma_px), np.uint8)


def warp_tiled(texture: Image, to_image: Array, size_wh: tuple[int, int]) -> Image:
    """A texture that repeats without end, seen through a homography from its pixels to ours."""
    m = np.linalg.inv(to_image).astype(np.float32)
    u = np.arange(size_wh[0], dtype=np.float32)[None, :]
    v = np.arange(size_wh[1], dtype=np.float32)[:, None]
    w = 1.0 / (m[2, 0] * u + m[2, 1] * v + m[2, 2])
    # OpenCV keeps whole coordinates in 16 bits.
    x = np.clip((m[0, 0] * u + m[0, 1] * v + m[0, 2]) * w, -32000, 32000)
    y = np.clip((m[1, 0] * u + m[1, 1] * v + m[1, 2]) * w, -32000, 32000)
    warped = cv2.remap(texture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    return np.asarray(warped, np.uint8)


def fill_polygon(mask: Image, points_px: Array, value: int) -> None:
    """Fill a polygon (N, 2) in place; far points are moved to where OpenCV can still count."""
    fixed = np.rint(np.clip(points_px * (1 << SHIFT), -3e7, 3e7)).astype(np.int32)
    cv2.fillPoly(mask, [fixed], (float(value),), cv2.LINE_8, SHIFT)


def convex_hull(points: Array) -> Array:
    """The outline of points (N, 2)."""
    hull = cv2.convexHull(points.astype(np.float32))
    return np.asarray(hull, np.float64).reshape(-1, 2)
