"""FairMOT's own augmentation: colours, letterbox, a random affine map, a mirror image.

From its code (`jde.py`, which it took over from JDE). The ranges are options whose defaults are
FairMOT's: S and V times 1 +- 0.5, rotation 5 degrees, scale 0.5 to 1.2, shear 2 degrees, and
translation by 0.1, of the height along x and of the width along y, as its code has it. A turned
box becomes the hull of its corners, reduced by sqrt(max(|sin|, |cos|)) of the angle; boxes reach
outside of the picture (amodal). What is left out: sides up to 4 px, less than a tenth of the area
it had, side ratios from 10, and boxes wholly outside. Those are forgotten, not ignored.

Where this differs from it, knowingly:

- the letterbox and its boxes agree to the pixel, and so do the warped picture and its boxes:
  FairMOT takes the unrounded border for boxes, and warps box edges as if they were pixel centres;
- regions to ignore and classes that a set does not label, which FairMOT does not have, stay.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.preprocess import letterbox
from offline_training.datasets.geometries.view import (
    jitter_colour,
    Repeat,
    turn_and_shear,
    View,
    warp_image,
)

if TYPE_CHECKING:
    from offline_training.datasets.augment import AugmentConfig
    from offline_training.datasets.training_images import TrainingImage

MIN_SIDE_PX = 4.0
MIN_AREA_RATIO = 0.1
MAX_SIDE_RATIO = 10.0


def letterbox_affine(
    image_bgr: NDArray[np.uint8],
    labels: TrainingImage,
    config: AugmentConfig,
    rng: np.random.Generator,
) -> View:
    """The whole image, letterboxed, then warped and mirrored at random."""
    coloured = jitter_colour(image_bgr, rng, largest=config.saturation_value)  # RGB from here on
    boxed, transform = letterbox(coloured, size_wh=config.size_wh)
    matrix, angle = _random_matrix(config, rng)
    picture = warp_image(boxed, matrix, config.size_wh)
    before, ignore = (
        transform.apply(boxes) for boxes in (labels.boxes_xyxy_px, labels.ignore_xyxy_px)
    )
    boxes, ignore = (warp_hulls(b, matrix, angle_rad=angle) for b in (before, ignore))
    keep = _kept(boxes, before, config.size_wh)
    flipped = rng.random() < config.flip_probability
    if flipped:
        picture = np.asarray(cv2.flip(picture, 1), np.uint8)
        boxes, ignore = (_mirrored(b, config.width_px) for b in (boxes, ignore))

    def other_picture(other: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
        coloured = jitter_colour(other, rng, largest=config.saturation_value)
        warped = warp_image(letterbox(coloured, size_wh=config.size_wh)[0], matrix, config.size_wh)
        return np.asarray(cv2.flip(warped, 1), np.uint8) if flipped else warped

    def other_boxes(others: NDArray[np.floating]) -> NDArray[np.floating]:
        hulls = warp_hulls(transform.apply(others), matrix, angle_rad=angle)
        return _mirrored(hulls, config.width_px) if flipped else hulls

    return View(
        image_rgb=picture,
        boxes_xyxy_px=boxes.astype(np.float32),
        keep=keep,
        ignored=np.zeros(len(boxes), np.bool_),
        ignore_xyxy_px=ignore.astype(np.float32),
        repeat=Repeat(picture=other_picture, boxes=other_boxes),
    )


def _random_matrix(
    config: AugmentConfig, rng: np.random.Generator
) -> tuple[NDArray[np.float64], float]:
    """A 2 x 3 matrix of letterbox pixels, and its angle: turn and scale, shift, then shear."""
    width, height = config.size_wh
    angle, shear = turn_and_shear(
        rng, rotation_deg=config.rotation_deg, shear_deg=config.shear_deg
    )
    scale = rng.uniform(config.min_scale, config.max_scale)
    turn = np.eye(3)
    turn[:2] = cv2.getRotationMatrix2D((width / 2, height / 2), math.degrees(angle), scale)
    shift = np.eye(3)
    shift[:2, 2] = rng.uniform(-1, 1, 2) * config.translate * (height, width)
    slant = np.array([[1, shear[0], 0], [shear[1], 1, 0], [0, 0, 1]])
    return (slant @ shift @ turn)[:2], angle


def warp_hulls(
    boxes_xyxy_px: NDArray[np.floating], matrix: NDArray[np.float64], *, angle_rad: float
) -> NDArray[np.float64]:
    """Hulls of the warped corners, reduced for the angle: (N, 4) -> (N, 4)."""
    x1, y1, x2, y2 = boxes_xyxy_px.T
    corners = np.array([[x1, x2, x1, x2], [y1, y2, y2, y1]])  # (2, 4, N)
    warped = np.einsum('ij,jkn->ikn', matrix[:, :2], corners) + matrix[:, 2, None, None]
    low, high = warped.min(axis=1).T, warped.max(axis=1).T  # (N, 2) each
    reduction = math.sqrt(max(abs(math.sin(angle_rad)), abs(math.cos(angle_rad))))
    centre, half = (low + high) / 2, (high - low) / 2 * reduction
    return np.concatenate([centre - half, centre + half], axis=1)


def _kept(
    boxes: NDArray[np.float64], before: NDArray[np.float64], size_wh: tuple[int, int]
) -> NDArray[np.bool_]:
    """(N,): what FairMOT learns from."""
    size, old_size = (b[:, 2:] - b[:, :2] for b in (boxes, before))  # (N, 2) each
    area_ratio = size.prod(axis=1) / (old_size.prod(axis=1) + 1e-16)
    side_ratio = size.max(axis=1, initial=0) / (size.min(axis=1, initial=np.inf) + 1e-16)
    inside = (boxes[:, :2] < size_wh).all(axis=1) & (boxes[:, 2:] > 0).all(axis=1)
    shape = (area_ratio > MIN_AREA_RATIO) & (side_ratio < MAX_SIDE_RATIO)
    return (size > MIN_SIDE_PX).all(axis=1) & shape & inside


def _mirrored(boxes: NDArray[np.float64], width_px: int) -> NDArray[np.float64]:
    x1, y1, x2, y2 = boxes.T
    return np.stack([width_px - x2, y1, width_px - x1, y2], axis=1)
