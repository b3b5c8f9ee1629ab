"""Read CityPersons: `gtBboxCityPersons/<split>/<city>/*.json` and Cityscapes' `leftImg8bit`.

A file is `{imgWidth, imgHeight, objects: [{label, bbox, bboxVis, instanceId}]}` with boxes x, y,
w, h; `bbox` is the full body, `bboxVis` what is seen of it. The image of
`<name>_gtBboxCityPersons.json` is `leftImg8bit/<split>/<city>/<name>_leftImg8bit.png`.

| CityPersons | ours |
|---|---|
| pedestrian | pedestrian |
| rider (without what they ride), sitting person, person (other) | ignore, pedestrian |
| person group, ignore (posters, statues, reflections) | ignore, pedestrian |

Bicycles have no box, so there is no cyclist to learn: only pedestrians count as labelled. A box
without area is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mot_compress_ros.errors import InputError
from offline_training.datasets.classes import PEDESTRIAN
from offline_training.datasets.image_files import (
    file_names,
    folder_names,
    is_readable,
    require_images,
    require_labels,
)
from offline_training.datasets.label_files import legal, member, read_json, width_height_box
from offline_training.datasets.records import LabelledImage, LabelledSet, SourceConfig
from offline_training.datasets.truth_rows import single_image, TruthRow

OPTIONS = frozenset({'split'})
_LABELS, _IMAGES = 'gtBboxCityPersons', 'leftImg8bit'
_OBJECT = 'pedestrian'
_NAMES = (_OBJECT, 'rider', 'sitting person', 'person (other)', 'person group', 'ignore')


def recognises(path: Path) -> bool:
    """Whether the folder of its labels is there."""
    if not is_readable(path):
        return False
    return (path / _LABELS).is_dir()


def read(path: Path, config: SourceConfig) -> LabelledSet:
    """The images of one split, by city and name; only pedestrians are labelled.

    Raises:
        InputError: the labels are missing or damaged, or images are missing.
    """
    folder = path / _LABELS / config.split
    files = sorted(folder.glob(f'*/*_{_LABELS}.json'))
    if not files:
        raise InputError(
            f'{path}: no {_LABELS}/{config.split}/<city>/*_{_LABELS}.json; expected the labels of '
            'CityPersons (gtBbox_cityPersons_trainval.zip of Cityscapes)'
        )
    photos = path / _IMAGES / config.split
    require_labels(
        _image_names(photos),
        (file.name.removesuffix(f'_{_LABELS}.json') for file in files),
        found_in=photos,
        download='gtBbox_cityPersons_trainval.zip',
    )
    images = [_read_image(file, photos) for file in files]
    require_images(
        (image.path for image in images),
        named_in=folder,
        download=f'{_IMAGES}/{config.split} (leftImg8bit_trainvaltest.zip)',
    )
    return LabelledSet(path=path, layout='citypersons', images=tuple(images))


def _image_names(folder: Path) -> Iterator[str]:
    """Names of the images of all cities, `aachen_000000_000019`."""
    end = f'_{_IMAGES}.png'
    for city in folder_names(folder):
        names = file_names(folder / city)
        yield from (name.removesuffix(end) for name in names if name.endswith(end))


def _read_image(file: Path, images: Path) -> LabelledImage:
    record = read_json(file, 'the objects of an image')
    rows = [
        row
        for labelled in member(record, 'objects', list, str(file))
        for row in _rows(labelled, file)
    ]
    name = file.name.removesuffix(f'_{_LABELS}.json')
    return single_image(images / file.parent.name / f'{name}_{_IMAGES}.png', rows, (PEDESTRIAN,))


def _rows(labelled: Any, file: Path) -> Iterator[TruthRow]:
    where = str(file)
    name = legal(member(labelled, 'label', str, where), _NAMES, where)
    corners = width_height_box(labelled.get('bbox'), f'{where}: bbox')
    if corners is not None:
        yield TruthRow(xyxy_px=corners, class_id=PEDESTRIAN, ignore=name != _OBJECT)
