"""Write KITTI tracking: `label_02/NAME.txt`, `image_02/NAME/000000.png`, the sequence map.

A line is `frame id type truncated occluded alpha x1 y1 x2 y2 h w l x y z rotation`: frames from 0,
pixels, and for what is not known (everything in three dimensions) the values that KITTI gives
`DontCare`. `evaluate_tracking.seqmap.training` names the sequences and their lengths; it is where
TrackEval looks for it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.errors import InputError
from offline_training.datasets.classes import CLASS_NAMES, CYCLIST, PEDESTRIAN, VEHICLE
from offline_training.datasets.records import LabelledSequence, LabelledSet
from offline_training.datasets.writers.placing import (
    labelled_note,
    place_image,
    refuse_single_images,
    sequence_names,
)

HELP = 'KITTI tracking: label_02, image_02, evaluate_tracking.seqmap.training'
TYPES = {PEDESTRIAN: 'Pedestrian', CYCLIST: 'Cyclist', VEHICLE: 'Car'}
IGNORED_TYPE, IGNORED_ID = 'DontCare', -1
_UNKNOWN_ALPHA = -10
_UNKNOWN_3D = '-1 -1 -1 -1000 -1000 -1000 -10'
_KITTI_HZ = 10.0


def write(labelled: LabelledSet, folder: Path) -> list[str]:
    """All sequences into one folder, laid out as KITTI's `training`.

    Raises:
        InputError: single images, or classes that are not the product's.
    """
    refuse_single_images(labelled, 'KITTI tracking')
    if labelled.class_names != CLASS_NAMES:
        raise InputError(
            f'{labelled.path}: has the classes {", ".join(labelled.class_names)}; KITTI tracking '
            f'knows {", ".join(CLASS_NAMES)}: write it with --to coco'
        )
    names = sequence_names(labelled.sequences)
    (folder / 'label_02').mkdir()
    for name, sequence in zip(names, labelled.sequences, strict=True):
        for index, image in enumerate(sequence.image_paths):
            target = folder / 'image_02' / name / f'{index:06d}{image.suffix.lower()}'
            place_image(image, target)
        text = ''.join(_lines(sequence))
        (folder / 'label_02' / f'{name}.txt').write_text(text, encoding='ascii')
    lengths = [
        f'{name} empty 000000 {len(sequence):06d}\n'
        for name, sequence in zip(names, labelled.sequences, strict=True)
    ]
    seqmap = folder / 'evaluate_tracking.seqmap.training'
    seqmap.write_text(''.join(lengths), encoding='utf-8')
    return _lost(labelled)


def _lines(sequence: LabelledSequence) -> list[str]:
    lines: list[str] = []
    for frame_index, truth in enumerate(sequence.truth):
        # One region that several classes ignore is one DontCare, which is ignored by all.
        regions = dict.fromkeys(_box(box) for box in truth.boxes_xyxy_px[truth.ignore])
        heads = [(f'{IGNORED_ID} {IGNORED_TYPE} -1 -1', box) for box in regions]
        objects = truth[~truth.ignore]
        ids = objects.ids.tolist() if sequence.has_identities else range(len(lines), 10**9)
        for row, track_id in zip(range(len(objects)), ids, strict=False):
            kind = TYPES[int(objects.class_ids[row])]
            occluded = _occluded(float(objects.visibility[row]))
            box = _box(objects.boxes_xyxy_px[row])
            heads.append((f'{track_id} {kind} 0 {occluded}', box))
        lines += [
            f'{frame_index} {head} {_UNKNOWN_ALPHA} {box} {_UNKNOWN_3D}\n' for head, box in heads
        ]
    return lines


def _box(xyxy_px: NDArray[np.float64]) -> str:
    return ' '.join(f'{value:.6f}' for value in xyxy_px)


def _occluded(visibility: float) -> int:
    """KITTI's steps: 0 fully visible, 1 partly, 2 largely occluded; 3, unknown, is not scored."""
    return int(visibility < 1) + int(visibility < 0.5)


def _lost(labelled: LabelledSet) -> list[str]:
    lost = labelled_note(labelled)
    rates = sorted({s.fps for s in labelled.sequences if s.fps != _KITTI_HZ})
    if rates:
        lost.append(
            f'frame rate {", ".join(f"{rate:g}" for rate in rates)} Hz: KITTI is read as 10 Hz'
        )
    ignored = sum(int(t.ignore.sum()) for s in labelled.sequences for t in s.truth)
    if ignored:
        lost.append(
            f'{ignored} regions to ignore become DontCare, for all classes and without an id'
        )
    if any(((t.visibility < 1) & ~t.ignore).any() for s in labelled.sequences for t in s.truth):
        lost.append('visibility becomes one of three steps (1, from 0.5, below)')
    if not all(s.has_identities for s in labelled.sequences):
        lost.append('ids without a meaning over frames become one id for each box')
    if any(s.origin != 'real' for s in labelled.sequences):
        lost.append('that images are synthetic is not said')
    return lost
