"""One contestant over one scene, frame by frame, on a clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import gc
import time
from typing import Any

from offline_training.benchmarks.association_rivals.contract import Contestant
from offline_training.benchmarks.association_scene import CrowdFrame
from offline_training.evaluation.protocols.judge import FoundBoxes

FEWEST_FRAMES = 6  # of a turn that is cut short; the first ones have no tracks to match yet


@dataclass(frozen=True, eq=False, kw_only=True)
class Turn:
    """What came of a turn.

    Attributes:
        samples_ms: time of each measured frame, by the clock on the wall.
        cpu_ms: time that this process computed in it, all threads together. Where others keep the
            cores busy, the wall clock adds their turns, which hits long frames and spares short
            ones; this does not.
        found: what was reported of every frame, the ones before the measured too.
        whole: whether all frames were run; False where the time was up before.
    """

    samples_ms: tuple[float, ...]
    cpu_ms: tuple[float, ...]
    found: tuple[FoundBoxes, ...]
    whole: bool


def one_turn(
    contestant: Contestant, frames: Sequence[CrowdFrame], *, warm_up: int, limit_s: float
) -> Turn:
    """All frames in order, or those that fit into `limit_s` seconds, but at least some.

    Only the call of `update` is timed. Garbage is collected before, what is there then is left
    alone, and the collector stays on, as it does in a node that runs for hours. Of a turn that was
    cut short before the warm-up ended, the second half is measured.
    """
    gc.collect()
    gc.freeze()
    samples_ms: list[float] = []
    cpu_ms: list[float] = []
    found: list[FoundBoxes] = []
    try:
        for frame in frames:
            if sum(samples_ms) > 1e3 * limit_s and len(samples_ms) >= FEWEST_FRAMES:
                break
            wall, cpu, result = _timed_update(contestant, frame)
            samples_ms.append(wall)
            cpu_ms.append(cpu)
            found.append(contestant.found(result))
    finally:
        gc.unfreeze()
    first = min(warm_up, len(samples_ms) // 2)
    return Turn(
        samples_ms=tuple(samples_ms[first:]),
        cpu_ms=tuple(cpu_ms[first:]),
        found=tuple(found),
        whole=len(samples_ms) == len(frames),
    )


def _timed_update(contestant: Contestant, frame: CrowdFrame) -> tuple[float, float, Any]:
    """Milliseconds on the wall and of computing, and the result."""
    prepared = contestant.prepare(frame.detections)
    cpu_start_ns, start_ns = time.process_time_ns(), time.perf_counter_ns()
    result = contestant.update(prepared, stamp_ns=frame.stamp_ns)
    end_ns, cpu_end_ns = time.perf_counter_ns(), time.process_time_ns()
    return (end_ns - start_ns) / 1e6, (cpu_end_ns - cpu_start_ns) / 1e6, result
