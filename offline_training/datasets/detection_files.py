"""Read the public detections that come with tracking benchmarks.

- MOTChallenge `det/det.txt`: `frame,-1,left,top,width,height,score,...`, frames from 1. MOT15's
  scores (ACF) are margins of a boosted detector, about -1 to 120.
- PointRCNN on KITTI, `pointrcnn_Car/0000.txt`: `frame,type,x1,y1,x2,y2,score,...`, frames from 0.
  The scores are logits; the files end at -0.847, a probability of 0.3.

`Detections` has scores in 0..1, so raw scores go through a `LogisticScale`, which is monotone: no
order changes. The scales below are for trackers whose thresholds mean probabilities; they were
set by hand so that the score is about the share of right detections (IoU 0.5) near it. PointRCNN's
own sigmoid would not do: it gives 0.95 to detections of which half are wrong. Boxes without area
say nothing and are left out: PointRCNN's are projections, cut at the edge of the image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import itertools
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.boxes import xywh_to_xyxy
from mot_compress_ros.datatypes import Detections
from mot_compress_ros.errors import InputError
from offline_training.datasets.classes import CYCLIST, PEDESTRIAN, VEHICLE
from offline_training.datasets.label_files import numbers, text_lines

_MOT_COLUMNS, _POINTRCNN_COLUMNS = 7, 7  # at least
_POINTRCNN_TYPES: Mapping[int, int] = {1: PEDESTRIAN, 2: VEHICLE, 3: CYCLIST}
_POINTRCNN_FOLDERS = ('pointrcnn_Car', 'pointrcnn_Pedestrian', 'pointrcnn_Cyclist')


@dataclass(frozen=True, kw_only=True)
class LogisticScale:
    """Raw score to 0..1: 1 / (1 + exp(-(raw - middle) / width))."""

    middle: float
    width: float

    def __call__(self, raw: NDArray[np.float64]) -> NDArray[np.float32]:
        """Scores (N,) of raw scores (N,)."""
        # Beyond 60 the exponential says nothing more and might overflow.
        exponent = np.clip((self.middle - raw) / self.width, -60, 60)
        return (1 / (1 + np.exp(exponent))).astype(np.float32)


ACF_SCALE = LogisticScale(middle=20.0, width=20.0)
POINTRCNN_SCALE = LogisticScale(middle=3.0, width=1.0)


def read_mot_detections(
    path: Path, *, n_frames: int, class_id: int = PEDESTRIAN, scale: LogisticScale = ACF_SCALE
) -> list[Detections]:
    """One entry for each frame of a sequence.

    Args:
        path: `det.txt`.
        n_frames: length of the sequence.
        class_id: of every row; the files name none.
        scale: from the file's scores to 0..1.

    Raises:
        InputError: the file is missing, a line cannot be read, or a frame lies outside the
            sequence.
    """
    rows = _rows(path, columns=_MOT_COLUMNS, expected='MOTChallenge detections')
    table = np.array([values for _, values in rows], np.float64).reshape(-1, _MOT_COLUMNS)
    boxes = xywh_to_xyxy(table[:, 2:6])
    classes = np.full(len(table), class_id, np.int64)
    places = [where for where, _ in rows]
    frames = _frames(table[:, 0], places, first=1, n_frames=n_frames)
    return _by_frame(frames, boxes, scale(table[:, 6]), classes, n_frames=n_frames)


def read_pointrcnn(
    folder: Path, sequence: str, *, n_frames: int, scale: LogisticScale = POINTRCNN_SCALE
) -> list[Detections]:
    """All classes of one sequence, one entry for each frame.

    Args:
        folder: that holds `pointrcnn_Car` and its like.
        sequence: such as '0000'.
        n_frames: length of the sequence.
        scale: from the files' scores to 0..1.

    Raises:
        InputError: no file of the sequence is there, a line cannot be read, or a frame lies
            outside the sequence.
    """
    files = [folder / name / f'{sequence}.txt' for name in _POINTRCNN_FOLDERS]
    present = [file for file in files if file.is_file()]
    if not present:
        raise InputError(f'{folder}: no {_POINTRCNN_FOLDERS[0]}/{sequence}.txt')
    rows = [
        row
        for file in present
        for row in _rows(file, columns=_POINTRCNN_COLUMNS, expected='PointRCNN detections')
    ]
    table = np.array([values for _, values in rows], np.float64).reshape(-1, _POINTRCNN_COLUMNS)
    places = [where for where, _ in rows]
    classes = [_class_of(kind, where) for kind, where in zip(table[:, 1], places, strict=True)]
    frames = _frames(table[:, 0], places, first=0, n_frames=n_frames)
    class_ids = np.array(classes, np.int64)
    return _by_frame(frames, table[:, 2:6], scale(table[:, 6]), class_ids, n_frames=n_frames)


def _rows(path: Path, *, columns: int, expected: str) -> list[tuple[str, list[float]]]:
    """File and line number, and the first `columns` numbers, of every line."""
    rows = []
    for where, line in text_lines(path, expected):
        cells = line.split(',')
        if len(cells) < columns:
            raise InputError(
                f'{where}: expected {expected}, at least {columns} columns, got {len(cells)}'
            )
        rows.append((where, numbers(cells[:columns], columns, where)))
    return rows


def _class_of(kind: float, where: str) -> int:
    if kind not in _POINTRCNN_TYPES:
        raise InputError(f'{where}: type {kind:g}; legal: 1 (pedestrian), 2 (car) and 3 (cyclist)')
    return _POINTRCNN_TYPES[int(kind)]


def _frames(
    numbered: NDArray[np.float64], places: Sequence[str], *, first: int, n_frames: int
) -> NDArray[np.int64]:
    """Index (N,) of each row's frame, from 0."""
    last = first + n_frames - 1
    for number, where in zip(numbered, places, strict=True):
        if number % 1 or not first <= number <= last:
            raise InputError(f'{where}: frame {number:g}; expected whole ones, {first} to {last}')
    return numbered.astype(np.int64) - first


def _by_frame(
    frames: NDArray[np.int64],
    boxes_xyxy_px: NDArray[np.float64],
    scores: NDArray[np.float32],
    class_ids: NDArray[np.int64],
    *,
    n_frames: int,
) -> list[Detections]:
    rows = np.flatnonzero((boxes_xyxy_px[:, 2:] > boxes_xyxy_px[:, :2]).all(axis=1))
    order = rows[np.argsort(frames[rows], kind='stable')]
    ends = np.searchsorted(frames[order], np.arange(n_frames + 1))
    parts = (order[a:b] for a, b in itertools.pairwise(ends))
    return [
        Detections(
            boxes_xyxy_px=boxes_xyxy_px[rows].astype(np.float32),
            scores=scores[rows],
            class_ids=class_ids[rows],
            embeddings=np.zeros((len(rows), 0), np.float32),
            embedding_space='',
        )
        for rows in parts
    ]
