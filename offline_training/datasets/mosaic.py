"""Four pictures put together into one: more objects and grounds in one image.

Source: Bochkovskiy et al. 2020 (YOLOv4), section 3.3. A cross at a random place divides the
picture; each quarter shows a part of another augmented image, zoomed out as far as fills it at
most. Boxes are cut to their quarter: what lies beyond is another image's ground.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.preprocess import STRIDE
from offline_training.datasets.augment import AugmentConfig, AugmentedImage
from offline_training.datasets.geometries.view import visible_share

_SPLIT = (0.3, 0.7)  # where the cross may lie, share of a side


def mosaic(
    images: Sequence[AugmentedImage],
    config: AugmentConfig,
    rng: np.random.Generator,
    *,
    n_class: int,
) -> AugmentedImage:
    """One picture of four, all of the network's size.

    A box that is hardly visible in its quarter becomes a region to ignore for its class. Where the
    four do not label the same classes, a quarter is a region to ignore for what it lacks.

    Args:
        images: four augmented images.
        config: `min_visible` and `min_size_px` say what is hardly visible.
        rng: where the cross lies, and what each quarter shows.
        n_class: number of classes.
    """
    width, height = config.size_wh
    picture = np.empty((height, width, 3), np.uint8)
    parts = []
    for image, quarter in zip(images, _quarters(config.size_wh, rng), strict=True):
        x1, y1, x2, y2 = quarter
        picture[y1:y2, x1:x2], part = _part(image, quarter, config, rng, n_class)
        parts.append(part)
    return AugmentedImage(
        image_rgb=picture,
        labelled_classes=tuple(range(n_class)),
        key=None,
        **{key: np.concatenate([part[key] for part in parts]) for key in parts[0]},
    )


def _quarters(
    size_wh: tuple[int, int], rng: np.random.Generator
) -> list[tuple[int, int, int, int]]:
    """The four quarters, x1 y1 x2 y2, on borders of the network's cells."""
    w, h = size_wh
    x, y = (int(rng.uniform(*_SPLIT) * side) // STRIDE * STRIDE for side in size_wh)
    return [(0, 0, x, y), (x, 0, w, y), (0, y, x, h), (x, y, w, h)]


def _part(
    image: AugmentedImage,
    quarter: tuple[int, int, int, int],
    config: AugmentConfig,
    rng: np.random.Generator,
    n_class: int,
) -> tuple[NDArray[np.uint8], dict[str, NDArray[Any]]]:
    """The pixels of one quarter, and its labels by the names of `AugmentedImage`."""
    region = np.array(quarter, np.float32)
    pixels, scale, shift = _cut_out(image.image_rgb, quarter, rng)
    boxes, ignore = (
        (b * np.tile(scale, 2) + np.tile(shift, 2)).astype(np.float32)
        for b in (image.boxes_xyxy_px, image.ignore_xyxy_px)
    )
    share, in_view = visible_share(boxes, region)
    large = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0) >= config.min_size_px
    keep = in_view & (share >= config.min_visible) & large
    hardly = in_view & ~keep
    unlabelled = [k for k in range(n_class) if k not in image.labelled_classes]
    low, high = np.tile(region[:2], 2), np.tile(region[2:], 2)
    regions = np.clip(np.concatenate([ignore, boxes[hardly]]), low, high)
    whole = np.tile(region, (len(unlabelled), 1))
    return pixels, {
        'boxes_xyxy_px': np.clip(boxes[keep], low, high),
        'class_ids': image.class_ids[keep],
        'identities': image.identities[keep],
        'nameless_clips': image.nameless_clips[keep],
        'ignore_xyxy_px': np.concatenate([regions, whole]),
        'ignore_class_ids': np.concatenate(
            [image.ignore_class_ids, image.class_ids[hardly], np.array(unlabelled, np.int64)]
        ),
    }


def _cut_out(
    image: NDArray[np.uint8], quarter: tuple[int, int, int, int], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.float64], NDArray[np.float64]]:
    """A random part of the image, and the map of its coordinates: u = x * scale + shift."""
    x1, y1, x2, y2 = quarter
    size, target = np.array(image.shape[1::-1]), np.array([x2 - x1, y2 - y1])
    zoom = rng.uniform((target / size).max(), 1)
    small = np.maximum(np.round(size * zoom).astype(int), target)
    corner = rng.integers(0, small - target + 1)
    resized = cv2.resize(image, (int(small[0]), int(small[1])), interpolation=cv2.INTER_AREA)
    pixels = resized[corner[1] : corner[1] + target[1], corner[0] : corner[0] + target[0]]
    return np.asarray(pixels, np.uint8), small / size, np.array([x1, y1]) - corner
