"""Read CrowdHuman: `annotation_<split>.odgt`, one JSON object a line, and `Images/<ID>.jpg`.

A line is `{ID, gtboxes: [{tag, fbox, vbox, hbox, extra: {ignore, box_id, occ}}]}` with boxes x, y,
w, h. We take the full boxes, `fbox`, as FairMOT does; they reach beyond the image where a person
does. A `mask` (crowd, reflection, poster) and a person with `ignore` 1 are regions to ignore.
Riders are labelled as persons, without what they ride; only pedestrians count as labelled. A box
without area is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
import json
from pathlib import Path
from typing import Any

from mot_compress_ros.errors import InputError
from offline_training.datasets.classes import PEDESTRIAN
from offline_training.datasets.image_files import is_readable, require_images
from offline_training.datasets.label_files import member, text_lines, width_height_box
from offline_training.datasets.records import LabelledImage, LabelledSet, SourceConfig
from offline_training.datasets.truth_rows import single_image, TruthRow

OPTIONS = frozenset({'split'})
_TAGS = ('person', 'mask')


def recognises(path: Path) -> bool:
    """Whether annotation files are there."""
    if not is_readable(path):
        return False
    return any(path.glob('annotation_*.odgt'))


def read(path: Path, config: SourceConfig) -> LabelledSet:
    """The images of one split, in order of the file; only pedestrians are labelled.

    Raises:
        InputError: the annotations are missing or damaged, or images are missing.
    """
    file = path / f'annotation_{config.split}.odgt'
    if not file.is_file():
        raise InputError(
            f'{file}: no such file; expected annotation_<split>.odgt and Images/ of CrowdHuman'
        )
    images = list(_images(file))
    if not images:
        raise InputError(f'{file}: holds no annotation; download it again')
    require_images(
        (image.path for image in images),
        named_in=file.name,
        download=f'Images/ (all parts of CrowdHuman_{config.split})',
    )
    return LabelledSet(path=path, layout='crowdhuman', images=tuple(images))


def _images(file: Path) -> Iterator[LabelledImage]:
    for where, line in text_lines(file, 'annotations of CrowdHuman'):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(
                f'{where}: damaged or half-downloaded JSON: {error}; download it again'
            ) from None
        image = file.parent / 'Images' / f'{member(record, "ID", str, where)}.jpg'
        boxes = member(record, 'gtboxes', list, where)
        rows = [row for box in boxes for row in _rows(box, where)]
        yield single_image(image, rows, (PEDESTRIAN,))


def _rows(box: Any, where: str) -> Iterator[TruthRow]:
    tag = member(box, 'tag', str, where)
    if tag not in _TAGS:
        raise InputError(f'{where}: tag {tag!r}; legal: {", ".join(_TAGS)}')
    ignore = tag == 'mask' or (box.get('extra') or {}).get('ignore', 0) == 1
    corners = width_height_box(box.get('fbox'), f'{where}: fbox')
    if corners is not None:
        yield TruthRow(xyxy_px=corners, class_id=PEDESTRIAN, ignore=ignore)
