"""What a protocol gives: the ground truth of a sequence that knows its own rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
import importlib
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from mot_compress_ros.datatypes import Tracks
from mot_compress_ros.errors import InputError
from offline_training.evaluation.protocols import PROTOCOLS

MATCH_IOU = 0.5  # TrackEval's, of the match with distractors
EPSILON = float(np.finfo(float).eps)  # TrackEval takes it off every threshold
NOT_JUDGED = -1


@dataclass(frozen=True, kw_only=True)
class TruthOptions:
    """How ground truth is to be read.

    Attributes:
        settings: of `SourceConfig`; without `layout` it is recognised (product).
        benchmark: MOT15, MOT16, MOT17 or MOT20; '' finds out (mot_challenge).
    """

    settings: Mapping[str, object] = field(default_factory=dict)
    benchmark: str = ''


@dataclass(frozen=True, eq=False, kw_only=True)
class FoundBoxes:
    """What a tracker reported of one frame, P rows; zero rows is legal.

    Attributes:
        boxes_xyxy_px: (P, 4) float64, source pixels.
        track_ids: (P,) int64.
        class_ids: (P,) int64, of the protocol; `NOT_JUDGED` rows are never looked at.
    """

    boxes_xyxy_px: NDArray[np.float64]
    track_ids: NDArray[np.int64]
    class_ids: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.track_ids)

    @classmethod
    def empty(cls) -> FoundBoxes:
        """Nothing."""
        none = np.zeros(0, np.int64)
        return cls(boxes_xyxy_px=np.zeros((0, 4)), track_ids=none, class_ids=none)


class SequenceJudge(Protocol):
    """Ground truth of one sequence under one set of rules; it can be pickled."""

    @property
    def name(self) -> str:
        """Name of the sequence, unique in its set."""

    @property
    def origin(self) -> str:
        """One of `datasets.records.ORIGINS`."""

    @property
    def class_ids(self) -> tuple[int, ...]:
        """Classes of the protocol that are judged on this sequence."""

    @property
    def n_frames(self) -> int:
        """How many frames are known."""

    @property
    def length_is_known(self) -> bool:
        """False where `n_frames` is only the last frame with a label."""

    def prepare(self, found: Sequence[FoundBoxes], class_id: int) -> dict[str, Any]:
        """One class as TrackEval's metrics want it, preprocessed by the rules.

        Raises:
            InvalidDataError: `found` has not `n_frames` entries; it may have more where the
                length is not known.
            InputError: an identity stands twice in a frame.
        """


def open_protocol(name: str) -> Any:
    """The module of a protocol.

    Raises:
        InputError: there is none of that name.
    """
    if name not in PROTOCOLS:
        raise InputError(f'protocol {name!r}; legal: {", ".join(PROTOCOLS)}')
    return importlib.import_module(PROTOCOLS[name])


def found_of_tracks(tracks: Sequence[Tracks], classes: Mapping[int, int]) -> list[FoundBoxes]:
    """Our own tracks with the classes of a protocol (its `CLASS_OF_PRODUCT`)."""
    return [
        FoundBoxes(
            boxes_xyxy_px=here.boxes_xyxy_px.astype(np.float64),
            track_ids=here.track_ids,
            class_ids=np.array(
                [classes.get(int(k), NOT_JUDGED) for k in here.class_ids], np.int64
            ),
        )
        for here in tracks
    ]


def best_matches(iou: NDArray[np.floating]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns of the best one-to-one match at IoU 0.5: (N, P) -> two (M,)."""
    enough = np.where(iou < MATCH_IOU - EPSILON, 0.0, iou)
    rows, columns = linear_sum_assignment(-enough)
    real = enough[rows, columns] > EPSILON
    return rows[real], columns[real]


def prepared(
    name: str,
    gt_ids: Sequence[NDArray[np.int64]],
    tracker_ids: Sequence[NDArray[np.int64]],
    similarity: Sequence[NDArray[np.floating]],
) -> dict[str, Any]:
    """One entry per frame, as the metrics want them: identities counted from 0.

    Args:
        name: of the sequence, for the message.
        gt_ids: (N,) each.
        tracker_ids: (P,) each.
        similarity: (N, P) each.

    Raises:
        InputError: an identity stands twice in a frame.
    """
    for whose, ids in (('the ground truth', gt_ids), ('the results', tracker_ids)):
        for frame, here in enumerate(ids, start=1):
            if len(np.unique(here)) != len(here):
                raise InputError(
                    f'{name}: an identity stands twice in frame {frame} of {whose}, counted '
                    'from 1; keep one of the rows'
                )
    n_gt_ids, gt_numbers = _renumbered(gt_ids)
    n_tracker_ids, tracker_numbers = _renumbered(tracker_ids)
    return {
        'gt_ids': gt_numbers,
        'tracker_ids': tracker_numbers,
        'similarity_scores': list(similarity),
        'num_timesteps': len(gt_ids),
        'num_gt_ids': n_gt_ids,
        'num_tracker_ids': n_tracker_ids,
        'num_gt_dets': sum(map(len, gt_ids)),
        'num_tracker_dets': sum(map(len, tracker_ids)),
    }


def _renumbered(ids: Sequence[NDArray[np.int64]]) -> tuple[int, list[NDArray[np.int64]]]:
    """How many distinct identities there are, and each frame's, counted from 0."""
    known = np.unique(np.concatenate(ids)) if ids else np.zeros(0, np.int64)
    return len(known), [np.searchsorted(known, here) for here in ids]
