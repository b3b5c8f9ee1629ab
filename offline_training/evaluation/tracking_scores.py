"""HOTA, CLEAR MOT and identity scores of one class, computed by TrackEval in this process.

TrackEval's metrics take lists of arrays, so no files are written; `prepare` does what its data set
classes do before: it takes out what matches a region to ignore and numbers identities from 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
import trackeval

from mot_compress_ros.boxes import iou_matrix
from mot_compress_ros.datatypes import Tracks
from mot_compress_ros.errors import InvalidDataError
from offline_training.datasets.records import FrameTruth

IGNORE_IOU = 0.5  # TrackEval's threshold of the match with distractors
_QUIET = {'PRINT_CONFIG': False}


@dataclass(frozen=True, kw_only=True)
class TrackingScores:
    """Scores of one class, or of several together; ratios in 0..1 (`mota` may be below 0).

    `hota`, `det_a`, `ass_a` and `loc_a` are means over the thresholds 0.05 to 0.95. Counts are at
    IoU 0.5. `recall` is CLEAR's, `id_recall` the share of boxes found under their main identity.
    """

    hota: float
    det_a: float
    ass_a: float
    loc_a: float
    mota: float
    idf1: float
    recall: float
    precision: float
    id_recall: float
    id_switches: int
    fragments: int
    mostly_tracked: int
    mostly_lost: int
    false_positives: int
    misses: int
    objects: int
    boxes: int


@dataclass(frozen=True, eq=False)
class RawScores:
    """TrackEval's own results by metric name; kept so that sequences and classes can be pooled."""

    by_metric: Mapping[str, Mapping[str, Any]]
    objects: int
    boxes: int

    def summary(self) -> TrackingScores:
        """The numbers a reader wants."""
        hota, clear, identity = (self.by_metric[name] for name in ('HOTA', 'CLEAR', 'Identity'))
        return TrackingScores(
            hota=float(np.mean(hota['HOTA'])),
            det_a=float(np.mean(hota['DetA'])),
            ass_a=float(np.mean(hota['AssA'])),
            loc_a=float(np.mean(hota['LocA'])),
            mota=float(clear['MOTA']),
            idf1=float(identity['IDF1']),
            recall=float(clear['CLR_Re']),
            precision=float(clear['CLR_Pr']),
            id_recall=float(identity['IDR']),
            id_switches=int(clear['IDSW']),
            fragments=int(clear['Frag']),
            mostly_tracked=int(clear['MT']),
            mostly_lost=int(clear['ML']),
            false_positives=int(clear['CLR_FP']),
            misses=int(clear['CLR_FN']),
            objects=self.objects,
            boxes=self.boxes,
        )


def score_class(truth: Sequence[FrameTruth], tracks: Sequence[Tracks], class_id: int) -> RawScores:
    """Score one class of one sequence; `tracks` holds one entry per frame of `truth`.

    Raises:
        InvalidDataError: the two are not equally long.
    """
    data = prepare(truth, tracks, class_id)
    results = {m.get_name(): m.eval_sequence(data) for m in metrics()}
    return RawScores(results, objects=data['num_gt_ids'], boxes=data['num_gt_dets'])


def combine_sequences(scores: Mapping[str, RawScores]) -> RawScores:
    """Pool the sequences of one class: counts add up, HOTA is weighted as TrackEval does."""
    return _combined(scores, 'combine_sequences')


def combine_classes(scores: Mapping[str, RawScores]) -> RawScores:
    """Pool the detections of several classes."""
    return _combined(scores, 'combine_classes_det_averaged')


def average_classes(scores: Mapping[str, RawScores]) -> RawScores:
    """Mean of the scores of the classes that have objects; counts are summed."""
    with_objects = {name: s for name, s in scores.items() if s.boxes} or scores
    return _combined(with_objects, 'combine_classes_class_averaged')


def _combined(scores: Mapping[str, RawScores], how: str) -> RawScores:
    if not scores:
        raise InvalidDataError('no scores to combine: expected at least one')
    results = {
        m.get_name(): getattr(m, how)({n: s.by_metric[m.get_name()] for n, s in scores.items()})
        for m in metrics()
    }
    return RawScores(
        results,
        objects=sum(s.objects for s in scores.values()),
        boxes=sum(s.boxes for s in scores.values()),
    )


def metrics() -> tuple[Any, ...]:
    """TrackEval's judges, made silent."""
    return (
        trackeval.metrics.HOTA(),
        trackeval.metrics.CLEAR(dict(_QUIET)),
        trackeval.metrics.Identity(dict(_QUIET)),
    )


def prepare(
    truth: Sequence[FrameTruth], tracks: Sequence[Tracks], class_id: int
) -> dict[str, Any]:
    """One class of a sequence as TrackEval's metrics want it.

    Raises:
        InvalidDataError: `truth` and `tracks` are not equally long.
    """
    if len(truth) != len(tracks):
        raise InvalidDataError(f'{len(tracks)} frames of tracks for {len(truth)} of ground truth')
    gt_ids, tracker_ids, similarity = [], [], []
    for here, found in zip(truth, tracks, strict=True):
        labelled = here.of_class(class_id)
        mine = np.asarray(found.class_ids == class_id)
        ids, iou = (
            found.track_ids[mine],
            iou_matrix(labelled.boxes_xyxy_px, found.boxes_xyxy_px[mine]),
        )
        stays = ~matches_ignored(iou, labelled.ignore)
        gt_ids.append(labelled.ids[~labelled.ignore])
        tracker_ids.append(ids[stays])
        similarity.append(iou[~labelled.ignore][:, stays])
    n_gt_ids, gt_numbers = _renumbered(gt_ids)
    n_tracker_ids, tracker_numbers = _renumbered(tracker_ids)
    return {
        'gt_ids': gt_numbers,
        'tracker_ids': tracker_numbers,
        'similarity_scores': similarity,
        'num_timesteps': len(truth),
        'num_gt_ids': n_gt_ids,
        'num_tracker_ids': n_tracker_ids,
        'num_gt_dets': sum(map(len, gt_ids)),
        'num_tracker_dets': sum(map(len, tracker_ids)),
    }


def matches_ignored(iou: NDArray[np.floating], ignore: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which predictions (P,) the best one-to-one match gives to a region to ignore.

    Args:
        iou: (N, P) of labelled boxes, ignored ones included, and predictions.
        ignore: (N,) which labelled boxes are to be ignored.
    """
    enough = np.where(iou < IGNORE_IOU - np.finfo(float).eps, 0.0, iou)
    rows, columns = linear_sum_assignment(-enough)
    real = enough[rows, columns] > 0
    taken = np.zeros(iou.shape[1], np.bool_)
    taken[columns[real & ignore[rows]]] = True
    return taken


def _renumbered(ids: list[NDArray[np.int64]]) -> tuple[int, list[NDArray[np.int64]]]:
    """How many distinct identities there are, and each frame's, counted from 0."""
    known = np.unique(np.concatenate(ids)) if ids else np.zeros(0, np.int64)
    return len(known), [np.searchsorted(known, here) for here in ids]
