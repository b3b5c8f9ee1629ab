"""Run a preset of the tracker over cases, score what it publishes, and pool the scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.datatypes import Tracks
from mot_compress_ros.tracking import Tracker, TrackerConfig
from offline_training.evaluation.protocols.judge import found_of_tracks, open_protocol
from offline_training.evaluation.tracking_scores import (
    combine_classes,
    combine_sequences,
    RawScores,
    score_judged,
    TrackingScores,
)
from offline_training.experiments.tracking_cases import Case

ALL = 'all'


@dataclass(frozen=True, eq=False, kw_only=True)
class CaseScores:
    """What a preset made of a case.

    Attributes:
        raw: TrackEval's results by name of the class.
        update_ms: (T,) wall time of each `Tracker.update`, ms.
    """

    raw: Mapping[str, RawScores]
    update_ms: NDArray[np.float64]

    def to_json(self) -> dict[str, object]:
        """All of it, to be pooled again."""
        return {
            'raw': {name: raw.to_json() for name, raw in self.raw.items()},
            'update_ms': [round(float(t), 4) for t in self.update_ms],
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> CaseScores:
        """The inverse of `to_json`.

        Raises:
            InputError: a field of the scores is missing.
        """
        raw = {name: RawScores.from_json(scores) for name, scores in content['raw'].items()}
        return cls(raw=raw, update_ms=np.asarray(content['update_ms'], np.float64))


@dataclass(frozen=True, kw_only=True)
class PooledRow:
    """One cell group of the table: a preset on all sequences of a group at one rate.

    Attributes:
        group: what the row is called, with the class where classes have rows of their own.
        rate: of the cases.
        fps: lowest and highest frames per second of the sequences.
        scores: pooled over sequences, and over classes where they share a row.
        ms: median time of an update over all frames.
        frames: how many were tracked.
    """

    group: str
    rate: str
    fps: tuple[float, float]
    scores: TrackingScores
    ms: float
    frames: int


def run_case(case: Case, config: TrackerConfig) -> tuple[list[Tracks], NDArray[np.float64]]:
    """Published tracks of each frame, and the time (T,) that each update took, ms."""
    tracker = Tracker(config)
    tracks, times_ms = [], np.zeros(len(case))
    motions = case.camera_motion or [None] * len(case)
    for k, (seen, stamp_ns, motion) in enumerate(
        zip(case.detections, case.stamps_ns, motions, strict=True)
    ):
        start_ns = time.perf_counter_ns()
        found = tracker.update(seen, stamp_ns=stamp_ns, camera_motion=motion)
        times_ms[k] = (time.perf_counter_ns() - start_ns) / 1e6
        tracks.append(found)
    return tracks, times_ms


def score_case(case: Case, config: TrackerConfig) -> CaseScores:
    """Track a case with a new tracker and score it by its protocol."""
    tracks, times_ms = run_case(case, config)
    rules = open_protocol(case.protocol)
    found = found_of_tracks(tracks, rules.CLASS_OF_PRODUCT)
    raw = {
        rules.CLASS_NAMES[class_id]: score_judged(case.judge, found, class_id)
        for class_id in case.judge.class_ids
    }
    return CaseScores(raw=raw, update_ms=times_ms)


def pool(parts: Sequence[tuple[Case, CaseScores]]) -> list[PooledRow]:
    """The rows of a preset, in order of the cases.

    Sequences are pooled as TrackEval does; so are classes, by their detections, where the group
    has one row for all; else a class without objects has no row.
    """
    groups: dict[tuple[str, str], list[tuple[Case, CaseScores]]] = {}
    for case, scores in parts:
        groups.setdefault((case.group, case.rate), []).append((case, scores))
    return [row for members in groups.values() for row in _rows(members)]


def _rows(members: Sequence[tuple[Case, CaseScores]]) -> list[PooledRow]:
    cases = [case for case, _ in members]
    first = cases[0]
    names = dict.fromkeys(name for _, scores in members for name in scores.raw)
    by_class = {
        name: combine_sequences({c.name: s.raw[name] for c, s in members if name in s.raw})
        for name in names
    }
    with_objects = {name: raw for name, raw in by_class.items() if raw.boxes}
    parts = with_objects if first.by_class else {ALL: combine_classes(by_class)}
    update_ms = np.concatenate([scores.update_ms for _, scores in members])
    return [
        PooledRow(
            group=first.group if name == ALL else f'{first.group}, {name}',
            rate=first.rate,
            fps=(min(c.fps for c in cases), max(c.fps for c in cases)),
            scores=raw.summary(),
            ms=float(np.median(update_ms)),
            frames=sum(map(len, cases)),
        )
        for name, raw in parts.items()
    ]
