"""Read sequences in MOTChallenge layout: `img1/*.jpg`, `gt/gt.txt`, `seqinfo.ini`.

Two dialects of `gt.txt`, told apart by their number of columns:

- 10, as in MOT15: `frame,id,x,y,w,h,active,X,Y,Z`; pedestrians only.
- 9, as in MOT16 and later, and ours: `frame,id,x,y,w,h,active,class,visibility`.

| class in the file | MOT16 calls it | ours |
|---|---|---|
| 1 | pedestrian | pedestrian |
| 2 | person on vehicle | cyclist |
| 3 | car | vehicle |
| 5 | motorbike | cyclist (in DAVIS, whose boxes hold the rider too) |
| 4 | bicycle, unattended | ignore, cyclist |
| 6 | non-motorised vehicle | ignore, vehicle |
| 7, 8, 12, 13 | static person, distractor, reflection, crowd | ignore, pedestrian |
| 9, 10, 11 | occluders | dropped |

`active` 0 makes a row a region to ignore: what is found there is neither right nor wrong.
Boxes are taken as they stand: MOTChallenge counts pixels from 1, but neither FairMOT nor TrackEval
subtracts it, and the data sets do not agree on it.

`seqinfo.ini` may name `labelledClasses=pedestrian,cyclist,vehicle`: the classes of which every
object is labelled. Without it these are pedestrian in MOT15, and in the others all that occur.
`origin=synthetic` marks rendered images; without it they are real. `identities=false` says that an
id means nothing over frames. A sequence without images states `seqLength` and no `imDir`.

MOT17 holds each sequence three times, once for each public detector (`-DPM`, `-FRCNN`, `-SDP`):
images and ground truth are the same, so one of them is read. `det/` is not needed.
"""

from __future__ import annotations

from collections.abc import Sequence
import configparser
from dataclasses import replace
from pathlib import Path
import re

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.boxes import xywh_to_xyxy
from mot_compress_ros.errors import InputError
from mot_compress_ros.image_decoding import read_image
from offline_training.datasets.classes import CLASS_NAMES, CYCLIST, PEDESTRIAN, VEHICLE
from offline_training.datasets.image_files import is_readable
from offline_training.datasets.label_files import text_lines
from offline_training.datasets.mot_images import frame_ranges, list_images
from offline_training.datasets.records import (
    FrameTruth,
    LabelledSequence,
    LabelledSet,
    ORIGINS,
    SourceConfig,
)

OPTIONS = frozenset({'origin_px', 'identities', 'detector_copies'})
_OBJECT_CLASSES = {1: PEDESTRIAN, 2: CYCLIST, 3: VEHICLE, 5: CYCLIST}
_IGNORED_CLASSES = {
    4: CYCLIST,
    6: VEHICLE,
    7: PEDESTRIAN,
    8: PEDESTRIAN,
    12: PEDESTRIAN,
    13: PEDESTRIAN,
}
_DROPPED_CLASSES = (9, 10, 11)
_MOT15_COLUMNS, _MOT16_COLUMNS = 10, 9
_SIGNS = ('seqinfo.ini', 'gt/gt.txt')
_DETECTOR_COPY = re.compile(r'(.+)-(?:DPM|FRCNN|SDP)')


def recognises(path: Path) -> bool:
    """Whether it is a sequence folder, or holds some."""
    if not is_readable(path):
        return False
    places = [f'{depth}{sign}' for depth in ('', '*/') for sign in _SIGNS]
    return any(found.is_file() for place in places for found in path.glob(place))


def read(path: Path, config: SourceConfig) -> LabelledSet:
    """One sequence, or all sequences right below `path`.

    Raises:
        InputError: there is none, or one is damaged.
    """
    folders = sequence_folders(path, detector_copies=config.detector_copies)
    sequences = tuple(_shifted(read_sequence(folder), config.origin_px) for folder in folders)
    return LabelledSet(path=path, layout='mot', sequences=sequences)


def _shifted(sequence: LabelledSequence, origin_px: float) -> LabelledSequence:
    """The same with the image's corner at 0."""
    if not origin_px:
        return sequence
    truth = tuple(replace(t, boxes_xyxy_px=t.boxes_xyxy_px - origin_px) for t in sequence.truth)
    return replace(sequence, truth=truth, truth_file=None)


def sequence_folders(path: Path, *, detector_copies: bool = False) -> list[Path]:
    """`path` itself if it is a sequence, else the sequences right below it, by name.

    Args:
        path: the folder.
        detector_copies: whether all copies of a MOT17 sequence are wanted, not the first only.

    Raises:
        InputError: there is none.
    """
    if any((path / sign).is_file() for sign in _SIGNS):
        return [path]
    # Images alone are what an interrupted download left of a sequence; to be refused, not missed.
    signs = (*_SIGNS, 'img1')
    found = sorted({p for sign in signs for p in path.glob('*') if (p / sign).exists()})
    if not found:
        raise InputError(
            f'{path}: no sequence: expected seqinfo.ini or gt/gt.txt in it or one level below'
        )
    return found if detector_copies else _without_copies(found)


def _without_copies(folders: Sequence[Path]) -> list[Path]:
    """The first of each group of folders that differ in the name of the detector only."""
    first: dict[str, Path] = {}
    for folder in folders:
        copy = _DETECTOR_COPY.fullmatch(folder.name)
        first.setdefault(copy.group(1) if copy else folder.name, folder)
    return list(first.values())


def read_sequence(folder: Path | str) -> LabelledSequence:
    """Read a sequence folder.

    Raises:
        InputError: a file is missing or does not say what it should; the message names the line.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f'{folder}: no such sequence folder; expected one with img1/ and gt/')
    info = _read_seqinfo(folder / 'seqinfo.ini')
    _refuse_test_sequence(folder)
    length = int(_number(info, 'seqLength', folder)) if 'seqLength' in info else None
    images = list_images(folder, info, length=length)
    truth_file = folder / 'gt' / 'gt.txt'
    truth = read_ground_truth(truth_file, n_frames=len(images) or length)
    return LabelledSequence(
        name=info.get('name', folder.name),
        fps=_number(info, 'frameRate', folder, default=30.0),
        size_wh=_size_wh(info, folder, images),
        image_paths=images,
        truth=truth,
        labelled_class_ids=_labelled(info, folder, truth),
        origin=_origin(info, folder),
        has_identities=_has_identities(info, folder),
        truth_file=truth_file,
    )


def _refuse_test_sequence(folder: Path) -> None:
    """MOTChallenge keeps the truth of its test sequences; their folders come without `gt`."""
    if not (folder / 'gt').exists() and (folder / 'det').exists():
        raise InputError(
            f'{folder}: no such ground truth file gt/gt.txt: a test sequence, whose truth '
            'MOTChallenge does not publish; use the sequences of its train folder (`data split` '
            'cuts them into halves to train and to score)'
        )


def read_ground_truth(path: Path, *, n_frames: int | None = None) -> tuple[FrameTruth, ...]:
    """Read a `gt.txt` of either dialect.

    Args:
        path: the file.
        n_frames: length of the sequence; None takes the last frame that the file names.

    Raises:
        InputError: the file is missing, a line is not of either dialect, a box is not positive, a
            frame lies outside the sequence, or an identity stands twice in one frame.
    """
    if not path.is_file():
        raise InputError(f'{path}: no such ground truth file; a sequence needs one to be scored')
    rows = _rows(path)
    n = int(rows[:, 0].max(initial=0)) if n_frames is None else n_frames
    outside = (rows[:, 0] < 1) | (rows[:, 0] > n)
    if outside.any():
        bad = frame_ranges(np.unique(rows[outside, 0]).astype(int).tolist())
        raise InputError(
            f'{path}: frame {bad}, but the sequence has frames 1 to {n}; are images missing?'
        )
    truth = tuple(_frame(rows[rows[:, 0] == frame]) for frame in range(1, n + 1))
    for frame, here in enumerate(truth, start=1):
        active = here.ids[~here.ignore]
        if len(np.unique(active)) != len(active):
            raise InputError(
                f'{path}: frame {frame}: an identity stands twice; keep one of the rows'
            )
    return truth


def _rows(path: Path) -> NDArray[np.float64]:
    """Columns frame, id, x, y, w, h, ignore, class of ours, visibility: (N, 9)."""
    rows: list[list[float]] = []
    for where, line in text_lines(path, 'ground truth of MOTChallenge'):
        try:
            values = [float(v) for v in line.replace(' ', '').rstrip(',').split(',')]
        except ValueError:
            raise InputError(f'{where}: expected comma-separated numbers, got {line!r}') from None
        if len(values) not in (_MOT15_COLUMNS, _MOT16_COLUMNS) or not np.isfinite(values).all():
            raise InputError(
                f'{where}: expected {_MOT16_COLUMNS} finite columns with a class (MOT16) '
                f'or {_MOT15_COLUMNS} (MOT15), got {line!r}'
            )
        row = _own_row(values, where)
        if row is not None:
            rows.append(row)
    return np.array(rows, np.float64).reshape(-1, 9)


def _own_row(values: list[float], where: str) -> list[float] | None:
    frame, identity, x, y, w, h, active = values[:7]
    if frame % 1 or identity % 1:
        raise InputError(f'{where}: expected a whole frame and id, got {frame:g} and {identity:g}')
    if w <= 0 or h <= 0:
        raise InputError(
            f'{where}: expected a width and height above 0, got {w:g} x {h:g}; remove the row'
        )
    if len(values) == _MOT15_COLUMNS:
        return [frame, identity, x, y, w, h, float(active == 0), PEDESTRIAN, 1.0]
    number = int(values[7])
    if number in _DROPPED_CLASSES:
        return None
    if number in _IGNORED_CLASSES:
        return [frame, identity, x, y, w, h, 1.0, _IGNORED_CLASSES[number], values[8]]
    if number not in _OBJECT_CLASSES:
        legal = sorted((*_OBJECT_CLASSES, *_IGNORED_CLASSES, *_DROPPED_CLASSES))
        raise InputError(f'{where}: class {number}; legal ones: {legal}')
    ignore = float(active == 0)
    return [frame, identity, x, y, w, h, ignore, _OBJECT_CLASSES[number], values[8]]


def _frame(rows: NDArray[np.float64]) -> FrameTruth:
    rows = rows[np.lexsort((rows[:, 1], rows[:, 6]))]  # objects first, by id
    return FrameTruth(
        boxes_xyxy_px=xywh_to_xyxy(rows[:, 2:6]),
        ids=rows[:, 1].astype(np.int64),
        class_ids=rows[:, 7].astype(np.int64),
        ignore=rows[:, 6] != 0,
        visibility=rows[:, 8],
    )


def _read_seqinfo(path: Path) -> dict[str, str]:
    """The `[Sequence]` section, keys as they are written; empty where there is no file."""
    if not path.is_file():
        return {}
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[method-assign,assignment]  # keys keep their case
    try:
        parser.read_string(path.read_text(encoding='utf-8'))
        return dict(parser['Sequence'])
    except (configparser.Error, KeyError, UnicodeDecodeError) as error:
        raise InputError(
            f'{path}: not a seqinfo file with a [Sequence] section: {error}'
        ) from None


def _number(info: dict[str, str], key: str, folder: Path, *, default: float = 0.0) -> float:
    try:
        value = float(info.get(key, default))
    except ValueError:
        value = 0.0
    if not 0 < value < float('inf'):
        raise InputError(f'{folder}/seqinfo.ini: {key}: expected a number above 0')
    return value


def _origin(info: dict[str, str], folder: Path) -> str:
    origin = info.get('origin', 'real')
    if origin not in ORIGINS:
        raise InputError(
            f'{folder}/seqinfo.ini: origin: got {origin!r}, legal: {", ".join(ORIGINS)}'
        )
    return origin


def _has_identities(info: dict[str, str], folder: Path) -> bool:
    text = info.get('identities', 'true').lower()
    if text not in ('true', 'false'):
        raise InputError(f'{folder}/seqinfo.ini: identities: got {text!r}, legal: true, false')
    return text == 'true'


def _size_wh(info: dict[str, str], folder: Path, images: Sequence[Path]) -> tuple[int, int]:
    if info.get('imWidth', '').isdigit() and info.get('imHeight', '').isdigit():
        return int(info['imWidth']), int(info['imHeight'])
    # A damaged image is for `data inspect` to find: the next one has the same size.
    for image in images:
        pixels = read_image(image)
        if pixels is not None:
            return int(pixels.shape[1]), int(pixels.shape[0])
    raise InputError(
        f'{folder}: no imWidth and imHeight in seqinfo.ini, and no image that can be read; '
        'unpack the sequence again'
    )


def _labelled(
    info: dict[str, str], folder: Path, truth: tuple[FrameTruth, ...]
) -> tuple[int, ...]:
    if 'labelledClasses' in info:
        names = [name.strip() for name in info['labelledClasses'].split(',') if name.strip()]
        unknown = sorted(set(names) - set(CLASS_NAMES))
        if unknown:
            raise InputError(
                f'{folder}/seqinfo.ini: labelledClasses: {", ".join(unknown)}; '
                f'legal ones: {", ".join(CLASS_NAMES)}'
            )
        return tuple(sorted({CLASS_NAMES.index(name) for name in names}))
    seen = [here.class_ids[~here.ignore] for here in truth]
    return tuple(int(k) for k in np.unique(np.concatenate(seen))) if seen else ()
