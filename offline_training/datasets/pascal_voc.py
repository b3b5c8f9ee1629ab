"""Read PASCAL VOC: `Annotations/*.xml`, `JPEGImages/*.jpg`, `ImageSets/Main/<split>.txt`.

The path is a year's folder, such as `VOCdevkit/VOC2007`. The set's own classes are the 20 of VOC,
and a `difficult` object is a region to ignore. With `classes=product` it trains the tracker:

| VOC | ours |
|---|---|
| person | pedestrian |
| person on a bicycle or motorbike | cyclist, one box around both |
| car, bus | vehicle |
| bicycle, motorbike without a person on it | ignore, cyclist |
| train | ignore, vehicle |
| the other 13 | dropped |

Persons are those of photographs: many sit or are cut by the border. Lorries are no class of VOC,
so vehicles are not labelled throughout, pedestrians and cyclists are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.errors import InputError
from offline_training.datasets.classes import CLASS_NAMES, CYCLIST, PEDESTRIAN, VEHICLE
from offline_training.datasets.image_files import file_names, is_readable, require_images
from offline_training.datasets.label_files import corner_box, legal, text_lines
from offline_training.datasets.records import LabelledSet, SourceConfig
from offline_training.datasets.rider_merging import ANY_PERSON, pair_riders, union_box
from offline_training.datasets.safe_xml import read_xml
from offline_training.datasets.truth_rows import single_image, TruthRow

OPTIONS = frozenset({'split', 'classes'})
VOC_CLASSES = (
    'aeroplane',
    'bicycle',
    'bird',
    'boat',
    'bottle',
    'bus',
    'car',
    'cat',
    'chair',
    'cow',
    'diningtable',
    'dog',
    'horse',
    'motorbike',
    'person',
    'pottedplant',
    'sheep',
    'sofa',
    'train',
    'tvmonitor',
)
_TWO_WHEELERS = ('bicycle', 'motorbike')
_VEHICLES = ('car', 'bus')
_SPLITS = 'ImageSets/Main'


@dataclass(frozen=True, eq=False, kw_only=True)
class VocObject:
    """One object: its class, x1, y1, x2, y2 in pixels from 0, and whether it is difficult."""

    name: str
    xyxy_px: list[float]
    difficult: bool


def recognises(path: Path) -> bool:
    """Whether annotations and splits are there."""
    if not is_readable(path):
        return False
    return (path / 'Annotations').is_dir() and (path / _SPLITS).is_dir()


def read(path: Path, config: SourceConfig) -> LabelledSet:
    """The images of one split, in order of its file.

    Raises:
        InputError: there is no such split, or a part of it is missing or damaged.
    """
    stems = _stems(path, config.split)
    images = [path / 'JPEGImages' / f'{stem}.jpg' for stem in stems]
    named_in = f'{_SPLITS}/{config.split}.txt'
    require_images(images, named_in=named_in, download='JPEGImages/')
    annotated = file_names(path / 'Annotations')
    missing = [stem for stem in stems if f'{stem}.xml' not in annotated]
    if missing:
        raise InputError(
            f'{path}: {len(missing)} of {len(stems)} images named in {named_in} have no '
            f'annotation, the first: Annotations/{missing[0]}.xml; unpack Annotations/ again, or '
            'take a split whose annotations are public'
        )
    own = config.classes == 'own'
    labelled = tuple(range(len(VOC_CLASSES))) if own else (PEDESTRIAN, CYCLIST)
    rows_of = own_rows if own else product_rows
    return LabelledSet(
        path=path,
        layout='pascal_voc',
        images=tuple(
            single_image(image, rows_of(_objects(path, stem)), labelled)
            for image, stem in zip(images, stems, strict=True)
        ),
        class_names=VOC_CLASSES if own else CLASS_NAMES,
    )


def own_rows(objects: Sequence[VocObject]) -> list[TruthRow]:
    """All objects, in VOC's own classes."""
    return [
        TruthRow(xyxy_px=o.xyxy_px, class_id=VOC_CLASSES.index(o.name), ignore=o.difficult)
        for o in objects
    ]


def product_rows(objects: Sequence[VocObject]) -> list[TruthRow]:
    """The objects that road users are, in the product's classes."""
    persons = [o for o in objects if o.name == 'person']
    wheels = [o for o in objects if o.name in _TWO_WHEELERS]
    pairs = pair_riders(_corners(persons), _corners(wheels), ANY_PERSON)
    riding, ridden = {i for i, _ in pairs}, {j for _, j in pairs}
    walking = [o for i, o in enumerate(persons) if i not in riding]
    parked = [o for j, o in enumerate(wheels) if j not in ridden]
    vehicles = [o for o in objects if o.name in _VEHICLES]
    trains = [o for o in objects if o.name == 'train']
    return [
        *(_row(o, PEDESTRIAN, o.difficult) for o in walking),
        *(_row(o, VEHICLE, o.difficult) for o in vehicles),
        *(_cyclist(persons[i], wheels[j]) for i, j in pairs),
        *(_row(o, CYCLIST, True) for o in parked),
        *(_row(o, VEHICLE, True) for o in trains),
    ]


def _row(found: VocObject, class_id: int, ignore: bool) -> TruthRow:
    return TruthRow(xyxy_px=found.xyxy_px, class_id=class_id, ignore=ignore)


def _cyclist(person: VocObject, wheels: VocObject) -> TruthRow:
    return TruthRow(
        xyxy_px=union_box(np.array(person.xyxy_px), np.array(wheels.xyxy_px)),
        class_id=CYCLIST,
        ignore=person.difficult or wheels.difficult,
    )


def _corners(objects: Sequence[VocObject]) -> NDArray[np.float64]:
    return np.array([o.xyxy_px for o in objects], np.float64).reshape(-1, 4)


def _stems(path: Path, split: str) -> list[str]:
    file = path / _SPLITS / f'{split}.txt'
    if not file.is_file():
        # aeroplane_train.txt and the like say which images show a class; they are no splits.
        names = sorted(p.stem for p in (path / _SPLITS).glob('*.txt') if '_' not in p.stem)
        raise InputError(
            f'{path}: no split {split!r}; legal: {", ".join(names) or "none"}; expected a folder '
            f'such as VOC2007 with {_SPLITS}, Annotations and JPEGImages'
        )
    stems = [line.strip() for _, line in text_lines(file, 'the name of an image a line')]
    if not stems or len(stems) != len(set(stems)) or any(' ' in stem for stem in stems):
        raise InputError(
            f'{file}: expected the name of an image in each line, each once; files such as '
            'car_train.txt are no splits'
        )
    return stems


def _objects(path: Path, stem: str) -> list[VocObject]:
    file = path / 'Annotations' / f'{stem}.xml'
    return list(_parsed(read_xml(file), str(file)))


def _parsed(annotation: Element, where: str) -> Iterator[VocObject]:
    if annotation.tag != 'annotation':
        raise InputError(f'{where}: expected an <annotation>, got <{annotation.tag}>')
    for found in annotation.findall('object'):  # parts of an object are deeper, and no objects
        corners = [found.findtext(f'bndbox/{k}') for k in ('xmin', 'ymin', 'xmax', 'ymax')]
        box = corner_box(corners, where)
        yield VocObject(
            name=legal((found.findtext('name') or '').strip(), VOC_CLASSES, where),
            # VOC counts pixels from 1; the far corner is then the pixel's end.
            xyxy_px=[box[0] - 1, box[1] - 1, box[2], box[3]],
            difficult=(found.findtext('difficult') or '0').strip() == '1',
        )
