"""Read Penn-Fudan pedestrians: `images/*.jpg` and PASCAL text in `annotations/*.txt`."""

from __future__ import annotations

from pathlib import Path
import re

import numpy as np

from mot_compress_ros.errors import InputError
from offline_training.datasets.classes import PEDESTRIAN
from offline_training.datasets.image_files import is_readable
from offline_training.datasets.records import LabelledImage, LabelledSet, SourceConfig

OPTIONS: frozenset[str] = frozenset()
_BOX = re.compile(r'Bounding box for object \d+ .*: \((\d+), (\d+)\) - \((\d+), (\d+)\)')


def recognises(path: Path) -> bool:
    """Whether annotations of it are there."""
    if not is_readable(path):
        return False
    first = next(iter(sorted(path.glob('annotations/*.txt'))), None)
    return first is not None and b'Bounding box for object' in first.read_bytes()


def read(path: Path, config: SourceConfig) -> LabelledSet:
    """All images; only pedestrians are labelled.

    Raises:
        InputError: as `read_pennfudan`.
    """
    return LabelledSet(path=path, layout='pennfudan', images=tuple(read_pennfudan(path)))


def read_pennfudan(folder: Path | str) -> list[LabelledImage]:
    """All images with their pedestrians, in order of their names.

    Its authors left out pedestrians that are hidden or tiny; they stay unlabelled.

    Raises:
        InputError: there is no annotation, or one has no image or no box.
    """
    folder = Path(folder)
    files = sorted((folder / 'annotations').glob('*.txt'))
    if not files:
        raise InputError(f'{folder}: no annotations/*.txt; expected the Penn-Fudan layout')
    return [_read(path, folder / 'images' / f'{path.stem}.jpg') for path in files]


def _read(annotation: Path, image: Path) -> LabelledImage:
    if not image.is_file():
        raise InputError(f'{image}: image of {annotation.name} is missing')
    boxes = np.array(_BOX.findall(annotation.read_text(encoding='latin-1')), np.float64)
    if not len(boxes):
        raise InputError(f'{annotation}: holds no bounding box')
    boxes[:, :2] -= 1  # the file counts pixels from 1; the far corner is then the pixel's end
    return LabelledImage(
        path=image,
        boxes_xyxy_px=boxes,
        class_ids=np.full(len(boxes), PEDESTRIAN, np.int64),
        ignore=np.zeros(len(boxes), np.bool_),
        labelled_class_ids=(PEDESTRIAN,),
    )
