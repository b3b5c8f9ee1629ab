"""Read BDD100K's official tracking labels: `labels/box_track_20/<split>/<video>.json`.

One file a video, a list of `{videoName, name, frameIndex, labels: [{id, category, box2d:
{x1, y1, x2, y2}, attributes: {crowd, occluded, truncated}}]}`; the images are
`images/track/<split>/<video>/<name>`. Which category becomes which class is in `bdd100k_classes`.
The first edition writes `index` for `frameIndex`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mot_compress_ros.errors import InputError
from offline_training.datasets.bdd100k_classes import product_truth
from offline_training.datasets.bdd100k_json import labels_of, named_boxes
from offline_training.datasets.classes import ALL_CLASSES
from offline_training.datasets.image_files import (
    folder_names,
    image_size_wh,
    is_readable,
    require_images,
    require_labels,
)
from offline_training.datasets.label_files import member, read_json
from offline_training.datasets.records import (
    FrameTruth,
    LabelledSequence,
    LabelledSet,
    SourceConfig,
)
from offline_training.datasets.truth_rows import require_unique_identities

OPTIONS = frozenset({'split', 'identities'})
FPS = 5.0  # of the images published with the tracking labels
_LABELS, _IMAGES = Path('labels/box_track_20'), Path('images/track')


def recognises(path: Path) -> bool:
    """Whether tracking labels are there."""
    if not is_readable(path):
        return False
    return any(path.glob(f'{_LABELS}/*/*.json'))


def read(path: Path, config: SourceConfig) -> LabelledSet:
    """The videos of one split, by name; all classes are labelled.

    Raises:
        InputError: labels are missing or damaged, or images are missing.
    """
    files = sorted((path / _LABELS / config.split).glob('*.json'))
    if not files:
        raise InputError(
            f'{path}: no {_LABELS}/{config.split}/*.json; expected tracking labels of BDD100K'
        )
    folder = path / _IMAGES / config.split
    require_labels(
        folder_names(folder),
        (file.stem for file in files),
        found_in=folder,
        download=f'{_LABELS}/{config.split}',
    )
    sequences = []
    for file in files:
        frames = _frames(file)
        paths = tuple(folder / file.stem / str(frame['name']) for frame in frames)
        require_images(paths, named_in=file.name, download=f'{_IMAGES}/{config.split}/{file.stem}')
        sequences.append(
            LabelledSequence(
                name=file.stem,
                fps=FPS,
                size_wh=image_size_wh(paths[0]),
                image_paths=paths,
                truth=_truth(frames, file),
                labelled_class_ids=ALL_CLASSES,
            )
        )
    return LabelledSet(path=path, layout='bdd100k_mot', sequences=tuple(sequences))


def _frames(file: Path) -> list[dict[str, Any]]:
    """The frames in order, numbered without a gap."""
    records = read_json(file, 'a list of the frames of a video')
    if not isinstance(records, list) or not records:
        raise InputError(f'{file}: expected a list of frames, got none')
    numbered = {}
    for place, record in enumerate(records):
        where = f'{file}: frame {place}'
        member(record, 'name', str, where)
        key = 'index' if 'index' in record else 'frameIndex'
        numbered[member(record, key, int, where)] = record
    if sorted(numbered) != list(range(len(records))):
        missing = sorted(set(range(max(*numbered, len(records) - 1) + 1)) - set(numbered))
        raise InputError(
            f'{file}: frameIndex is not 0 to {len(records) - 1}, each once; missing: '
            f'{", ".join(map(str, missing[:5]))}; download the labels again'
        )
    return [numbered[k] for k in range(len(records))]


def _truth(frames: list[dict[str, Any]], file: Path) -> tuple[FrameTruth, ...]:
    names = [f'{file}: frame {k}' for k in range(len(frames))]
    ids = {
        str(label['id'])
        for frame, where in zip(frames, names, strict=True)
        for label in labels_of(frame, where)
        if _has_identity(label, where)
    }
    identities = {name: number for number, name in enumerate(sorted(ids), start=1)}
    return tuple(
        require_unique_identities(product_truth(named_boxes(frame, where, identities)), where)
        for frame, where in zip(frames, names, strict=True)
    )


def _has_identity(label: dict[str, Any], where: str) -> bool:
    if label.get('box2d') is not None and label.get('id') is None:
        raise InputError(f'{where}: a {label.get("category")} has no id; tracking labels need one')
    return label.get('id') is not None
