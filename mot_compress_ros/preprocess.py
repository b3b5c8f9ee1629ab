"""Image to network input, and the transform that undoes it: FairMOT's letterbox."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.boxes import FloatArray
from mot_compress_ros.datatypes import Frame

# Pixels of the network's input per cell of its maps, each way (FairMOT, section 4.1).
STRIDE = 4
# FairMOT pads with 127.5; in a uint8 image OpenCV rounds it to the even 128.
PADDING_GREY = (127.5, 127.5, 127.5)


@dataclass(frozen=True, kw_only=True)
class LetterboxTransform:
    """Where the source image lies in the network's input: u = x * scale_x + left, and so for v.

    FairMOT undoes one common ratio; the size of the resized image is rounded to whole pixels
    though, so each axis has a ratio of its own, and boxes come back exactly.
    """

    scale_x: float
    scale_y: float
    left_px: int
    top_px: int

    def apply(self, boxes_xyxy_px: FloatArray) -> NDArray[np.float64]:
        """Boxes (N, 4) in source pixels to boxes in network pixels."""
        return np.asarray(boxes_xyxy_px, np.float64) * self._scale + self._shift

    def undo(self, boxes_xyxy_px: FloatArray) -> NDArray[np.float64]:
        """Boxes (N, 4) in network pixels to boxes in source pixels."""
        return (np.asarray(boxes_xyxy_px, np.float64) - self._shift) / self._scale

    @property
    def _scale(self) -> NDArray[np.float64]:
        return np.array([self.scale_x, self.scale_y] * 2)

    @property
    def _shift(self) -> NDArray[np.float64]:
        return np.array([self.left_px, self.top_px] * 2, np.float64)


def letterbox(
    image: NDArray[np.uint8], *, size_wh: tuple[int, int]
) -> tuple[NDArray[np.uint8], LetterboxTransform]:
    """Resize with the aspect kept and pad with grey to `size_wh`; channel order is kept.

    Args:
        image: (H, W, 3) uint8.
        size_wh: width and height of the network's input.

    Returns:
        (h, w, 3) uint8 of size `size_wh`, and the transform of boxes.

    Source: FairMOT (ratio = the smaller one, border split evenly). It resizes by area, which is
    slow where the sides do not divide; see `_resized`.
    """
    (new_w, new_h), (left, top) = _place((image.shape[1], image.shape[0]), size_wh)
    resized = _resized(image, (new_w, new_h))
    right, bottom = size_wh[0] - new_w - left, size_wh[1] - new_h - top
    padded = cv2.copyMakeBorder(
        resized, top, bottom, left, right, cv2.BORDER_CONSTANT, value=PADDING_GREY
    )
    transform = letterbox_transform((image.shape[1], image.shape[0]), size_wh=size_wh)
    return np.asarray(padded, np.uint8), transform


def _resized(image: NDArray[np.uint8], size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    """Means over whole pixels as far as they go, and the rest, less than a half, bilinear.

    Every pixel of the image counts, and both steps are fast.
    """
    height, width = image.shape[:2]
    whole = min(width // size_wh[0], height // size_wh[1])
    if whole > 1:
        smaller = (round(width / whole), round(height / whole))
        image = np.asarray(cv2.resize(image, smaller, interpolation=cv2.INTER_AREA), np.uint8)
    return np.asarray(cv2.resize(image, size_wh, interpolation=cv2.INTER_LINEAR), np.uint8)


def letterbox_transform(
    source_wh: tuple[int, int], *, size_wh: tuple[int, int]
) -> LetterboxTransform:
    """Where `letterbox` puts images of a size."""
    (new_w, new_h), (left, top) = _place(source_wh, size_wh)
    return LetterboxTransform(
        scale_x=new_w / source_wh[0], scale_y=new_h / source_wh[1], left_px=left, top_px=top
    )


def _place(
    source_wh: tuple[int, int], size_wh: tuple[int, int]
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Size of the resized image, and where its upper left corner lies."""
    ratio = min(size_wh[0] / source_wh[0], size_wh[1] / source_wh[1])
    new_w, new_h = max(round(source_wh[0] * ratio), 1), max(round(source_wh[1] * ratio), 1)
    return (new_w, new_h), (
        round((size_wh[0] - new_w) / 2 - 0.1),
        round((size_wh[1] - new_h) / 2 - 0.1),
    )


def letterbox_rgb(
    frame: Frame, *, size_wh: tuple[int, int]
) -> tuple[NDArray[np.uint8], LetterboxTransform]:
    """`letterbox` of a frame's image in RGB; colours are swapped last, on less data."""
    image, transform = letterbox(frame.image, size_wh=size_wh)
    if frame.color_order == 'bgr':
        image = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
    return image, transform
