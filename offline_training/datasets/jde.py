"""Read the form of JDE's and FairMOT's data zoo: `images/` and, beside it, `labels_with_ids/`.

Caltech, CityPersons, CUHK-SYSU, PRW and ETH are passed on in it. The label of
`images/<...>/<name>.jpg` is `labels_with_ids/<...>/<name>.txt`, a line for each person: `class
identity x_center y_center width height`, the last four as shares of the image's width and height.
Class 0, a pedestrian, is the only one. An identity is one over all images of the set; -1 is a
person who is nobody else.

An image without a label file has nobody in it, as FairMOT reads it; a folder of images without
its folder of labels is refused. Images are single ones here, also those of sequences: a MOT set in
this tree, `images/train/<sequence>/`, keeps its order when it is read as `mot`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.errors import InputError
from offline_training.datasets.classes import PEDESTRIAN
from offline_training.datasets.image_files import image_size_wh, is_image, is_readable
from offline_training.datasets.label_files import numbers, text_lines
from offline_training.datasets.records import LabelledImage, LabelledSet, SourceConfig

OPTIONS = frozenset({'identities'})
_IMAGES, _LABELS = 'images', 'labels_with_ids'
_MAX_SHARE = 4.0  # a person cut by the border is larger than the image; pixels are larger still


def recognises(path: Path) -> bool:
    """Whether the folder of labels is there."""
    if not is_readable(path):
        return False
    return (path / _LABELS).is_dir()


def read(path: Path, config: SourceConfig) -> LabelledSet:
    """All images, by path; only pedestrians are labelled.

    Raises:
        InputError: images or labels are missing, or a line is damaged.
    """
    labels = dict(_files(path / _LABELS, lambda name: name.endswith('.txt')))
    images = dict(_files(path / _IMAGES, is_image))
    if not labels:
        raise InputError(f'{path}: no {_LABELS}/**/*.txt; expected the layout of JDE and FairMOT')
    alone = sorted(set(labels) - set(images))
    if alone:
        raise InputError(
            f'{len(alone)} of {len(labels)} images named by {path / _LABELS} are missing, the '
            f'first: {path / _IMAGES / alone[0]}.*; unpack {_IMAGES}/ again'
        )
    unlabelled = sorted({key.parent for key in images} - {key.parent for key in labels})
    if unlabelled:
        raise InputError(
            f'{path / _LABELS / unlabelled[0]}: no labels of the images in '
            f'{path / _IMAGES / unlabelled[0]}; unpack {_LABELS}/ again'
        )
    return LabelledSet(
        path=path,
        layout='jde',
        images=tuple(_read_image(images[key], labels.get(key)) for key in sorted(images)),
    )


def _files(folder: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[Path, Path]]:
    """Files below a folder, by their place in it without the suffix."""
    for parent, _, names in os.walk(folder, followlinks=True):
        place = Path(parent).relative_to(folder)
        for name in names:
            if wanted(name):
                yield place / name.rpartition('.')[0], Path(parent) / name


def _read_image(image: Path, label: Path | None) -> LabelledImage:
    rows = _rows(label) if label is not None else np.zeros((0, 6))
    width, height = image_size_wh(image) if len(rows) else (0, 0)
    centre = rows[:, 2:4] * (width, height)  # (N, 2)
    half = rows[:, 4:6] * (width, height) / 2  # (N, 2)
    return LabelledImage(
        path=image,
        boxes_xyxy_px=np.concatenate([centre - half, centre + half], axis=1),
        class_ids=np.full(len(rows), PEDESTRIAN, np.int64),
        ignore=np.zeros(len(rows), np.bool_),
        labelled_class_ids=(PEDESTRIAN,),
        ids=rows[:, 1].astype(np.int64),
    )


def _rows(label: Path) -> NDArray[np.float64]:
    """The numbers of a label file, (N, 6)."""
    rows = []
    for where, line in text_lines(label, 'labels of JDE and FairMOT'):
        row = numbers(line.split(), 6, f'{where}: class identity cx cy w h')
        if row[0] != 0:
            raise InputError(f'{where}: class {row[0]:g}; expected 0, a pedestrian')
        if row[4] <= 0 or row[5] <= 0 or row[4] > _MAX_SHARE or row[5] > _MAX_SHARE:
            raise InputError(
                f'{where}: expected a width and height as shares of the image, above 0, got '
                f'{row[4]:g} x {row[5]:g}'
            )
        rows.append(row)
    return np.array(rows, np.float64).reshape(-1, 6)
