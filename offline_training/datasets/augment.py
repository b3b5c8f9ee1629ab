"""Augmentation of one image and its boxes: FairMOT's colour and affine changes, as a random crop.

FairMOT warps the whole image (scale 0.5 to 1.2, rotation 5 degrees, shear 2 degrees). Here the
same warp also zooms in and cuts out a window of the network's size, so that a small input still
shows small objects at the size they have at run time.
"""

from __future__ import annotations

from dataclasses import dataclass
import math

import cv2
import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.errors import InvalidOptionError
from mot_compress_ros.options import option
from offline_training.datasets.training_images import TrainingImage

SIDE_MULTIPLE = 32  # the network's deepest stride
FILL_BGR = (127.5, 127.5, 127.5)  # the letterbox grey of FairMOT


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """Ranges of the random changes; the factors for S and V and the angles are FairMOT's."""

    width_px: int = option(576, 'width of the window', minimum=32, unit='px')
    height_px: int = option(320, 'height of the window', minimum=32, unit='px')
    min_full_width_px: float = option(
        576.0, 'smallest width to which the whole image is zoomed', minimum=1.0, unit='px'
    )
    max_full_width_px: float = option(
        1300.0, 'largest width to which the whole image is zoomed', minimum=1.0, unit='px'
    )
    rotation_deg: float = option(5.0, 'largest rotation', minimum=0.0, unit='deg')
    shear_deg: float = option(2.0, 'largest shear', minimum=0.0, unit='deg')
    saturation_value: float = option(0.5, 'largest change of S and V', minimum=0.0, maximum=1.0)
    flip_probability: float = option(0.5, 'chance of a mirror image', minimum=0.0, maximum=1.0)
    min_visible: float = option(
        0.4, 'share of a box inside the window below which it is ignored', minimum=0.0, maximum=1.0
    )
    min_size_px: float = option(
        5.0, 'longer side of a box below which it is ignored', minimum=0.0, unit='px'
    )

    def __post_init__(self) -> None:
        if self.width_px % SIDE_MULTIPLE or self.height_px % SIDE_MULTIPLE:
            raise InvalidOptionError(
                f'augment.width_px, augment.height_px: got {self.width_px} x {self.height_px}, '
                f'expected multiples of {SIDE_MULTIPLE}'
            )

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height of the window."""
        return self.width_px, self.height_px


@dataclass(frozen=True, eq=False, kw_only=True)
class AugmentedImage:
    """A window of the network's size with its boxes in pixels of that window.

    Attributes:
        image_rgb: (H, W, 3) uint8.
        boxes_xyxy_px: (N, 4) float32; class_ids, identities: (N,) int64.
        ignore_xyxy_px: (M, 4) float32; ignore_class_ids: (M,) int64.
        labelled_classes, nameless_clip: as in `TrainingImage`.
    """

    image_rgb: NDArray[np.uint8]
    boxes_xyxy_px: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    identities: NDArray[np.int64]
    ignore_xyxy_px: NDArray[np.float32]
    ignore_class_ids: NDArray[np.int64]
    labelled_classes: tuple[int, ...]
    nameless_clip: int = -1


def augment(
    image_bgr: NDArray[np.uint8],
    labels: TrainingImage,
    config: AugmentConfig,
    rng: np.random.Generator,
) -> AugmentedImage:
    """A random window of the image.

    A label that is hardly visible in it becomes a region to ignore for its class.
    """
    matrix = _random_matrix(image_bgr, labels.boxes_xyxy_px, config, rng)
    width, height = config.size_wh
    window: NDArray[np.uint8] = cv2.warpAffine(  # type: ignore[assignment]
        image_bgr,
        _between_pixel_centres(matrix),
        (width, height),
        flags=cv2.INTER_LINEAR,
        borderValue=FILL_BGR,
    )
    boxes = _warp_boxes(labels.boxes_xyxy_px, matrix)
    keep, ignored = _visible(boxes, config)
    ignore = np.concatenate([_warp_boxes(labels.ignore_xyxy_px, matrix), boxes[ignored]])
    return AugmentedImage(
        image_rgb=_jitter_colour(window, config, rng),
        boxes_xyxy_px=boxes[keep],
        class_ids=labels.class_ids[keep],
        identities=labels.identities[keep],
        ignore_xyxy_px=ignore,
        ignore_class_ids=np.concatenate([labels.ignore_class_ids, labels.class_ids[ignored]]),
        labelled_classes=labels.labelled_classes,
        nameless_clip=labels.nameless_clip,
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
    angle = math.radians(rng.uniform(-1, 1) * config.rotation_deg)
    shear = np.tan(np.radians(rng.uniform(-1, 1, 2) * config.shear_deg))
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


def _between_pixel_centres(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same map for OpenCV, which puts 0 in the middle of the first pixel, not at its edge."""
    return np.column_stack([matrix[:, :2], matrix[:, :2] @ [0.5, 0.5] + matrix[:, 2] - 0.5])


def _warp_boxes(boxes: NDArray[np.float32], matrix: NDArray[np.float64]) -> NDArray[np.float32]:
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
    width, height = config.size_wh
    size = boxes[:, 2:] - boxes[:, :2]  # (N, 2)
    inside = np.clip(boxes, 0, np.array([width, height, width, height], np.float32))
    inside_size = inside[:, 2:] - inside[:, :2]
    share = inside_size.prod(axis=1) / np.maximum(size.prod(axis=1), 1e-6)
    in_view = (inside_size > 1).all(axis=1)
    keep = in_view & (share >= config.min_visible) & (size.max(axis=1) >= config.min_size_px)
    return keep, in_view & ~keep


def _jitter_colour(
    image_bgr: NDArray[np.uint8], config: AugmentConfig, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Saturation and value times 1 +- 0.5 each, as FairMOT does; BGR in, RGB out."""
    hsv = cv2.cvtColor(image_bgr, cv2.COLOR_BGR2HSV)
    for channel in (1, 2):
        factor = 1 + rng.uniform(-1, 1) * config.saturation_value
        table = np.clip(np.arange(256) * factor, 0, 255).astype(np.uint8)
        hsv[..., channel] = cv2.LUT(hsv[..., channel], table)
    rgb: NDArray[np.uint8] = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)  # type: ignore[assignment]
    return rgb
