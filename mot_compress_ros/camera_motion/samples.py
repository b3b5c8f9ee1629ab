"""Angular velocities with stamps: written by one thread, read by another."""

from __future__ import annotations

from enum import Enum
import threading

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Four seconds at the 1 kHz of a fast IMU; more than the longest gap that keeps its tracks.
CAPACITY = 4096
# A sample this much older than the newest came late; one older still comes from a clock set back.
_LATE_NS = 500_000_000


def imu_measures(angular_velocity_covariance: ArrayLike) -> bool:
    """Whether a `sensor_msgs/Imu` holds angular velocities: its definition marks them by -1."""
    return float(np.asarray(angular_velocity_covariance).flat[0]) != -1


class Added(Enum):
    """What became of a sample."""

    KEPT = 'kept'
    LATE = 'late'  # not newer than the newest: left out
    BEGAN_ANEW = 'began anew'  # the stamps jumped back: what was before is forgotten
    NOT_FINITE = 'not finite'  # left out


class RotationSamples:
    """The newest angular velocities, in order of their stamps. Thread-safe, bounded."""

    def __init__(self, *, capacity: int = CAPACITY) -> None:
        self._lock = threading.Lock()
        self._capacity = capacity
        # Twice the capacity, so that the newest always lie in one piece.
        self._stamps_ns = np.zeros(2 * capacity, np.int64)
        self._velocities = np.zeros((2 * capacity, 3))
        self._end = 0

    def __len__(self) -> int:
        return min(self._end, self._capacity)

    def add(self, *, stamp_ns: int, angular_velocity_rad_s: ArrayLike) -> Added:
        """Keep a sample: (3,) radians per second about the axes of the measuring frame.

        Raises:
            ValueError: not three numbers.
        """
        velocity = np.asarray(angular_velocity_rad_s, np.float64).reshape(3)
        if not np.isfinite(velocity).all():
            return Added.NOT_FINITE
        with self._lock:
            outcome = Added.KEPT
            if self._end and stamp_ns <= (newest_ns := int(self._stamps_ns[self._end - 1])):
                if newest_ns - stamp_ns < _LATE_NS:
                    return Added.LATE
                outcome, self._end = Added.BEGAN_ANEW, 0
            if self._end == len(self._stamps_ns):
                self._stamps_ns[: self._capacity] = self._stamps_ns[-self._capacity :]
                self._velocities[: self._capacity] = self._velocities[-self._capacity :]
                self._end = self._capacity
            self._stamps_ns[self._end] = stamp_ns
            self._velocities[self._end] = velocity
            self._end += 1
            return outcome

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._end = 0

    def between(
        self, start_ns: int, end_ns: int, *, reach_ns: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """The course of the angular velocity over an interval.

        Returns:
            Times (K,) in seconds since `start_ns`, the first 0 and the last the interval's
            length, and the velocities (K, 3) at them: the samples inside, and one at each end,
            interpolated, or held where no sample lies beyond. None where some instant is further
            than `reach_ns` from every sample.
        """
        with self._lock:
            kept = slice(max(self._end - self._capacity, 0), self._end)
            stamps = self._stamps_ns[kept]
            first = max(int(np.searchsorted(stamps, start_ns, 'right')) - 1, 0)
            last = int(np.searchsorted(stamps, end_ns, 'left')) + 1
            stamps = stamps[first:last].copy()
            velocities = self._velocities[kept][first:last].copy()
        if end_ns < start_ns or not _covers(stamps, start_ns, end_ns, reach_ns):
            return None
        inside = stamps[(stamps > start_ns) & (stamps < end_ns)]
        times_ns = np.array([start_ns, *inside, end_ns], np.int64) - start_ns  # (K,)
        known_ns = stamps - start_ns
        columns = [np.interp(times_ns, known_ns, velocities[:, axis]) for axis in range(3)]
        return times_ns / 1e9, np.stack(columns, axis=1)


def _covers(stamps: NDArray[np.int64], start_ns: int, end_ns: int, reach_ns: int) -> bool:
    """Whether every instant of the interval is within reach of a sample."""
    if not len(stamps):
        return False
    starts_late = int(stamps[0]) - start_ns > reach_ns
    ends_early = end_ns - int(stamps[-1]) > reach_ns
    # What lies further out than the reach is as good as just there.
    gaps = np.diff(np.clip(stamps, start_ns - reach_ns, end_ns + reach_ns))
    return not (starts_late or ends_early or (gaps > 2 * reach_ns).any())
