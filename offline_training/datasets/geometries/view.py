"""What a geometry returns, and what the geometries share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import math

import cv2
import numpy as np
from numpy.typing import NDArray

FILL_BGR = (127.5, 127.5, 127.5)  # the letterbox grey of FairMOT


@dataclass(frozen=True, eq=False, kw_only=True)
class Repeat:
    """A view's geometry once more, for another frame of the same size.

    Attributes:
        picture: (H, W, 3) uint8 BGR of the source and random numbers for colours of its own, to
            the picture (h, w, 3) uint8 RGB.
        boxes: boxes (N, 4) in source pixels to boxes in pixels of the picture.
    """

    picture: Callable[[NDArray[np.uint8], np.random.Generator], NDArray[np.uint8]]
    boxes: Callable[[NDArray[np.floating]], NDArray[np.floating]]


@dataclass(frozen=True, eq=False, kw_only=True)
class View:
    """A picture of the network's size and the labels of its image in its pixels.

    Attributes:
        image_rgb: (H, W, 3) uint8.
        boxes_xyxy_px: (N, 4) float32, all boxes of the image in their order.
        keep: (N,) bool, boxes to learn from.
        ignored: (N,) bool, boxes that become regions to ignore; the rest is forgotten.
        ignore_xyxy_px: (M, 4) float32, regions to ignore of the image.
        repeat: the same for another frame.
    """

    image_rgb: NDArray[np.uint8]
    boxes_xyxy_px: NDArray[np.float32]
    keep: NDArray[np.bool_]
    ignored: NDArray[np.bool_]
    ignore_xyxy_px: NDArray[np.float32]
    repeat: Repeat


def warp_image(
    image_bgr: NDArray[np.uint8], matrix: NDArray[np.float64], size_wh: tuple[int, int]
) -> NDArray[np.uint8]:
    """The image under a 2 x 3 matrix of coordinates in which pixel 0 reaches from 0 to 1."""
    warped = cv2.warpAffine(
        image_bgr,
        between_pixel_centres(matrix),
        size_wh,
        flags=cv2.INTER_LINEAR,
        borderValue=FILL_BGR,
    )
    return np.asarray(warped, np.uint8)


def between_pixel_centres(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same map for OpenCV, which puts 0 in the middle of the first pixel, not at its edge."""
    return np.column_stack([matrix[:, :2], matrix[:, :2] @ [0.5, 0.5] + matrix[:, 2] - 0.5])


def turn_and_shear(
    rng: np.random.Generator, *, rotation_deg: float, shear_deg: float
) -> tuple[float, NDArray[np.float64]]:
    """A random angle in radians and the tangents (2,) of two random shears."""
    angle = math.radians(rng.uniform(-1, 1) * rotation_deg)
    return angle, np.tan(np.radians(rng.uniform(-1, 1, 2) * shear_deg))


def jitter_colour(
    image_bgr: NDArray[np.uint8], rng: np.random.Generator, *, largest: float
) -> NDArray[np.uint8]:
    """Saturation and value times 1 +- `largest` each, as FairMOT does; BGR in, RGB out."""
    hsv = cv2.cvtColor(image_bgr, cv2.COLOR_BGR2HSV)
    for channel in (1, 2):
        factor = 1 + rng.uniform(-1, 1) * largest
        table = np.clip(np.arange(256) * factor, 0, 255).astype(np.uint8)
        hsv[..., channel] = cv2.LUT(hsv[..., channel], table)
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), np.uint8)


def visible_share(
    boxes_xyxy_px: NDArray[np.float32], region_xyxy_px: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Share of each box (N,) inside a region (4,), and whether more than a pixel each way is."""
    low, high = np.tile(region_xyxy_px[:2], 2), np.tile(region_xyxy_px[2:], 2)
    inside = np.clip(boxes_xyxy_px, low, high)
    size, inside_size = (b[:, 2:] - b[:, :2] for b in (boxes_xyxy_px, inside))  # (N, 2) each
    share = inside_size.prod(axis=1) / np.maximum(size.prod(axis=1), 1e-6)
    return share.astype(np.float32), np.asarray((inside_size > 1).all(axis=1))
