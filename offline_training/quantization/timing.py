"""How long networks take, in turns, so that a busy moment of the machine strikes all alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
import statistics
import time

WARM_UP = 3
ROUNDS = 15


def median_ms(calls: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Median milliseconds of each call, which are made in turns."""
    return {name: statistics.median(taken) for name, taken in _turns_ms(calls).items()}


def median_share(call: Callable[[], object], *, whole: Callable[[], object]) -> float:
    """Median of the turns' ratios, so that a machine that becomes busier changes nothing."""
    taken = _turns_ms({'call': call, 'whole': whole})
    return statistics.median(a / b for a, b in zip(taken['call'], taken['whole'], strict=True))


def _turns_ms(calls: Mapping[str, Callable[[], object]]) -> dict[str, list[float]]:
    for call in calls.values():
        for _ in range(WARM_UP):
            call()
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            start_s = time.perf_counter()
            call()
            times[name].append((time.perf_counter() - start_s) * 1e3)
    return times
