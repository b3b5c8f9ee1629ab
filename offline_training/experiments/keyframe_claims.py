"""What was claimed of the keyframe modes, with the size of each difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from offline_training.experiments.keyframe_plan import FEWER

NEAR_OFFLINE = 0.03  # share of offline HOTA that async streaming may lose
_ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True)
class Mean:
    """A mode in a group of cells at one speed: means over the cells, the worst of frame times.

    Attributes:
        row: name of the mode.
        offline: HOTA where every output is in time.
        streaming: HOTA of what was ready.
        mota: streaming.
        idf1: streaming.
        runs_per_s: teacher runs a second, offline.
        streamed_runs_per_s: the same where frames are dropped.
        p99_ms: of the time of a frame.
        worst_ms: of the time of a frame.
        missed: share of the frames.
        stale_ms: mean age of the output in use; None without any output.
        late_ms: mean lateness of the results of a teacher beside; None where there is none.
    """

    row: str
    offline: float
    streaming: float
    mota: float
    idf1: float
    runs_per_s: float
    streamed_runs_per_s: float
    p99_ms: float
    worst_ms: float
    missed: float
    stale_ms: float | None
    late_ms: float | None

    @property
    def lost(self) -> float:
        """Share of the offline HOTA."""
        return 1 - self.streaming / self.offline if self.offline else 0.0


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether a claim holds: `said` has the numbers."""

    claim: str
    said: str
    met: bool


def means(results: Sequence[Mapping[str, Any]], group: str, factor: float) -> dict[str, Mean]:
    """Each mode in the cells of a group."""
    mine = [result for result in results if result['group'] == group]
    names = dict.fromkeys(result['row'] for result in mine)
    return {name: _mean(name, [r for r in mine if r['row'] == name], factor) for name in names}


def _mean(name: str, results: Sequence[Mapping[str, Any]], factor: float) -> Mean:
    streamed = [
        next(rung for rung in result['rungs'] if rung['speed_factor'] == factor)
        for result in results
    ]
    times = [rung['timing'] for rung in streamed]

    def known(key: str) -> float | None:
        values = [time[key]['mean'] for time in times if time[key]]
        return fmean(values) if values else None

    return Mean(
        row=name,
        offline=fmean(result['offline']['hota'] for result in results),
        streaming=fmean(rung['hota'] for rung in streamed),
        mota=fmean(rung['mota'] for rung in streamed),
        idf1=fmean(rung['idf1'] for rung in streamed),
        runs_per_s=fmean(r['offline']['timing']['teacher_runs_per_s'] for r in results),
        streamed_runs_per_s=fmean(time['teacher_runs_per_s'] for time in times),
        p99_ms=max(time['runtime_ms']['p99'] for time in times),
        worst_ms=max(time['runtime_ms']['max'] for time in times),
        missed=fmean(time['missed_share'] for time in times),
        stale_ms=known('age_ms'),
        late_ms=known('late_ms'),
    )


def judge(modes: Mapping[str, Mean], intervals: Sequence[int]) -> list[Verdict]:
    """The claims of adaptive, asynchronous and synchronous keyframes in one group."""
    found = []
    for k in intervals:
        fixed, adaptive = modes.get(f'fixed {k}'), modes.get(f'adaptive {k}, {FEWER:.0%}')
        if fixed and adaptive and fixed.runs_per_s:
            found.append(_fewer(k, fixed, adaptive))
    if 'async' in modes:
        found.append(_near(modes['async']))
    for k in intervals:
        if 'async' in modes and f'fixed {k}' in modes:
            found.append(_stall(k, modes[f'fixed {k}'], modes['async']))
    return found


def _fewer(k: int, fixed: Mean, adaptive: Mean) -> Verdict:
    share = adaptive.runs_per_s / fixed.runs_per_s
    gain = adaptive.offline - fixed.offline
    return Verdict(
        claim=f'adaptive reaches the HOTA of every {k}. frame with {1 - FEWER:.0%} fewer runs',
        said=f'{100 * gain:+.1f} points of offline HOTA with {share:.0%} of the runs',
        met=gain >= -_ROUNDING and share <= FEWER + _ROUNDING,
    )


def _near(mode: Mean) -> Verdict:
    return Verdict(
        claim=f'async streaming HOTA is within {NEAR_OFFLINE:.0%} of its offline one',
        said=f'{100 * mode.streaming:.1f} of {100 * mode.offline:.1f}: {mode.lost:.1%} lost',
        met=mode.lost <= NEAR_OFFLINE + _ROUNDING,
    )


def _stall(k: int, fixed: Mean, beside: Mean) -> Verdict:
    return Verdict(
        claim=f'a keyframe every {k} frames shows its stall: it loses more than async',
        said=f'{fixed.lost:.1%} lost, worst frame {fixed.worst_ms:.0f} ms; async '
        f'{beside.lost:.1%} and {beside.worst_ms:.0f} ms',
        met=fixed.lost > beside.lost and fixed.worst_ms > beside.worst_ms,
    )
