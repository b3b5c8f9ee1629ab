"""When the teacher looked, how often, and what its frames cost beside the student's."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypedDict

from mot_compress_ros.frame_source import STUDENT, TEACHER
from mot_compress_ros.recording.figures import LatencySummary, percentiles_of, Spread, spread_of
from mot_compress_ros.recording.step import Ending, RunInfo
from mot_compress_ros.recording.timeline import Moment, Timeline


class LateSummary(TypedDict):
    """Results of a teacher beside the student, which come after their frame.

    `results`, `refused` and `frames_replayed` are the pipeline's counters; `delay_ms` and
    `delay_frames` say how much later, by the stamps, those came that are in `known_from`.
    """

    results: int
    refused: int
    frames_replayed: int
    delay_ms: LatencySummary | None
    delay_frames: Spread | None


class KeyframesSummary(TypedDict):
    """What the teacher did in a run.

    `count` keyframes are `ratio` of the processed frames. `frame_numbers` are the frames that the
    teacher saw; `known_from` are those whose tracks were the first to know it, the same ones
    unless results come late. Both are empty where the node does not tell.
    """

    teacher: str
    count: int
    ratio: float
    interval_frames: Spread | None
    interval_s: Spread | None
    latency_ms: dict[str, LatencySummary]
    late: LateSummary
    frame_numbers: list[int]
    known_from: list[int]


@dataclass(frozen=True, kw_only=True)
class Look:
    """A frame that the teacher saw, and the first one whose tracks knew it."""

    seen: Moment
    known_from: Moment

    @property
    def is_late(self) -> bool:
        """Whether the result came after its frame."""
        return self.seen.stamp_ns < self.known_from.stamp_ns


def looks(moments: Sequence[Moment]) -> list[Look]:
    """Every frame that the teacher is known to have seen, in the order it was heard."""
    found: list[Look] = []
    begun = 0  # stamps grow from here on: a stream that begins anew does not look further back
    for row, moment in enumerate(moments):
        if row and moment.stamp_ns < moments[row - 1].stamp_ns:
            begun = row
        if moment.source is None or moment.source.heard_stamp_ns is None:
            continue
        heard_ns = moment.source.heard_stamp_ns
        place = bisect_left(moments, heard_ns, begun, row, key=lambda m: m.stamp_ns)
        found.append(Look(seen=moments[place], known_from=moment))
    return found


def latencies_by_network_ms(moments: Sequence[Moment]) -> dict[str, list[float]]:
    """Latencies of the frames of each network, teacher first; a network without any is absent."""
    found: dict[str, list[float]] = {TEACHER: [], STUDENT: []}
    for moment in moments:
        if moment.source is not None and moment.latency_ms is not None:
            found[moment.source.network].append(moment.latency_ms)
    return {network: values for network, values in found.items() if values}


def summarize_keyframes(
    info: RunInfo, timeline: Timeline, ending: Ending
) -> KeyframesSummary | None:
    """The numbers; None where there is no teacher."""
    if info.teacher is None:
        return None
    moments = timeline.moments
    seen = looks(moments)
    processed = sum(not moment.dropped for moment in moments)
    count = len(seen) or ending.counters.get('keyframes', 0)
    by_network = latencies_by_network_ms(moments)
    return {
        'teacher': info.teacher.name,
        'count': count,
        'ratio': round(count / processed, 4) if processed else 0.0,
        'interval_frames': spread_of(_steps([look.seen.frame_number for look in seen])),
        'interval_s': spread_of([ns / 1e9 for ns in _steps([x.seen.stamp_ns for x in seen])]),
        'latency_ms': {
            network: figures
            for network, values in by_network.items()
            if (figures := percentiles_of(values))
        },
        'late': _late(seen, ending),
        'frame_numbers': [look.seen.frame_number for look in seen],
        'known_from': [look.known_from.frame_number for look in seen],
    }


def _late(seen: Sequence[Look], ending: Ending) -> LateSummary:
    late = [look for look in seen if look.is_late]
    delays_ns = [look.known_from.stamp_ns - look.seen.stamp_ns for look in late]
    frames = [look.known_from.frame_number - look.seen.frame_number for look in late]
    return {
        'results': ending.counters.get('late_results', len(late)),
        'refused': ending.counters.get('late_results_refused', 0),
        'frames_replayed': ending.counters.get('late_frames_replayed', 0),
        'delay_ms': percentiles_of([delay_ns / 1e6 for delay_ns in delays_ns]),
        'delay_frames': spread_of(frames),
    }


def _steps(values: Sequence[int]) -> list[int]:
    """From each value to the next; a step back, where a stream began anew, is left out."""
    return [after - before for before, after in pairwise(values) if after > before]
