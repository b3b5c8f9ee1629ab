"""Read the KITTI object benchmark: `training/label_2/000000.txt`, `training/image_2/000000.png`.

Which type becomes which class is in `kitti_text`. The benchmark publishes no split of its training
images. Where `ImageSets/<split>.txt` stands beside `training`, with a number a line as common
splits are passed on, the option `split` takes one; without, all images are the split `train`.
"""

from __future__ import annotations

from pathlib import Path

from mot_compress_ros.errors import InputError
from offline_training.datasets.classes import ALL_CLASSES
from offline_training.datasets.image_files import (
    file_names,
    is_image,
    is_readable,
    require_images,
    require_labels,
)
from offline_training.datasets.kitti_text import read_objects
from offline_training.datasets.label_files import text_lines
from offline_training.datasets.records import LabelledImage, LabelledSet, SourceConfig
from offline_training.datasets.truth_rows import single_image

OPTIONS = frozenset({'split'})
_LABELS, _IMAGES, _SPLITS = 'label_2', 'image_2', 'ImageSets'


def recognises(path: Path) -> bool:
    """Whether labels of the object benchmark are there."""
    if not is_readable(path):
        return False
    return any((root / _LABELS).is_dir() for root in (path, path / 'training'))


def read(path: Path, config: SourceConfig) -> LabelledSet:
    """The images of one split, in order of their numbers; every class is labelled.

    Raises:
        InputError: there are no labels, a line is damaged, images are missing, or there is no such
            split.
    """
    root = path if (path / _LABELS).is_dir() else path / 'training'
    stems = sorted(Path(name).stem for name in file_names(root / _LABELS) if name.endswith('.txt'))
    if not stems:
        raise InputError(
            f'{path}: no {_LABELS}/*.txt in it or in training/; expected the KITTI object layout, '
            'unpack data_object_label_2.zip'
        )
    chosen = _split(path, config.split, stems)
    present = {Path(name).stem: name for name in file_names(root / _IMAGES) if is_image(name)}
    require_labels(
        present, stems, found_in=root / _IMAGES, download=f'{_LABELS}/ (data_object_label_2.zip)'
    )
    images = [root / _IMAGES / present.get(stem, f'{stem}.png') for stem in chosen]
    require_images(
        images, named_in=root / _LABELS, download=f'{_IMAGES}/ (data_object_image_2.zip)'
    )
    labelled = (
        _read_image(image, root / _LABELS / f'{stem}.txt')
        for image, stem in zip(images, chosen, strict=True)
    )
    return LabelledSet(path=path, layout='kitti_object', images=tuple(labelled))


def _split(path: Path, split: str, stems: list[str]) -> list[str]:
    folder = next((f for f in (path / _SPLITS, path.parent / _SPLITS) if f.is_dir()), None)
    if folder is None:
        if split != 'train':
            raise InputError(
                f'{path}: no split {split!r}: without {_SPLITS}/{split}.txt all images are train'
            )
        return stems
    file = folder / f'{split}.txt'
    if not file.is_file():
        legal = ', '.join(sorted(p.stem for p in folder.glob('*.txt')))
        raise InputError(f'{file}: no split {split!r}; legal: {legal}')
    chosen = [line.strip() for _, line in text_lines(file, 'the number of an image a line')]
    unlabelled = sorted(set(chosen) - set(stems))
    if len(chosen) != len(set(chosen)):
        raise InputError(f'{file}: names an image twice; keep one of the lines')
    if unlabelled or not chosen:
        raise InputError(
            f'{file}: {len(unlabelled)} of {len(chosen)} images have no label, the first: '
            f'{unlabelled[0] if unlabelled else "none named"}; unpack {_LABELS}/ '
            '(data_object_label_2.zip) again'
        )
    return chosen


def _read_image(image: Path, label: Path) -> LabelledImage:
    rows = [row for _, found in read_objects(label, n_lead=0) for row in found.object_rows()]
    return single_image(image, rows, ALL_CLASSES)
