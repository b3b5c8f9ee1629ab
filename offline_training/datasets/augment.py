"""Augmentation of one image and its boxes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.errors import InvalidOptionError
from mot_compress_ros.options import option
from offline_training.datasets.geometries import GEOMETRIES
from offline_training.datasets.geometries.view import Repeat
from offline_training.datasets.training_images import TrainingImage

if TYPE_CHECKING:
    from offline_training.datasets.key_frames import KeySample

SIDE_MULTIPLE = 32  # the network's deepest stride


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """Ranges of the random changes; the factors for S and V and the angles are FairMOT's."""

    geometry: str = option(
        'window',
        'window: a zoomed part of the image; letterbox: the whole image, as FairMOT does',
        choices=tuple(GEOMETRIES),
    )
    width_px: int = option(576, 'width of the window', minimum=32, unit='px')
    height_px: int = option(320, 'height of the window', minimum=32, unit='px')
    min_full_width_px: float = option(
        576.0, 'window: smallest width to which the whole image is zoomed', minimum=1.0, unit='px'
    )
    max_full_width_px: float = option(
        1300.0, 'window: largest width to which the whole image is zoomed', minimum=1.0, unit='px'
    )
    min_scale: float = option(0.5, 'letterbox: smallest scale', minimum=0.01)
    max_scale: float = option(1.2, 'letterbox: largest scale', minimum=0.01)
    translate: float = option(
        0.1, 'letterbox: largest shift, as a share of the other side', minimum=0.0, maximum=1.0
    )
    rotation_deg: float = option(5.0, 'largest rotation', minimum=0.0, unit='deg')
    shear_deg: float = option(2.0, 'largest shear', minimum=0.0, unit='deg')
    saturation_value: float = option(0.5, 'largest change of S and V', minimum=0.0, maximum=1.0)
    flip_probability: float = option(0.5, 'chance of a mirror image', minimum=0.0, maximum=1.0)
    min_visible: float = option(
        0.4,
        'window, mosaic: share of a box in view below which it is ignored',
        minimum=0.0,
        maximum=1.0,
    )
    min_size_px: float = option(
        5.0,
        'window, mosaic: longer side of a box below which it is ignored',
        minimum=0.0,
        unit='px',
    )
    mosaic_probability: float = option(
        0.0, 'chance of a picture put together of four', minimum=0.0, maximum=1.0
    )

    def __post_init__(self) -> None:
        if self.width_px % SIDE_MULTIPLE or self.height_px % SIDE_MULTIPLE:
            raise InvalidOptionError(
                f'augment.width_px, augment.height_px: got {self.width_px} x {self.height_px}, '
                f'expected multiples of {SIDE_MULTIPLE}'
            )
        ranges = (
            ('full_width_px', self.min_full_width_px, self.max_full_width_px),
            ('scale', self.min_scale, self.max_scale),
        )
        for name, low, high in ranges:
            if low > high:
                raise InvalidOptionError(
                    f'augment.min_{name}, augment.max_{name}: got {low} and {high}, expected the '
                    'first to be at most the second'
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
        nameless_clips: (N,) int64, -1 or the `nameless_clip` of the box's `TrainingImage`.
        labelled_classes: as in `TrainingImage`.
        key: what is known of its key frame, where it has one.
    """

    image_rgb: NDArray[np.uint8]
    boxes_xyxy_px: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    identities: NDArray[np.int64]
    nameless_clips: NDArray[np.int64]
    ignore_xyxy_px: NDArray[np.float32]
    ignore_class_ids: NDArray[np.int64]
    labelled_classes: tuple[int, ...]
    key: KeySample | None = None


def augment(
    image_bgr: NDArray[np.uint8],
    labels: TrainingImage,
    config: AugmentConfig,
    rng: np.random.Generator,
) -> AugmentedImage:
    """The image through the chosen geometry, with the labels that are still to be learned."""
    return augment_repeatedly(image_bgr, labels, config, rng)[0]


def augment_repeatedly(
    image_bgr: NDArray[np.uint8],
    labels: TrainingImage,
    config: AugmentConfig,
    rng: np.random.Generator,
) -> tuple[AugmentedImage, Repeat]:
    """`augment`, and its geometry for another frame of the same size."""
    view = GEOMETRIES[config.geometry](image_bgr, labels, config, rng)
    keep, ignored = view.keep, view.ignored
    image = AugmentedImage(
        image_rgb=view.image_rgb,
        boxes_xyxy_px=view.boxes_xyxy_px[keep],
        class_ids=labels.class_ids[keep],
        identities=labels.identities[keep],
        nameless_clips=np.full(int(keep.sum()), labels.nameless_clip, np.int64),
        ignore_xyxy_px=np.concatenate([view.ignore_xyxy_px, view.boxes_xyxy_px[ignored]]),
        ignore_class_ids=np.concatenate([labels.ignore_class_ids, labels.class_ids[ignored]]),
        labelled_classes=labels.labelled_classes,
    )
    return image, view.repeat
