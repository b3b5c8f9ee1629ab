"""Read Penn-Fudan pedestrians: `PNGImages/*.png` and PASCAL text in `Annotation/*.txt`.

A copy with `images/*.jpg` and `annotations/*.txt` is read too. Its authors left out pedestrians
that are hidden or tiny; they stay unlabelled.
"""

from __future__ import annotations

from pathlib import Path
import re

from mot_compress_ros.errors import InputError
from offline_training.datasets.classes import PEDESTRIAN
from offline_training.datasets.image_files import (
    is_readable,
    listed_images,
    require_images,
    require_labels,
)
from offline_training.datasets.label_files import corner_box
from offline_training.datasets.records import LabelledImage, LabelledSet, SourceConfig
from offline_training.datasets.truth_rows import single_image, TruthRow

OPTIONS: frozenset[str] = frozenset()
_FORMS = (('Annotation', 'PNGImages', '.png'), ('annotations', 'images', '.jpg'))
_BOX = re.compile(r'Bounding box for object \d+ .*: \((\d+), (\d+)\) - \((\d+), (\d+)\)')
_COUNT = re.compile(r'Objects with ground truth : (\d+)')


def recognises(path: Path) -> bool:
    """Whether annotations of it are there."""
    if not is_readable(path):
        return False
    files = (file for labels, _, _ in _FORMS for file in sorted(path.glob(f'{labels}/*.txt')))
    first = next(files, None)
    return first is not None and b'Bounding box for object' in first.read_bytes()


def read(path: Path, config: SourceConfig) -> LabelledSet:
    """All images, in order of their names; only pedestrians are labelled.

    Raises:
        InputError: there is no annotation, one is cut off, or an image or a label is missing.
    """
    labels, photos, suffix = next(
        (form for form in _FORMS if (path / form[0]).is_dir()), _FORMS[0]
    )
    files = sorted((path / labels).glob('*.txt'))
    if not files:
        raise InputError(f'{path}: no {labels}/*.txt; expected the Penn-Fudan layout')
    images = [path / photos / f'{file.stem}{suffix}' for file in files]
    require_images(images, named_in=path / labels, download=f'{photos}/ (PennFudanPed.zip)')
    require_labels(
        (image.stem for image in listed_images(path / photos)),
        (file.stem for file in files),
        found_in=path / photos,
        download=f'{labels}/ (PennFudanPed.zip)',
    )
    read_both = (_read(file, image) for file, image in zip(files, images, strict=True))
    return LabelledSet(path=path, layout='pennfudan', images=tuple(read_both))


def _read(annotation: Path, image: Path) -> LabelledImage:
    text = annotation.read_text(encoding='latin-1')
    rows = []
    for corners in _BOX.findall(text):
        box = corner_box(corners, str(annotation))
        # The file counts pixels from 1; the far corner is then the pixel's end.
        shifted = [box[0] - 1, box[1] - 1, box[2], box[3]]
        rows.append(TruthRow(xyxy_px=shifted, class_id=PEDESTRIAN))
    stated = _COUNT.search(text)
    if not rows or (stated and int(stated.group(1)) != len(rows)):
        raise InputError(
            f'{annotation}: {len(rows)} bounding boxes, expected '
            f'{stated.group(1) if stated else "some"}; download it again'
        )
    return single_image(image, rows, (PEDESTRIAN,))
