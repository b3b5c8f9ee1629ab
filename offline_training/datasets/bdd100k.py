"""Read labelled BDD100K frames: `labels.csv`, `splits.csv`, `images/`.

Which category becomes which class is in `bdd100k_classes`. This is one frame a video as CSV; the
official JSON files are read by `bdd100k_detection` and `bdd100k_mot`.
"""

from __future__ import annotations

from collections.abc import Iterator
import csv
from pathlib import Path

from mot_compress_ros.errors import InputError
from offline_training.datasets.bdd100k_classes import (
    NamedBox,
    OBJECTS,
    product_truth,
    RIDER,
    TWO_WHEELERS,
)
from offline_training.datasets.classes import ALL_CLASSES
from offline_training.datasets.image_files import is_readable, require_images
from offline_training.datasets.label_files import corner_box, legal
from offline_training.datasets.records import LabelledImage, LabelledSet, SourceConfig
from offline_training.datasets.truth_rows import image_of

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
    split_of = _split_of_each_image(folder / 'splits.csv')
    if split not in split_of.values():
        legal_ones = ', '.join(sorted(set(split_of.values())))
        raise InputError(f'{folder}: no split {split!r}; legal: {legal_ones}')
    boxes: dict[str, list[NamedBox]] = {}
    path = folder / 'labels.csv'
    for number, (image, name, *corners) in _table(path, _LABEL_COLUMNS):
        where = f'{path}:{number}'
        if image not in split_of:
            raise InputError(f'{where}: {image} is in no split of splits.csv; unpack it again')
        box = NamedBox(name=legal(name, _NAMES, where), xyxy_px=corner_box(corners, where))
        boxes.setdefault(image, []).append(box)
    chosen = sorted(image for image, found in split_of.items() if found == split)
    images = [folder / 'images' / image for image in chosen]
    require_images(images, named_in='splits.csv', download='images/')
    return [
        image_of(image, product_truth(boxes.get(name, [])), ALL_CLASSES)
        for image, name in zip(images, chosen, strict=True)
    ]


def _split_of_each_image(path: Path) -> dict[str, str]:
    split_of: dict[str, str] = {}
    for number, (image, split) in _table(path, ['image', 'split']):
        if image in split_of:
            raise InputError(f'{path}:{number}: {image} stands there twice; keep one of the rows')
        split_of[image] = split
    return split_of


def _table(path: Path, columns: list[str]) -> Iterator[tuple[int, list[str]]]:
    """Line numbers and cells of a CSV file with exactly these columns."""
    if not path.is_file():
        raise InputError(f'{path}: no such file; expected labels.csv, splits.csv and images/')
    try:
        rows = list(csv.reader(path.read_text(encoding='utf-8').splitlines()))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f'{path}: damaged: {error}; download it again') from None
    header = rows[0] if rows else []
    if header != columns:
        raise InputError(
            f'{path}: expected the header {",".join(columns)}, got {",".join(header)}'
        )
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(columns):
            raise InputError(
                f'{path}:{number}: expected {len(columns)} cells '
                f'({",".join(columns)}), got {len(row)}'
            )
        yield number, row
