"""Read labelled BDD100K frames: `labels.csv`, `splits.csv`, `images/`.

Which category becomes which class is in `bdd100k_classes`. This is one frame a video as CSV; the
official JSON files are read by `bdd100k_detection` and `bdd100k_mot`.
"""

from __future__ import annotations

from collections.abc import Iterator
import csv
from pathlib import Path

import numpy as np

from mot_compress_ros.errors import InputError
from offline_training.datasets.bdd100k_classes import (
    NamedBox,
    OBJECTS,
    product_truth,
    RIDER,
    TWO_WHEELERS,
)
from offline_training.datasets.classes import ALL_CLASSES
from offline_training.datasets.image_files import is_readable
from offline_training.datasets.records import LabelledImage, LabelledSet, SourceConfig

OPTIONS = frozenset({'split'})
_NAMES = (*OBJECTS, RIDER, *TWO_WHEELERS)
_LABEL_COLUMNS = ['image', 'class', 'x1', 'y1', 'x2', 'y2']


def recognises(path: Path) -> bool:
    """Whether the three parts of the set are there."""
    if not is_readable(path):
        return False
    return (path / 'labels.csv').is_file() and (path / 'splits.csv').is_file()


def read(path: Path, config: SourceConfig) -> LabelledSet:
    """The images of one split; all classes are labelled.

    Raises:
        InputError: as `read_bdd100k`.
    """
    return LabelledSet(path=path, layout='bdd100k', images=tuple(read_bdd100k(path, config.split)))


def read_bdd100k(folder: Path | str, split: str) -> list[LabelledImage]:
    """The images of one split, in order of their names; images without a label are among them.

    Raises:
        InputError: a file is missing or damaged, or there is no such split.
    """
    folder = Path(folder)
    splits: dict[str, list[str]] = {}
    for _, (image, name) in _table(folder / 'splits.csv', ['image', 'split']):
        splits.setdefault(name, []).append(image)
    if split not in splits:
        raise InputError(f'{folder}: no split {split!r}; legal: {", ".join(sorted(splits))}')
    labels: dict[str, list[tuple[str, list[float]]]] = {}
    path = folder / 'labels.csv'
    for number, (image, name, *corners) in _table(path, _LABEL_COLUMNS):
        if name not in _NAMES:
            raise InputError(f'{path}:{number}: class {name!r}; legal: {", ".join(_NAMES)}')
        box = _box(corners, f'{path}:{number}')
        labels.setdefault(image, []).append((name, box))
    return [
        _labelled_image(folder / 'images' / image, labels.get(image, []))
        for image in sorted(splits[split])
    ]


def _table(path: Path, columns: list[str]) -> Iterator[tuple[int, list[str]]]:
    """Line numbers and cells of a CSV file with exactly these columns."""
    if not path.is_file():
        raise InputError(f'{path}: no such file; expected labels.csv, splits.csv and images/')
    with path.open(newline='', encoding='utf-8') as stream:
        rows = csv.reader(stream)
        header = next(rows, [])
        if header != columns:
            raise InputError(
                f'{path}: expected the header {",".join(columns)}, got {",".join(header)}'
            )
        for row in rows:
            if len(row) != len(columns):
                raise InputError(
                    f'{path}:{rows.line_num}: expected {len(columns)} cells '
                    f'({",".join(columns)}), got {len(row)}'
                )
            yield rows.line_num, row


def _box(corners: list[str], where: str) -> list[float]:
    try:
        box = [float(v) for v in corners]
    except ValueError:
        raise InputError(
            f'{where}: expected four numbers x1,y1,x2,y2, got {",".join(corners)}'
        ) from None
    if not np.isfinite(box).all() or box[2] <= box[0] or box[3] <= box[1]:
        raise InputError(f'{where}: expected x1 < x2 and y1 < y2, got {",".join(corners)}')
    return box


def _labelled_image(path: Path, labels: list[tuple[str, list[float]]]) -> LabelledImage:
    if not path.is_file():
        raise InputError(
            f'{path}: image is named in splits.csv but is missing; unpack the set again'
        )
    truth = product_truth([NamedBox(name=name, xyxy_px=box) for name, box in labels])
    return LabelledImage(
        path=path,
        boxes_xyxy_px=truth.boxes_xyxy_px,
        class_ids=truth.class_ids,
        ignore=truth.ignore,
        labelled_class_ids=ALL_CLASSES,
    )
