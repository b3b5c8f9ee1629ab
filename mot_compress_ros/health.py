"""Stage timings and counters: the only place that looks at a clock of its own."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
import threading
import time

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Percentiles:
    """Percentiles of the latest `n` samples, milliseconds."""

    p50: float
    p95: float
    p99: float
    n: int


class Lap:
    """A stage that is being timed by `clock` (ns)."""

    def __init__(self, clock: Callable[[], int] = time.perf_counter_ns) -> None:
        self._clock = clock
        self._start_ns = clock()

    @property
    def ms(self) -> float:
        """Milliseconds since it began."""
        return (self._clock() - self._start_ns) / 1e6


class Health:
    """Durations per stage over a sliding window, and counters since the start. Thread-safe.

    Args:
        window: how many durations of a stage are kept.
        clock: nanoseconds that never go back; another one where time itself is simulated.
    """

    def __init__(
        self, *, window: int = 300, clock: Callable[[], int] = time.perf_counter_ns
    ) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._samples_ms: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=window))
        self._counters: Counter[str] = Counter()

    @contextmanager
    def stage(self, name: str) -> Iterator[Lap]:
        """Time the body and record it under `name`."""
        lap = Lap(self._clock)
        try:
            yield lap
        finally:
            self.record_ms(name, lap.ms)

    def record_ms(self, name: str, milliseconds: float) -> None:
        """Record one duration of stage `name`."""
        with self._lock:
            self._samples_ms[name].append(milliseconds)

    def count(self, name: str, n: int = 1) -> None:
        """Add `n` to the counter `name`."""
        with self._lock:
            self._counters[name] += n

    def counters(self) -> dict[str, int]:
        """A copy of all counters; a counter never touched is absent."""
        with self._lock:
            return dict(self._counters)

    def samples_ms(self, name: str) -> list[float]:
        """A copy of the latest durations of stage `name`, oldest first."""
        with self._lock:
            return list(self._samples_ms.get(name, ()))

    def stages(self) -> list[str]:
        """Names of the stages that have samples, in order of their first one."""
        with self._lock:
            return list(self._samples_ms)

    def percentiles_ms(self, name: str) -> Percentiles | None:
        """p50, p95 and p99 of stage `name`, or None before its first sample."""
        samples = self.samples_ms(name)
        if not samples:
            return None
        p50, p95, p99 = np.percentile(samples, [50, 95, 99])
        return Percentiles(p50=float(p50), p95=float(p95), p99=float(p99), n=len(samples))

    def clear(self) -> None:
        """Forget all timings and counters, as after a bag that started anew."""
        with self._lock:
            self._samples_ms.clear()
            self._counters.clear()
