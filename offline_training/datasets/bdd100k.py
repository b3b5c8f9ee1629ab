"""Read labelled BDD100K frames: `labels.csv`, `splits.csv`, `images/`.

| BDD100K | ours |
|---|---|
| pedestrian | pedestrian |
| car, truck, bus | vehicle |
| rider with the bicycle or motorcycle under them | cyclist, one box around both |
| rider without one (hidden, or not labelled) | ignore, cyclist and pedestrian |
| bicycle, motorcycle without a rider | ignore, cyclist |

The box of a rider alone would stop at the saddle, and what it shows looks like a pedestrian.
"""

from __future__ import annotations

from collections.abc import Iterator
import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.errors import InputError
from offline_training.datasets.classes import ALL_CLASSES, CYCLIST, PEDESTRIAN, VEHICLE
from offline_training.datasets.records import LabelledImage, LabelledSet, SourceConfig
from offline_training.datasets.rider_merging import KNOWN_RIDER, pair_riders, union_box

OPTIONS = frozenset({'split'})
_CLASSES = {'pedestrian': PEDESTRIAN, 'car': VEHICLE, 'truck': VEHICLE, 'bus': VEHICLE}
_TWO_WHEELERS = ('bicycle', 'motorcycle')
_LABEL_COLUMNS = ['image', 'class', 'x1', 'y1', 'x2', 'y2']


def recognises(path: Path) -> bool:
    """Whether the three parts of the set are there."""
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
        if name not in _CLASSES and name != 'rider' and name not in _TWO_WHEELERS:
            legal = ', '.join((*_CLASSES, 'rider', *_TWO_WHEELERS))
            raise InputError(f'{path}:{number}: class {name!r}; legal: {legal}')
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

    def boxes_of(*names: str) -> NDArray[np.float64]:
        return np.array([box for name, box in labels if name in names]).reshape(-1, 4)

    riders, wheels = boxes_of('rider'), boxes_of(*_TWO_WHEELERS)
    pairs = pair_riders(riders, wheels, KNOWN_RIDER)
    cyclists = [union_box(riders[i], wheels[j]) for i, j in pairs]
    alone = [box for i, box in enumerate(riders) if i not in {i for i, _ in pairs}]
    unattended = [box for j, box in enumerate(wheels) if j not in {j for _, j in pairs}]
    rows = [
        *((np.array(box), _CLASSES[name], False) for name, box in labels if name in _CLASSES),
        *((box, CYCLIST, False) for box in cyclists),
        *((box, CYCLIST, True) for box in (*alone, *unattended)),
        *((box, PEDESTRIAN, True) for box in alone),
    ]
    return LabelledImage(
        path=path,
        boxes_xyxy_px=np.array([box for box, _, _ in rows], np.float64).reshape(-1, 4),
        class_ids=np.array([class_id for _, class_id, _ in rows], np.int64),
        ignore=np.array([ignore for _, _, ignore in rows], np.bool_),
        labelled_class_ids=ALL_CLASSES,
    )
