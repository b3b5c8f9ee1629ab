"""Read BDD100K's official detection labels: one JSON file a split, and `images/100k/<split>/`.

The file is `labels/det_20/det_<split>.json` (2020), or `bdd100k_labels_images_<split>.json` in
`labels/` (2018): a list of `{name, attributes, labels: [{category, box2d: {x1, y1, x2, y2},
attributes}]}`. Which category becomes which class is in `bdd100k_classes`. Only images that the
file names are read: the others of the folder have not been looked at by a labeller.
"""

from __future__ import annotations

from pathlib import Path

from mot_compress_ros.errors import InputError
from offline_training.datasets.bdd100k_classes import product_truth
from offline_training.datasets.bdd100k_json import named_boxes
from offline_training.datasets.classes import ALL_CLASSES
from offline_training.datasets.image_files import is_readable, require_images
from offline_training.datasets.label_files import member, read_json
from offline_training.datasets.records import LabelledImage, LabelledSet, SourceConfig
from offline_training.datasets.truth_rows import image_of

OPTIONS = frozenset({'split'})
_FILES = (
    'labels/det_20/det_{split}.json',
    'labels/bdd100k_labels_images_{split}.json',
    'labels/100k/bdd100k_labels_images_{split}.json',
)


def recognises(path: Path) -> bool:
    """Whether label files of either edition are there."""
    if not is_readable(path):
        return False
    return any(any(path.glob(name.format(split='*'))) for name in _FILES)


def read(path: Path, config: SourceConfig) -> LabelledSet:
    """The images of one split, in order of the file; all classes are labelled.

    Raises:
        InputError: the labels are missing or damaged, or images are missing.
    """
    file = _label_file(path, config.split)
    records = read_json(file, 'a list of labelled images')
    if not isinstance(records, list) or not records:
        raise InputError(f'{file}: expected a list of labelled images, got none')
    folder = path / 'images' / '100k' / config.split
    images = [
        _read_image(folder, record, f'{file}: image {index}')
        for index, record in enumerate(records)
    ]
    require_images(
        (image.path for image in images),
        named_in=file.name,
        download=f'images/100k/{config.split}',
    )
    return LabelledSet(path=path, layout='bdd100k_detection', images=tuple(images))


def _label_file(path: Path, split: str) -> Path:
    files = [path / name.format(split=split) for name in _FILES]
    found = next((file for file in files if file.is_file()), None)
    if found is None:
        raise InputError(f'{path}: no {_FILES[0].format(split=split)}; expected labels of BDD100K')
    return found


def _read_image(folder: Path, record: object, where: str) -> LabelledImage:
    name = member(record, 'name', str, where)
    truth = product_truth(named_boxes(record, f'{where} ({name})'))
    return image_of(folder / name, truth, ALL_CLASSES)
