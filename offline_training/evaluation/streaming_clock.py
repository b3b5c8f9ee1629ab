"""The time of a node that is played: nanoseconds since the first frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
import time


class PlayClock:
    """Goes on by `advance`, and by the wall clock where that is wanted.

    Args:
        wall_rate: nanoseconds that pass for one of the wall clock. 0: only what is advanced
            counts, so a run is the same on every machine.
        wall: nanoseconds that never go back.
    """

    def __init__(
        self, *, wall_rate: float = 0.0, wall: Callable[[], int] = time.perf_counter_ns
    ) -> None:
        self._wall_rate, self._wall = wall_rate, wall
        self._ns, self._since_ns = 0, wall()
        self._stopped = False

    def __call__(self) -> int:
        """What time it is."""
        if self._stopped or self._wall_rate == 0:
            return self._ns
        return self._ns + round((self._wall() - self._since_ns) * self._wall_rate)

    def set(self, now_ns: int) -> None:
        """It is `now_ns` now."""
        self._ns, self._since_ns = now_ns, self._wall()

    def advance(self, ns: int) -> None:
        """Let `ns` pass."""
        self._ns += ns

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """What is done in here takes no time; it does not nest."""
        self.set(self())
        self._stopped = True
        try:
            yield
        finally:
            self._stopped = False
            self._since_ns = self._wall()


def slowed_ns(work_ns: int, *, beside_ns: int, contention: float) -> int:
    """How long work takes that is `contention` times as slow for the first `beside_ns` of it.

    Args:
        work_ns: what it takes undisturbed.
        beside_ns: how long something else will be working beside it.
        contention: the slow-down in that time, 1 for none.
    """
    if work_ns * contention <= beside_ns:
        return round(work_ns * contention)
    return round(work_ns + beside_ns * (1 - 1 / contention))
