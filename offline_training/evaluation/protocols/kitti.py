"""KITTI's rules for 2D boxes, as TrackEval's `Kitti2DBox` has them: cars and pedestrians.

Of each class, with its distractor (Van for Car, a sitting person for Pedestrian):

1. Results and labels are matched one to one at IoU 0.5. A result matched to a distractor, to a
   truncated box (truncation above 0) or to one that is hidden (occlusion above 2) is taken out.
2. A result without a match is taken out where it is 25 px high or less, or where more than half of
   it lies in a DontCare region.
3. Objects are the labels that are neither distractor nor truncated nor hidden.

Source: github.com/JonathonLuiten/TrackEval, datasets/kitti_2d_box.py. One name is added to its
list: `person_sitting`, as KITTI's documentation calls what the tracking labels call `Person`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.boxes import area, iou_matrix
from mot_compress_ros.errors import InputError, InvalidDataError
from offline_training.datasets.classes import PEDESTRIAN, VEHICLE
from offline_training.datasets.records import IMAGE_SUFFIXES
from offline_training.evaluation.protocols.judge import (
    best_matches,
    EPSILON,
    FoundBoxes,
    NOT_JUDGED,
    prepared,
    TruthOptions,
)
from offline_training.evaluation.text_files import KITTI_COLUMNS, text_rows

CLASS_NAMES = ('car', 'pedestrian')
_CAR, _PEDESTRIAN = range(2)
CLASS_OF_PRODUCT: Mapping[int, int] = {VEHICLE: _CAR, PEDESTRIAN: _PEDESTRIAN}
_TYPES = ('van', 'truck', 'person', 'person_sitting', 'cyclist', 'tram', 'misc', 'dontcare')
CLASS_OF_FILE: Mapping[str, int] = {
    'car': _CAR,
    'car_2': _CAR,
    'pedestrian': _PEDESTRIAN,
    **dict.fromkeys(_TYPES, NOT_JUDGED),
    '1': _PEDESTRIAN,  # the numbers of our own MOT text
    '2': NOT_JUDGED,
    '3': _CAR,
}
_DISTRACTORS = {_CAR: ('van',), _PEDESTRIAN: ('person', 'person_sitting')}
_OBJECTS = {_CAR: ('car', 'car_2'), _PEDESTRIAN: ('pedestrian',)}
MAX_OCCLUSION, MAX_TRUNCATION, MIN_HEIGHT_PX = 2, 0, 25
_SEQMAPS = 'evaluate_tracking.seqmap*'


@dataclass(frozen=True, eq=False, kw_only=True)
class KittiFrame:
    """Rows of one frame: boxes (N, 4) px; ids, types, truncation, occlusion (N,).

    `dont_care_xyxy_px` (R, 4) are the regions to ignore.
    """

    boxes_xyxy_px: NDArray[np.float64]
    ids: NDArray[np.int64]
    types: NDArray[np.str_]
    truncation: NDArray[np.int64]
    occlusion: NDArray[np.int64]
    dont_care_xyxy_px: NDArray[np.float64]

    def __getitem__(self, rows: NDArray[np.bool_]) -> KittiFrame:
        """The rows chosen by a mask; the regions to ignore stay."""
        return KittiFrame(
            boxes_xyxy_px=self.boxes_xyxy_px[rows],
            ids=self.ids[rows],
            types=self.types[rows],
            truncation=self.truncation[rows],
            occlusion=self.occlusion[rows],
            dont_care_xyxy_px=self.dont_care_xyxy_px,
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class KittiJudge:
    """A label file, raw."""

    name: str
    frames: tuple[KittiFrame, ...]
    length_is_known: bool
    origin: str = 'real'
    class_ids: tuple[int, ...] = (_CAR, _PEDESTRIAN)

    @property
    def n_frames(self) -> int:
        """Frames of the sequence."""
        return len(self.frames)

    def prepare(self, found: Sequence[FoundBoxes], class_id: int) -> dict[str, Any]:
        """See `SequenceJudge.prepare`."""
        extra = len(found) - self.n_frames
        if extra < 0 or (extra > 0 and self.length_is_known):
            raise InvalidDataError(
                f'{self.name}: {len(found)} frames of results for {self.n_frames} of labels'
            )
        frames = self.frames + (_frame([]),) * extra
        kinds = (*_OBJECTS[class_id], *_DISTRACTORS[class_id])
        gt_ids, tracker_ids, similarity = [], [], []
        for here, seen in zip(frames, found, strict=True):
            here = here[np.isin(here.types, kinds)]
            mine = seen.class_ids == class_id
            boxes, ids = seen.boxes_xyxy_px[mine], seen.track_ids[mine]
            iou = iou_matrix(here.boxes_xyxy_px, boxes)
            counts = _counts(here, class_id)
            stays = ~_taken_out(here, boxes, iou, counts)
            gt_ids.append(here.ids[counts])
            tracker_ids.append(ids[stays])
            similarity.append(iou[counts][:, stays])
        return prepared(self.name, gt_ids, tracker_ids, similarity)


def _counts(here: KittiFrame, class_id: int) -> NDArray[np.bool_]:
    """Which labels (N,) are objects to be found."""
    return np.asarray(
        np.isin(here.types, _OBJECTS[class_id])
        & (here.occlusion <= MAX_OCCLUSION)
        & (here.truncation <= MAX_TRUNCATION)
    )


def _taken_out(
    here: KittiFrame,
    boxes_xyxy_px: NDArray[np.float64],
    iou: NDArray[np.float64],
    counts: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Which results (P,) are neither right nor wrong."""
    rows, columns = best_matches(iou)
    matched = np.zeros(len(boxes_xyxy_px), np.bool_)
    matched[columns] = True
    out = np.zeros(len(boxes_xyxy_px), np.bool_)
    out[columns[~counts[rows]]] = True
    small = boxes_xyxy_px[:, 3] - boxes_xyxy_px[:, 1] <= MIN_HEIGHT_PX + EPSILON
    ignored = (_share_within(boxes_xyxy_px, here.dont_care_xyxy_px) > 0.5 + EPSILON).any(axis=1)
    return np.asarray(out | (~matched & (small | ignored)))


def _share_within(
    boxes_xyxy: NDArray[np.float64], regions_xyxy: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Share of each box that lies in each region: (P, 4), (R, 4) -> (P, R) in 0..1."""
    low = np.maximum(boxes_xyxy[:, None, :2], regions_xyxy[None, :, :2])  # (P, R, 2)
    high = np.minimum(boxes_xyxy[:, None, 2:], regions_xyxy[None, :, 2:])  # (P, R, 2)
    overlap = np.clip(high - low, 0, None).prod(axis=2)  # (P, R)
    whole = area(boxes_xyxy)[:, None]  # (P, 1)
    share = np.zeros_like(overlap)
    np.divide(overlap, whole, out=share, where=whole > EPSILON)
    return np.asarray(share)


def read_truth(path: Path, options: TruthOptions) -> list[KittiJudge]:
    """Every label file of a set.

    Args:
        path: the folder that holds `label_02`, or `training` that holds it; `label_02` itself; or
            one label file.
        options: nothing in them has a meaning here.

    Raises:
        InputError: there is no label file, or a line cannot be read.
    """
    del options
    files = [path] if path.is_file() else _label_files(path)
    if not files:
        raise InputError(f'{path}: no label_02/*.txt; expected the folder that holds label_02')
    return [_read_sequence(file) for file in files]


def _label_files(path: Path) -> list[Path]:
    for folder in (path / 'label_02', path / 'training' / 'label_02', path):
        if folder.name == 'label_02' and folder.is_dir():
            return sorted(folder.glob('*.txt'))
    return []


def _read_sequence(file: Path) -> KittiJudge:
    by_frame: dict[int, list[list[object]]] = {}
    for row in text_rows(file, columns=KITTI_COLUMNS):
        kind = row.cells[2].lower()
        if kind not in CLASS_OF_FILE or kind.isdigit():
            legal = ', '.join(name for name in CLASS_OF_FILE if not name.isdigit())
            raise InputError(f'{row.where}: type {row.cells[2]!r}; legal: {legal}')
        frame, identity = (int(v) for v in row.numbers(0, 2))
        truncation, occlusion = (int(v) for v in row.numbers(3, 5))
        values = [identity, kind, truncation, occlusion, *row.numbers(6, 10)]
        by_frame.setdefault(frame, []).append(values)
    last = max(by_frame, default=-1)
    length = _length(file)
    if min(by_frame, default=0) < 0 or (length is not None and last >= length):
        raise InputError(
            f'{file}: has frames {min(by_frame)} to {last}, expected 0 to {(length or 0) - 1}'
        )
    n = last + 1 if length is None else length
    return KittiJudge(
        name=file.stem,
        frames=tuple(_frame(by_frame.get(t, [])) for t in range(n)),
        length_is_known=length is not None,
    )


def _frame(rows: list[list[Any]]) -> KittiFrame:
    """Columns id, type, truncation, occlusion, x1, y1, x2, y2."""
    regions = [row for row in rows if row[1] == 'dontcare']
    labels = [row for row in rows if row[1] != 'dontcare' and row[0] >= 0]

    def column(k: int) -> NDArray[np.int64]:
        return np.array([row[k] for row in labels], np.int64)

    return KittiFrame(
        boxes_xyxy_px=np.array([row[4:] for row in labels], np.float64).reshape(-1, 4),
        ids=column(0),
        types=np.array([row[1] for row in labels], np.str_),
        truncation=column(2),
        occlusion=column(3),
        dont_care_xyxy_px=np.array([row[4:] for row in regions], np.float64).reshape(-1, 4),
    )


def _length(file: Path) -> int | None:
    """What a seqmap says, or how many images there are; None where nobody knows."""
    root = file.parent.parent
    for seqmap in sorted(root.glob(_SEQMAPS)):
        for row in text_rows(seqmap, columns=1):
            if len(row.cells) >= 4 and row.cells[0] == file.stem:
                return int(row.numbers(3, 4)[0])
    images = root / 'image_02' / file.stem
    if not images.is_dir():
        return None
    return sum(image.suffix.lower() in IMAGE_SUFFIXES for image in images.iterdir()) or None
