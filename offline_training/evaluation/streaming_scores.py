"""Streaming scores of sequences and of all together, beside the offline scores.

`detection` is the streaming AP (sAP) of the tracks in use, as what the node publishes: each with
the score of its latest detection. Tracks are what is above the tracker's thresholds, so it lies
below the AP of `evaluate`, which sees weak detections too; compare it with the offline row.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass

from mot_compress_ros.options import option
from offline_training.datasets.classes import ALL_CLASSES, CLASS_NAMES
from offline_training.datasets.records import LabelledSequence, ORIGINS
from offline_training.evaluation.bootstrap import BootstrapConfig, intervals
from offline_training.evaluation.detection_scores import DetectionEvidence, score_pooled
from offline_training.evaluation.report import detection_json
from offline_training.evaluation.sequence_scorer import detection_evidence
from offline_training.evaluation.streaming import (
    pool,
    Timing,
    timing,
    tracks_in_use,
    used_outputs,
)
from offline_training.evaluation.streaming_run import Played
from offline_training.evaluation.tracking_scores import (
    average_classes,
    combine_classes,
    combine_sequences,
    RawScores,
    score_class,
)

LOSS_FIELDS = ('hota', 'mota', 'idf1')
Json = dict[str, object]


@dataclass(frozen=True, kw_only=True)
class StreamingConfig:
    """How outputs meet ground truth, and how the node is played."""

    eta: float = option(
        0.0,
        'ground truth of frame i is met at (i - eta) / fps: 0 counts every delay, -1 forgives one '
        'frame period',
        minimum=-1.0,
        maximum=0.0,
        unit='frames',
    )
    forecast: bool = option(
        False, "move the tracks to the time of use at the tracker's constant velocity"
    )
    shrinking_tail: bool = option(
        False, 'let a frame that has grown old pass where waiting gives fresher outputs'
    )
    contention: float = option(
        1.0,
        'how many times as slow the student is while a teacher works beside it',
        minimum=1.0,
        maximum=100.0,
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class StreamedScores:
    """One sequence at one speed.

    Attributes:
        raw: TrackEval's scores by class id.
        detection: labels and the tracks in use.
        timing: what happened to time.
    """

    raw: Mapping[int, RawScores]
    detection: DetectionEvidence
    timing: Timing


def score_played(
    sequence: LabelledSequence,
    played: Played,
    config: StreamingConfig,
    *,
    known_classes: Collection[int] = ALL_CLASSES,
) -> StreamedScores:
    """Score what was in use at each frame, on the classes that are labelled and known."""
    used = used_outputs(played.outputs, len(sequence), sequence.fps, eta=config.eta)
    tracks = tracks_in_use(used, sequence.fps, forecast=config.forecast)
    class_ids = [k for k in sequence.labelled_class_ids if k in known_classes]
    return StreamedScores(
        raw={k: score_class(sequence.truth, tracks, k) for k in class_ids},
        detection=detection_evidence(sequence, tracks, class_ids),
        timing=timing(played.outputs, used, sequence.fps, teacher_runs=played.teacher_runs),
    )


def scores_json(
    sequences: Sequence[LabelledSequence],
    scores: Sequence[StreamedScores],
    *,
    bootstrap: BootstrapConfig | None = None,
) -> Json:
    """All sequences at one speed, each and those of one origin together; origins never mix."""
    each = [
        {
            'name': s.name,
            'fps': s.fps,
            'origin': s.origin,
            'timing': scored.timing.summary(),
            **_classes_json(scored.raw),
            'detection': detection_json(score_pooled([scored.detection])),
        }
        for s, scored in zip(sequences, scores, strict=True)
    ]
    combined: Json = {}
    for origin in ORIGINS:
        of_origin = {
            s.name: scored
            for s, scored in zip(sequences, scores, strict=True)
            if s.origin == origin
        }
        if of_origin:
            combined[origin] = _pooled_json(of_origin, bootstrap)
    return {'sequences': each, 'combined': combined}


def _pooled_json(scores: Mapping[str, StreamedScores], bootstrap: BootstrapConfig | None) -> Json:
    class_ids = sorted({k for scored in scores.values() for k in scored.raw})
    raw = {
        k: combine_sequences({n: s.raw[k] for n, s in scores.items() if k in s.raw})
        for k in class_ids
    }
    named = {n: {CLASS_NAMES[k]: r for k, r in s.raw.items()} for n, s in scores.items()}
    bounds = {'bootstrap': intervals(named, bootstrap)} if bootstrap else {}
    return {
        'sequences': sorted(scores),
        'timing': pool([s.timing for s in scores.values()]).summary(),
        **_classes_json(raw),
        'detection': detection_json(score_pooled([s.detection for s in scores.values()])),
        **bounds,
    }


def _classes_json(raw: Mapping[int, RawScores]) -> Json:
    named = {CLASS_NAMES[k]: scores for k, scores in raw.items()}
    if not named:
        return {'classes': {}}
    return {
        'classes': {name: asdict(s.summary()) for name, s in named.items()},
        'class_average': asdict(average_classes(named).summary()),
        'all': asdict(combine_classes(named).summary()),
    }


def with_loss(streaming: Json, offline: Json) -> Json:
    """`streaming` with what each part lost against the same part of `offline`, all classes."""

    def lost(part: Json, reference: Json) -> Json:
        if 'all' not in part:
            return part
        here, there = part['all'], reference['all']
        assert isinstance(here, dict) and isinstance(there, dict)
        loss = {key: there[key] - here[key] for key in LOSS_FIELDS}
        ap_there, ap_here = _average_precision(reference), _average_precision(part)
        if ap_there is not None and ap_here is not None:
            loss['ap'] = ap_there - ap_here
        return {**part, 'loss': loss}

    sequences, references = streaming['sequences'], offline['sequences']
    together, reference = streaming['combined'], offline['combined']
    assert isinstance(sequences, list) and isinstance(references, list)
    assert isinstance(together, dict) and isinstance(reference, dict)
    return {
        'sequences': [lost(s, r) for s, r in zip(sequences, references, strict=True)],
        'combined': {origin: lost(part, reference[origin]) for origin, part in together.items()},
    }


def _average_precision(part: Json) -> float | None:
    """The mean over classes; None where nothing is there to be found."""
    detection = part['detection']
    assert isinstance(detection, dict)
    ap: float | None = detection['class_average']['ap']
    return ap
