"""MOTChallenge's rules, as TrackEval's `MotChallenge2DBox` has them: pedestrians.

- MOT16, MOT17, MOT20: what the best one-to-one match at IoU 0.5 with all boxes gives to a
  distractor (person on vehicle, static person, distractor, reflection; MOT20 also non-motorised
  vehicle) is taken out. Objects are the rows of class 1 whose `active` is not 0.
- MOT15: nothing is taken out; objects are the rows whose `active` is not 0.

The benchmark is MOT15 where `gt.txt` has 10 columns, MOT20 where the name of the sequence says so,
and MOT17 otherwise. Source: github.com/JonathonLuiten/TrackEval, datasets/mot_challenge_2d_box.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import configparser
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.boxes import iou_matrix, xywh_to_xyxy
from mot_compress_ros.errors import InputError, InvalidDataError
from offline_training.datasets.classes import PEDESTRIAN
from offline_training.datasets.records import IMAGE_SUFFIXES
from offline_training.evaluation.protocols.judge import (
    best_matches,
    FoundBoxes,
    prepared,
    TruthOptions,
)
from offline_training.evaluation.text_files import Row, text_rows

CLASS_NAMES = ('pedestrian',)
CLASS_OF_PRODUCT: Mapping[int, int] = {PEDESTRIAN: 0}
CLASS_OF_FILE: Mapping[str, int] = {'1': 0, 'pedestrian': 0}
BENCHMARKS = ('MOT15', 'MOT16', 'MOT17', 'MOT20')
_PEDESTRIAN_NUMBER = 1
_CLASS_NUMBERS = range(1, 14)
_DISTRACTORS = (2, 7, 8, 12)  # person on vehicle, static person, distractor, reflection
_NON_MOT_VEHICLE = 6
_MOT15_COLUMNS = 10
_GT_FILES = ('gt/gt.txt', 'gt.txt')


@dataclass(frozen=True, eq=False, kw_only=True)
class MotFrame:
    """Rows of one frame: boxes (N, 4) px; ids, class numbers and `active` (N,)."""

    boxes_xyxy_px: NDArray[np.float64]
    ids: NDArray[np.int64]
    classes: NDArray[np.int64]
    active: NDArray[np.bool_]


@dataclass(frozen=True, eq=False, kw_only=True)
class MotJudge:
    """`gt.txt` of one sequence, raw."""

    name: str
    frames: tuple[MotFrame, ...]
    benchmark: str
    length_is_known: bool
    origin: str = 'real'
    class_ids: tuple[int, ...] = (0,)

    @property
    def n_frames(self) -> int:
        """Frames of the sequence."""
        return len(self.frames)

    def prepare(self, found: Sequence[FoundBoxes], class_id: int) -> dict[str, Any]:
        """See `SequenceJudge.prepare`."""
        del class_id  # there is one class only
        frames = _padded(self, found)
        gt_ids, tracker_ids, similarity = [], [], []
        for here, seen in zip(frames, found, strict=True):
            mine = seen.class_ids == 0
            ids = seen.track_ids[mine]
            iou = iou_matrix(here.boxes_xyxy_px, seen.boxes_xyxy_px[mine])
            stays = np.ones(len(ids), np.bool_)
            counts = here.active.copy()
            if self.benchmark != 'MOT15':
                rows, columns = best_matches(iou)
                stays[columns[np.isin(here.classes[rows], self._distractors())]] = False
                counts &= here.classes == _PEDESTRIAN_NUMBER
            gt_ids.append(here.ids[counts])
            tracker_ids.append(ids[stays])
            similarity.append(iou[counts][:, stays])
        return prepared(self.name, gt_ids, tracker_ids, similarity)

    def _distractors(self) -> tuple[int, ...]:
        return (*_DISTRACTORS, _NON_MOT_VEHICLE) if self.benchmark == 'MOT20' else _DISTRACTORS


def _padded(judge: MotJudge, found: Sequence[FoundBoxes]) -> tuple[MotFrame, ...]:
    """One entry of ground truth for each frame of results."""
    extra = len(found) - judge.n_frames
    if extra < 0 or (extra > 0 and judge.length_is_known):
        raise InvalidDataError(
            f'{judge.name}: {len(found)} frames of results for {judge.n_frames} of ground truth'
        )
    return judge.frames + (_frame([]),) * extra


def read_truth(path: Path, options: TruthOptions) -> list[MotJudge]:
    """The sequence at `path`, or all right below it.

    Raises:
        InputError: there is none, a line cannot be read, or the benchmark is unknown.
    """
    if options.benchmark and options.benchmark not in BENCHMARKS:
        raise InputError(f'benchmark {options.benchmark!r}; legal: {", ".join(BENCHMARKS)}')
    files = [path / name for name in _GT_FILES if (path / name).is_file()][:1]
    files = files or sorted({f for name in _GT_FILES[::-1] for f in path.glob(f'*/{name}')})
    if not files:
        raise InputError(f'{path}: no gt/gt.txt or gt.txt in it or one level below')
    return [_read_sequence(file, options.benchmark) for file in files]


def _read_sequence(file: Path, benchmark: str) -> MotJudge:
    folder = file.parent.parent if file.parent.name == 'gt' else file.parent
    info = _sequence_info(folder / 'seqinfo.ini')
    rows = list(text_rows(file, columns=8))
    name = info.get('name', folder.name)
    if not benchmark and rows and len(rows[0].cells) >= _MOT15_COLUMNS:
        benchmark = 'MOT15'
    benchmark = benchmark or ('MOT20' if name.startswith('MOT20') else 'MOT17')
    by_frame: dict[int, list[list[float]]] = {}
    for row in rows:
        frame, *values = _values(row, benchmark)
        by_frame.setdefault(int(frame), []).append(values)
    last = max(by_frame, default=0)
    length = _length(info, folder)
    if min(by_frame, default=1) < 1 or (length is not None and last > length):
        raise InputError(f'{file}: has frames {min(by_frame)} to {last}, expected 1 to {length}')
    return MotJudge(
        name=name,
        frames=tuple(_frame(by_frame.get(t, [])) for t in range(1, (length or last) + 1)),
        benchmark=benchmark,
        length_is_known=length is not None,
        origin=info.get('origin', 'real'),
    )


def _values(row: Row, benchmark: str) -> list[float]:
    """Frame, id, box xywh, active, class number."""
    values = row.numbers(0, 8)
    if benchmark != 'MOT15' and int(values[7]) not in _CLASS_NUMBERS:
        raise InputError(
            f'{row.where}: class {row.cells[7]}, expected 1 to {_CLASS_NUMBERS[-1]}; '
            'is the file of MOT15 (--benchmark MOT15)?'
        )
    return values


def _frame(rows: list[list[float]]) -> MotFrame:
    """Columns id, x, y, w, h, active, class."""
    table = np.array(rows, np.float64).reshape(-1, 7)
    ids = table[:, 0].astype(np.int64)
    return MotFrame(
        boxes_xyxy_px=xywh_to_xyxy(table[:, 1:5]),
        ids=ids,
        classes=table[:, 6].astype(np.int64),
        active=table[:, 5].astype(np.int64) != 0,
    )


def _sequence_info(path: Path) -> dict[str, str]:
    """`[Sequence]` of a seqinfo file, keys in lower case; empty where there is no file."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(path, encoding='utf-8')
        return dict(parser['Sequence']) if parser.sections() else {}
    except (configparser.Error, KeyError) as error:
        raise InputError(f'{path}: not a seqinfo file with [Sequence]: {error}') from None


def _length(info: dict[str, str], folder: Path) -> int | None:
    """What seqinfo.ini says, or how many images there are; None where nobody knows."""
    if info.get('seqlength', '').isdigit():
        return int(info['seqlength'])
    images = folder / info.get('imdir', 'img1')
    if not images.is_dir():
        return None
    return sum(file.suffix.lower() in IMAGE_SUFFIXES for file in images.iterdir()) or None
