"""Scores of sequences and image sets as plain dictionaries for JSON, and as a table for people."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from mot_compress_ros.datatypes import Detections
from offline_training.datasets.classes import ALL_CLASSES, CLASS_NAMES
from offline_training.datasets.records import LabelledImage, LabelledSequence, ORIGINS
from offline_training.evaluation.bootstrap import BootstrapConfig, intervals
from offline_training.evaluation.detection_scores import (
    DetectionEvidence,
    DetectionScores,
    LabelledBoxes,
    score_detections,
    score_pooled,
)
from offline_training.evaluation.tracking_scores import (
    average_classes,
    combine_classes,
    combine_sequences,
    RawScores,
)

# What false alarms do not touch: all that can be said of a partly labelled sequence.
PARTIAL_FIELDS = ('recall', 'id_recall', 'id_switches', 'fragments', 'objects', 'boxes')
MAIN_FIELDS = ('hota', 'mota', 'idf1')
AP_FIELDS = ('ap', 'ap50', 'ap_small', 'ap_medium', 'ap_large')
Json = dict[str, object]


def detection_json(scores: Mapping[int, DetectionScores]) -> Json:
    """Average precision by class name, and the mean over classes that have one.

    The mean is None where no class has objects, or none of that size.
    """
    by_class = {CLASS_NAMES[class_id]: asdict(s) for class_id, s in scores.items()}
    mean: dict[str, float | None] = {}
    for key in AP_FIELDS:
        defined = [s[key] for s in by_class.values() if s[key] is not None]
        mean[key] = sum(defined) / len(defined) if defined else None
    return {'classes': by_class, 'class_average': mean}


def combined_detection_json(parts: Sequence[tuple[str, str, DetectionEvidence]]) -> Json:
    """Average precision over the images of all sequences of one origin, by origin.

    Args:
        parts: name, origin and evidence of each sequence.
    """
    result: Json = {}
    for origin in ORIGINS:
        group = {name: evidence for name, of, evidence in parts if of == origin}
        if group:
            scores = detection_json(score_pooled(list(group.values())))
            result[origin] = {'sequences': sorted(group), **scores}
    return result


def image_set_json(
    name: str,
    images: Sequence[LabelledImage],
    detections: Sequence[Detections],
    *,
    known_classes: Collection[int] = ALL_CLASSES,
) -> Json:
    """Average precision on labelled images, of the known classes that all of them label."""
    truth = [
        LabelledBoxes(boxes_xyxy_px=i.boxes_xyxy_px, class_ids=i.class_ids, ignore=i.ignore)
        for i in images
    ]
    labelled = set(known_classes).intersection(*(i.labelled_class_ids for i in images))
    scores = detection_json(score_detections(truth, detections, sorted(labelled)))
    return {'name': name, 'images': len(images), **scores}


def sequence_json(
    head: Json,
    raw: Mapping[int, RawScores],
    *,
    partly_labelled: bool = False,
    class_names: Sequence[str] = CLASS_NAMES,
) -> Json:
    """One sequence: every class, their average and all of them together.

    Args:
        head: what is known of the sequence (`sequence_head`).
        raw: scores by class id; kept under `raw`, so that they can be pooled again.
        partly_labelled: whether false alarms mean nothing.
        class_names: of the protocol.
    """
    head = {**head, 'partly_labelled': partly_labelled}
    named = {class_names[class_id]: scores for class_id, scores in raw.items()}
    if partly_labelled:
        summaries = {name: asdict(scores.summary()) for name, scores in named.items()}
        return {
            **head,
            'classes': {
                name: {field: scores[field] for field in PARTIAL_FIELDS}
                for name, scores in summaries.items()
            },
        }
    kept = {name: scores.to_json() for name, scores in named.items()}
    return {**head, **_classes_json(named), 'raw': kept}


def sequence_head(sequence: LabelledSequence) -> Json:
    """Name, length, rate and origin."""
    return {
        'name': sequence.name,
        'frames': len(sequence),
        'fps': sequence.fps,
        'origin': sequence.origin,
    }


def combined_json(
    per_sequence: Mapping[str, Mapping[int, RawScores]],
    origins: Mapping[str, str],
    *,
    class_names: Sequence[str] = CLASS_NAMES,
    bootstrap: BootstrapConfig | None = None,
) -> Json:
    """Sequences of one origin together, by origin; an origin without sequences is left out.

    Real and synthetic sequences are never pooled: rendered scenes are as many as one likes.

    Args:
        per_sequence: scores by class id, by name of the sequence.
        origins: origin of each sequence, by its name.
        class_names: of the protocol.
        bootstrap: how intervals are made; None leaves them out.
    """
    result: Json = {}
    for origin in ORIGINS:
        group = {
            name: {class_names[class_id]: scores for class_id, scores in raw.items()}
            for name, raw in per_sequence.items()
            if origins[name] == origin and raw
        }
        if group:
            bounds = {'bootstrap': intervals(group, bootstrap)} if bootstrap else {}
            result[origin] = {**_pooled_json(group, class_names), **bounds}
    return result


def _pooled_json(
    per_sequence: Mapping[str, Mapping[str, RawScores]], class_names: Sequence[str]
) -> Json:
    """Per class first, then over classes."""
    pooled = {}
    for class_name in class_names:
        of_class = {n: raw[class_name] for n, raw in per_sequence.items() if class_name in raw}
        if of_class:
            pooled[class_name] = combine_sequences(of_class)
    return {'sequences': sorted(per_sequence), **_classes_json(pooled)}


def manifest_metrics(report: Mapping[str, Any]) -> Json:
    """The few numbers of an evaluation that a model bundle carries with it."""

    def main_scores(scores: Mapping[str, Any]) -> Json:
        parts = {**scores['classes'], **({'all': scores['all']} if 'all' in scores else {})}
        return {n: {key: round(v[key], 4) for key in MAIN_FIELDS} for n, v in parts.items()}

    sequences = {s['name']: s for s in report['sequences'] if not s['partly_labelled']}
    detection = {n: s['detection'] for n, s in sequences.items() if 'detection' in s}
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


def _classes_json(named: Mapping[str, RawScores]) -> Json:
    result: Json = {'classes': {n: asdict(s.summary()) for n, s in named.items()}}
    if named:
        result['class_average'] = asdict(average_classes(named).summary())
        result['all'] = asdict(combine_classes(named).summary())
    return result
