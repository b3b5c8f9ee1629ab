"""A random window of the zoomed image, of the network's size.

FairMOT warps the whole image (scale 0.5 to 1.2, rotation 5 degrees, shear 2 degrees). Here the
same warp also zooms in and cuts out a window of the network's size, so that a small input still
shows small objects at the size they have at run time.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from offline_training.datasets.geometries.view import (
    jitter_colour,
    Repeat,
    turn_and_shear,
    View,
    visible_share,
    warp_image,
)

if TYPE_CHECKING:
    from offline_training.datasets.augment import AugmentConfig
    from offline_training.datasets.training_images import TrainingImage


def window(
    image_bgr: NDArray[np.uint8],
    labels: TrainingImage,
    config: AugmentConfig,
    rng: np.random.Generator,
) -> View:
    """A random window of the image, often near one of its boxes.

    A label that is hardly visible in it becomes a region to ignore for its class.
    """
    matrix = _random_matrix(image_bgr, labels.boxes_xyxy_px, config, rng)
    cut = warp_image(image_bgr, matrix, config.size_wh)
    boxes = _warp_boxes(labels.boxes_xyxy_px, matrix)
    keep, ignored = _visible(boxes, config)
    return View(
        image_rgb=jitter_colour(cut, rng, largest=config.saturation_value),
        boxes_xyxy_px=boxes,
        keep=keep,
        ignored=ignored,
        ignore_xyxy_px=_warp_boxes(labels.ignore_xyxy_px, matrix),
        repeat=Repeat(
            picture=lambda other, rng: jitter_colour(
                warp_image(other, matrix, config.size_wh), rng, largest=config.saturation_value
            ),
            boxes=lambda boxes: _warp_boxes(boxes, matrix),
        ),
    )


def _random_matrix(
    image: NDArray[np.uint8],
    boxes: NDArray[np.float32],
    config: AugmentConfig,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """A 2 x 3 matrix from source to window pixels, looking near a random box or anywhere."""
    height, width = image.shape[:2]
    low, high = np.log(config.min_full_width_px / width), np.log(config.max_full_width_px / width)
    scale = math.exp(rng.uniform(low, high))
    angle, shear = turn_and_shear(
        rng, rotation_deg=config.rotation_deg, shear_deg=config.shear_deg
    )
    linear = (
        scale
        * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        @ np.array([[1, shear[0]], [shear[1], 1]])
    )
    if rng.random() < config.flip_probability:
        linear = linear @ np.diag([-1.0, 1.0])
    focus = rng.uniform(0, 1, 2) * (width, height)
    if len(boxes) and rng.random() < 0.7:
        box = boxes[rng.integers(len(boxes))]
        focus = (box[:2] + box[2:]) / 2
    target = rng.uniform(0.15, 0.85, 2) * config.size_wh
    shift = _keep_inside(target - linear @ focus, linear, (width, height), config.size_wh)
    return np.concatenate([linear, shift[:, None]], axis=1)


def _keep_inside(
    shift: NDArray[np.float64],
    linear: NDArray[np.float64],
    source_wh: tuple[int, int],
    window_wh: tuple[int, int],
) -> NDArray[np.float64]:
    """Move the window back over the image, so that little of it is grey border."""
    w, h = source_wh
    corners = np.array([[0, 0], [w, 0], [0, h], [w, h]], np.float64) @ linear.T + shift  # (4, 2)
    low, high = corners.min(axis=0), corners.max(axis=0)
    window = np.array(window_wh, np.float64)
    slack = np.maximum(window - (high - low), 0)  # image smaller than the window on this axis
    too_far_right = np.maximum(low - slack, 0)
    too_far_left = np.maximum(window - slack - high, 0)
    return shift - too_far_right + np.where(too_far_right > 0, 0, too_far_left)


def _warp_boxes(boxes: NDArray[np.floating], matrix: NDArray[np.float64]) -> NDArray[np.float32]:
    """Axis-parallel boxes of the same centre and warped size: (N, 4) -> (N, 4).

    The hull of the four turned corners would grow with the angle; the size is scaled instead.
    """
    if not len(boxes):
        return np.zeros((0, 4), np.float32)
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2 @ matrix[:, :2].T + matrix[:, 2]  # (N, 2)
    scale = math.sqrt(abs(np.linalg.det(matrix[:, :2])))
    half = (boxes[:, 2:] - boxes[:, :2]) * scale / 2  # (N, 2)
    return np.concatenate([centre - half, centre + half], axis=1).astype(np.float32)


def _visible(
    boxes: NDArray[np.float32], config: AugmentConfig
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Masks (N,): boxes to learn from, and boxes in view that are too small or too cut off."""
    share, in_view = visible_share(boxes, np.array([0, 0, *config.size_wh], np.float32))
    size = boxes[:, 2:] - boxes[:, :2]  # (N, 2)
    keep = in_view & (share >= config.min_visible) & (size.max(axis=1) >= config.min_size_px)
    return keep, in_view & ~keep
