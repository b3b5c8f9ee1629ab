"""Scores of sequences and image sets as plain dictionaries for JSON, and as a table for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from mot_compress_ros.datatypes import Detections
from offline_training.datasets.classes import CLASS_NAMES
from offline_training.datasets.records import LabelledImage, LabelledSequence, ORIGINS
from offline_training.evaluation.detection_scores import LabelledBoxes, score_detections
from offline_training.evaluation.inference import SequenceResult
from offline_training.evaluation.tracking_scores import (
    average_classes,
    combine_classes,
    combine_sequences,
    RawScores,
    score_class,
)

# What false alarms do not touch: all that can be said of a partly labelled sequence.
PARTIAL_FIELDS = ('recall', 'id_recall', 'id_switches', 'fragments', 'objects', 'boxes')
MAIN_FIELDS = ('hota', 'mota', 'idf1')
Json = dict[str, object]


def score_sequence(
    sequence: LabelledSequence, result: SequenceResult
) -> tuple[dict[int, RawScores], Json]:
    """TrackEval's scores by class id, and average precision by class name."""
    raw = {
        class_id: score_class(sequence.truth, result.tracks, class_id)
        for class_id in sequence.labelled_class_ids
    }
    boxes = [
        LabelledBoxes(boxes_xyxy_px=t.boxes_xyxy_px, class_ids=t.class_ids, ignore=t.ignore)
        for t in sequence.truth
    ]
    return raw, detection_json(boxes, result.detections, sequence.labelled_class_ids)


def detection_json(
    truth: Sequence[LabelledBoxes], detections: Sequence[Detections], class_ids: Sequence[int]
) -> Json:
    """Average precision by class name, and the mean over classes."""
    scores = score_detections(truth, detections, class_ids)
    by_class = {CLASS_NAMES[class_id]: asdict(s) for class_id, s in scores.items()}
    mean = {
        key: sum(s[key] for s in by_class.values()) / len(by_class) if by_class else 0.0
        for key in ('ap', 'ap50')
    }
    return {'classes': by_class, 'class_average': mean}


def image_set_json(
    name: str, images: Sequence[LabelledImage], detections: Sequence[Detections]
) -> Json:
    """Average precision on labelled images."""
    truth = [
        LabelledBoxes(boxes_xyxy_px=i.boxes_xyxy_px, class_ids=i.class_ids, ignore=i.ignore)
        for i in images
    ]
    scores = detection_json(truth, detections, range(len(CLASS_NAMES)))
    return {'name': name, 'images': len(images), **scores}


def sequence_json(
    sequence: LabelledSequence,
    raw: Mapping[int, RawScores],
    detection: Json,
    *,
    partly_labelled: bool,
) -> Json:
    """One sequence: every class, their average and all of them together."""
    head: Json = {
        'name': sequence.name,
        'frames': len(sequence),
        'fps': sequence.fps,
        'origin': sequence.origin,
        'partly_labelled': partly_labelled,
    }
    if partly_labelled:
        summaries = {CLASS_NAMES[k]: asdict(scores.summary()) for k, scores in raw.items()}
        return {
            **head,
            'classes': {
                name: {field: scores[field] for field in PARTIAL_FIELDS}
                for name, scores in summaries.items()
            },
        }
    return {**head, **_classes_json(raw), 'detection': detection}


def combined_json(
    per_sequence: Mapping[str, Mapping[int, RawScores]], origins: Mapping[str, str]
) -> Json:
    """Sequences of one origin together, by origin; an origin without sequences is left out.

    Real and synthetic sequences are never pooled: rendered scenes are as many as one likes.

    Args:
        per_sequence: scores by class id, by name of the sequence.
        origins: origin of each sequence, by its name.
    """
    groups = {
        origin: {name: raw for name, raw in per_sequence.items() if origins[name] == origin}
        for origin in ORIGINS
    }
    return {origin: _pooled_json(group) for origin, group in groups.items() if group}


def _pooled_json(per_sequence: Mapping[str, Mapping[int, RawScores]]) -> Json:
    """Per class first, then over classes."""
    class_ids = sorted({class_id for raw in per_sequence.values() for class_id in raw})
    pooled = {
        class_id: combine_sequences(
            {name: raw[class_id] for name, raw in per_sequence.items() if class_id in raw}
        )
        for class_id in class_ids
    }
    return {'sequences': sorted(per_sequence), **_classes_json(pooled)}


def manifest_metrics(report: Mapping[str, Any]) -> Json:
    """The few numbers of an evaluation that a model bundle carries with it."""

    def main_scores(scores: Mapping[str, Any]) -> Json:
        parts = {**scores['classes'], **({'all': scores['all']} if 'all' in scores else {})}
        return {n: {key: round(v[key], 4) for key in MAIN_FIELDS} for n, v in parts.items()}

    sequences = {s['name']: s for s in report['sequences'] if not s['partly_labelled']}
    detection = {n: s['detection'] for n, s in sequences.items()}
    detection |= {
        s['name']: s for s in report['image_sets'] if s['model'] == report['model']['name']
    }
    return {
        'command': report['command'],
        'tracking': {name: main_scores(s) for name, s in sequences.items()},
        'tracking_together': {
            origin: main_scores(scores) for origin, scores in report['combined'].items()
        },
        'ap50': {
            name: {c: round(v['ap50'], 4) for c, v in scores['classes'].items()}
            for name, scores in detection.items()
        },
    }


def _classes_json(raw: Mapping[int, RawScores]) -> Json:
    named = {CLASS_NAMES[class_id]: scores for class_id, scores in raw.items()}
    result: Json = {'classes': {n: asdict(s.summary()) for n, s in named.items()}}
    if named:
        result['class_average'] = asdict(average_classes(named).summary())
        result['all'] = asdict(combine_classes(named).summary())
    return result
