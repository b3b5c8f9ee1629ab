"""HOTA, CLEAR MOT and identity scores of one class, computed by TrackEval in this process.

TrackEval's metrics take lists of arrays, so no files are written; what its data set classes do
before (who is forgiven, whose rows count) is in `protocols`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import functools
from typing import Any

import numpy as np
import trackeval

from mot_compress_ros.datatypes import Tracks
from mot_compress_ros.errors import InputError, InvalidDataError
from offline_training.datasets.records import FrameTruth
from offline_training.evaluation.protocols import product
from offline_training.evaluation.protocols.judge import found_of_tracks, FoundBoxes, SequenceJudge

# What TrackEval's `combine_*` need of a sequence; everything else follows from these.
_SUMS: Mapping[str, tuple[str, ...]] = {
    'HOTA': ('HOTA_TP', 'HOTA_FN', 'HOTA_FP', 'AssA', 'AssRe', 'AssPr', 'LocA'),
    'CLEAR': (
        *('CLR_TP', 'CLR_FN', 'CLR_FP', 'IDSW', 'MT', 'PT', 'ML', 'Frag', 'CLR_Frames'),
        'MOTP_sum',
    ),
    'Identity': ('IDTP', 'IDFN', 'IDFP'),
}
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
    partly_tracked: int
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
            partly_tracked=int(clear['PT']),
            mostly_lost=int(clear['ML']),
            false_positives=int(clear['CLR_FP']),
            misses=int(clear['CLR_FN']),
            objects=self.objects,
            boxes=self.boxes,
        )

    def to_json(self) -> dict[str, object]:
        """What is needed to pool it again, as plain numbers and lists."""
        sums: dict[str, object] = {
            metric: {field: np.asarray(self.by_metric[metric][field]).tolist() for field in fields}
            for metric, fields in _SUMS.items()
        }
        return {**sums, 'objects': self.objects, 'boxes': self.boxes}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> RawScores:
        """The scores of `to_json`; pool them before they are summed up.

        Raises:
            InputError: a field is missing.
        """
        try:
            sums = {
                metric: {field: np.asarray(content[metric][field]) for field in fields}
                for metric, fields in _SUMS.items()
            }
            return cls(sums, objects=content['objects'], boxes=content['boxes'])
        except KeyError as error:
            raise InputError(f'raw scores without {error}; evaluate again') from None


def score_judged(judge: SequenceJudge, found: Sequence[FoundBoxes], class_id: int) -> RawScores:
    """Score one class of one sequence by the rules of its protocol.

    Raises:
        InvalidDataError: `found` has not one entry per frame.
        InputError: an identity stands twice in a frame.
    """
    return score_prepared(judge.prepare(found, class_id))


def score_class(truth: Sequence[FrameTruth], tracks: Sequence[Tracks], class_id: int) -> RawScores:
    """Score one class by the product's rules; `tracks` holds one entry per frame of `truth`.

    Raises:
        InvalidDataError: the two are not equally long.
    """
    if len(truth) != len(tracks):
        raise InvalidDataError(f'{len(tracks)} frames of tracks for {len(truth)} of ground truth')
    found = found_of_tracks(tracks, product.CLASS_OF_PRODUCT)
    return score_prepared(product.prepare(truth, found, class_id))


def score_prepared(data: Mapping[str, Any]) -> RawScores:
    """Score what a protocol has prepared."""
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


@functools.cache
def metrics() -> tuple[Any, ...]:
    """TrackEval's judges, made silent; they keep nothing from one call to the next."""
    return (
        trackeval.metrics.HOTA(),
        trackeval.metrics.CLEAR(dict(_QUIET)),
        trackeval.metrics.Identity(dict(_QUIET)),
    )
