"""Read nuScenes' 2D boxes: `image_annotations.json` of its `export_2d_annotations_as_json.py`.

The script writes into the version's folder, `v1.0-*/image_annotations.json`, a list of
`{sample_data_token, attribute_tokens, category_name, instance_token, next, prev,
sample_annotation_token, visibility_token, bbox_corners, filename}`. The path is the data root that
`filename` is relative to, or the version's folder in it. The boxes are 3D boxes projected into the
image, so they are looser than drawn ones.

Which category becomes which class is in `nuscenes_classes`.

Neither time nor scene is in the file. The time, in microseconds, ends the name of the image; a
`timestamp` in the records comes first. A sequence is one camera in one scene, as far as
`nuscenes_scenes` can tell. Images without any box are not in the file; those that lie between two
of a sequence are found beside them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mot_compress_ros.errors import InputError
from offline_training.datasets.classes import ALL_CLASSES
from offline_training.datasets.image_files import (
    file_names,
    image_size_wh,
    is_image,
    is_readable,
    require_images,
)
from offline_training.datasets.label_files import member, read_json
from offline_training.datasets.nuscenes_classes import product_rows, tokens_with_rider
from offline_training.datasets.nuscenes_scenes import cut_at_scenes, KeyFrame, scene_parts
from offline_training.datasets.records import LabelledSequence, LabelledSet, SourceConfig
from offline_training.datasets.truth_rows import frame_truth, require_unique_identities

OPTIONS = frozenset({'identities'})
KEY_FRAME_FPS = 2.0
_FILE = 'image_annotations.json'


def recognises(path: Path) -> bool:
    """Whether an export is there."""
    if not is_readable(path):
        return False
    return (path / _FILE).is_file() or any(path.glob(f'v1.0-*/{_FILE}'))


def read(path: Path, config: SourceConfig) -> LabelledSet:
    """One sequence for each camera and scene; every class is labelled.

    Raises:
        InputError: there is no export, or several, it is damaged, or images are missing.
    """
    file, root = _export(path)
    records = read_json(file, 'the list that export_2d_annotations_as_json.py writes')
    if not isinstance(records, list) or not records:
        raise InputError(f'{file}: expected a list of annotations, got none')
    streams = _streams(records, file)
    images = [image for stream in streams.values() for image in stream]
    require_images((root / image.filename for image in images), named_in=file, download='samples/')
    with_rider = tokens_with_rider(file.parent / 'attribute.json')
    instances = sorted({str(record['instance_token']) for record in records})
    identities = {token: number for number, token in enumerate(instances, start=1)}
    empty = _empty_images(streams, root)
    parts = scene_parts(images)
    sequences = [
        _sequence(f'{name}_{number:02d}', scene, root, with_rider, identities)
        for name, stream in sorted(streams.items())
        for number, scene in enumerate(cut_at_scenes([*stream, *empty.get(name, [])], parts))
    ]
    return LabelledSet(path=path, layout='nuscenes_2d', sequences=tuple(sequences))


def _export(path: Path) -> tuple[Path, Path]:
    """The file, and the folder that its file names are relative to."""
    if (path / _FILE).is_file():
        return path / _FILE, path if (path / 'samples').is_dir() else path.parent
    found = sorted(path.glob(f'v1.0-*/{_FILE}'))
    if len(found) != 1:
        raise InputError(
            f'{path}: expected one v1.0-*/{_FILE}, found {len(found)}: '
            + (
                f'name a folder of {", ".join(f.parent.name for f in found)}'
                if found
                else 'write it with export_2d_annotations_as_json.py of the nuScenes devkit'
            )
        )
    return found[0], path


def _streams(records: Sequence[Any], file: Path) -> dict[str, list[KeyFrame]]:
    """The images of each log and camera that have annotations."""
    by_image: dict[str, list[dict[str, Any]]] = {}
    for place, record in enumerate(records):
        where = f'{file}: annotation {place}'
        member(record, 'instance_token', str, where)
        member(record, 'category_name', str, where)
        by_image.setdefault(member(record, 'filename', str, where), []).append(record)
    streams: dict[str, list[KeyFrame]] = {}
    for filename, found in by_image.items():
        time_us = found[0].get('timestamp', _time_us(filename))
        if not isinstance(time_us, int):
            raise InputError(
                f'{file}: {filename}: expected a name that ends with __ and microseconds'
            )
        image = KeyFrame(filename=filename, timestamp_us=time_us, records=found)
        streams.setdefault(image.stream, []).append(image)
    return streams


def _time_us(filename: str) -> int | None:
    digits = Path(filename).stem.rpartition('__')[2]
    return int(digits) if digits.isdigit() else None


def _empty_images(
    streams: Mapping[str, Sequence[KeyFrame]], root: Path
) -> dict[str, list[KeyFrame]]:
    """Images of each stream that the export leaves out because nothing is in them."""
    known = {image.filename for images in streams.values() for image in images}
    folders = {Path(filename).parent for filename in known}
    empty: dict[str, list[KeyFrame]] = {}
    for folder in folders:
        for name in file_names(root / folder):
            filename, time_us = (folder / name).as_posix(), _time_us(name)
            if filename not in known and time_us is not None and is_image(name):
                image = KeyFrame(filename=filename, timestamp_us=time_us)
                empty.setdefault(image.stream, []).append(image)
    return empty


def _sequence(
    name: str,
    images: Sequence[KeyFrame],
    root: Path,
    with_rider: frozenset[str],
    identities: Mapping[str, int],
) -> LabelledSequence:
    truth = []
    for image in images:
        rows = [
            row
            for record in image.records
            for row in product_rows(record, with_rider, identities[str(record['instance_token'])])
        ]
        truth.append(require_unique_identities(frame_truth(rows), image.filename))
    times_us = [image.timestamp_us for image in images]
    gaps_us = np.diff(times_us)
    return LabelledSequence(
        name=name,
        fps=1e6 / float(np.median(gaps_us)) if len(gaps_us) else KEY_FRAME_FPS,
        size_wh=image_size_wh(root / images[0].filename),
        image_paths=tuple(root / image.filename for image in images),
        truth=tuple(truth),
        labelled_class_ids=ALL_CLASSES,
    )
