"""The labels of one image or frame, as BDD100K's official JSON files write them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mot_compress_ros.errors import InputError
from offline_training.datasets.bdd100k_classes import (
    CATEGORIES,
    DROPPED,
    NamedBox,
    NAMES_OF_2018,
)
from offline_training.datasets.label_files import corner_box, legal, member, numbers
from offline_training.datasets.truth_rows import NOBODY


def named_boxes(
    record: Any, where: str, identities: Mapping[str, int] | None = None
) -> list[NamedBox]:
    """The boxes of an image that can be an object of ours; lanes and areas are left out.

    So is a box without area, of which the published files hold a few
    (github.com/ucbdrive/bdd100k/issues/4). Corners are taken as they stand: they are fractions of
    a pixel, though Scalabel's tools count the far corner as a pixel of the box.

    Args:
        record: with `labels`, which is missing or null where nothing was found.
        where: file and image, for errors.
        identities: number of each `id` of the labels, in tracking.

    Raises:
        InputError: a label is not what the format says.
    """
    boxes = []
    for label in labels_of(record, where):
        if label.get('box2d') is None:
            continue
        category = member(label, 'category', str, where)
        name = legal(NAMES_OF_2018.get(category, category), CATEGORIES, where)
        if name in DROPPED:
            continue
        corners = member(label, 'box2d', dict, where)
        box = numbers([corners.get(k) for k in ('x1', 'y1', 'x2', 'y2')], 4, where)
        if box[0] == box[2] or box[1] == box[3]:
            continue
        boxes.append(
            NamedBox(
                name=name,
                xyxy_px=corner_box(box, where),
                crowd=is_crowd(label),
                identity=NOBODY if identities is None else identities[str(label['id'])],
            )
        )
    return boxes


def labels_of(record: Any, where: str) -> list[dict[str, Any]]:
    """The `labels` of an image or frame; none where it has no such key.

    Raises:
        InputError: they are not a list of objects.
    """
    labels = record.get('labels') or []
    if not isinstance(labels, list) or not all(isinstance(label, dict) for label in labels):
        raise InputError(f'{where}: labels: expected a list of objects')
    return labels


def is_crowd(label: Mapping[str, Any]) -> bool:
    """Whether a box stands for several objects; the first edition wrote `Crowd`."""
    attributes = label.get('attributes') or {}
    return bool(attributes.get('crowd') or attributes.get('Crowd'))
