"""Write COCO detection: `annotations/instances.json` and `images/`.

`bbox` is left, top, width, height in pixels; `iscrowd` 1 marks a region to ignore, as COCO's own
evaluation reads it. Frames of a sequence carry `sequence` and `frame_number` (from 1) and their
boxes `track_id`, which COCO tools leave alone. Categories count from 1.
"""

from __future__ import annotations

from collections.abc import Iterator
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.boxes import xyxy_to_xywh
from offline_training.datasets.image_files import image_size_wh
from offline_training.datasets.records import LabelledSequence, LabelledSet
from offline_training.datasets.writers.placing import (
    image_names,
    labelled_note,
    place_image,
    sequence_names,
)

HELP = 'COCO detection JSON with its images; any classes, single images and frames'
_DECIMALS = 3


def write(labelled: LabelledSet, folder: Path) -> list[str]:
    """All images and frames; every class of the set is a category.

    Raises:
        InputError: an image is missing or has no readable header.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for entry, boxes in (*_singles(labelled, folder), *_all_frames(labelled, folder)):
        images.append({'id': len(images) + 1, **entry})
        annotations += [
            {'id': len(annotations) + 1 + k, 'image_id': len(images), **box}
            for k, box in enumerate(boxes)
        ]
    document = {
        'info': {'description': f'{labelled.layout} set {labelled.path.name}'},
        'images': images,
        'annotations': annotations,
        'categories': [{'id': k + 1, 'name': name} for k, name in enumerate(labelled.class_names)],
    }
    (folder / 'annotations').mkdir()
    text = json.dumps(document)
    (folder / 'annotations' / 'instances.json').write_text(text, encoding='utf-8')
    return labelled_note(labelled)


_Entry = tuple[dict[str, Any], list[dict[str, Any]]]


def _singles(labelled: LabelledSet, folder: Path) -> Iterator[_Entry]:
    for name, image in zip(image_names(labelled.images), labelled.images, strict=True):
        place_image(image.path, folder / 'images' / name)
        width, height = image_size_wh(image.path)
        entry = {'file_name': name.as_posix(), 'width': width, 'height': height}
        boxes = _boxes(image.boxes_xyxy_px, image.class_ids, image.ignore)
        yield entry, boxes if image.ids is None else _named(boxes, image.ids)


def _all_frames(labelled: LabelledSet, folder: Path) -> Iterator[_Entry]:
    names = sequence_names(labelled.sequences)
    for name, sequence in zip(names, labelled.sequences, strict=True):
        yield from _frames(sequence, name, folder)


def _frames(sequence: LabelledSequence, name: str, folder: Path) -> Iterator[_Entry]:
    width, height = sequence.size_wh
    for index, truth in enumerate(sequence.truth):
        file_name = f'{name}/{index + 1:06d}.jpg'
        if sequence.image_paths:
            source = sequence.image_paths[index]
            file_name = f'{name}/{index + 1:06d}{source.suffix.lower()}'
            place_image(source, folder / 'images' / file_name)
        entry = {
            'file_name': file_name,
            'width': width,
            'height': height,
            'sequence': name,
            'frame_number': index + 1,
        }
        boxes = _boxes(truth.boxes_xyxy_px, truth.class_ids, truth.ignore)
        yield entry, _named(boxes, truth.ids) if sequence.has_identities else boxes


def _named(boxes: list[dict[str, Any]], ids: NDArray[np.int64]) -> list[dict[str, Any]]:
    return [{**box, 'track_id': i} for box, i in zip(boxes, ids.tolist(), strict=True)]


def _boxes(
    boxes_xyxy_px: NDArray[np.float64], class_ids: NDArray[np.int64], ignore: NDArray[np.bool_]
) -> list[dict[str, Any]]:
    xywh = np.round(xyxy_to_xywh(boxes_xyxy_px), _DECIMALS)  # (N, 4)
    return [
        {
            'category_id': int(class_id) + 1,
            'bbox': box,
            'area': round(box[2] * box[3], _DECIMALS),
            'iscrowd': int(ignored),
        }
        for box, class_id, ignored in zip(xywh.tolist(), class_ids, ignore, strict=True)
    ]
