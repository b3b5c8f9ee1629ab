"""What an inertial unit without noise and a wheel encoder in the camera car would say.

The vehicle frame is x forward, y left, z up (REP 103). It turns with the car: in heading, and in
pitch with bounces and bumps. It never rolls. The camera is fixed in it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class InertialSamples:
    """M samples in order of time.

    Attributes:
        stamps_ns: (M,) int64, on the clock of the frames.
        angular_velocity_radps: (M, 3) at the stamps, around the vehicle's axes.
        speed_mps: (M,) over ground.
    """

    stamps_ns: NDArray[np.int64]
    angular_velocity_radps: Array
    speed_mps: Array

    def __len__(self) -> int:
        return len(self.stamps_ns)

    def between(self, first: int, end: int) -> InertialSamples:
        """Samples number `first` to `end - 1`."""
        return InertialSamples(
            stamps_ns=self.stamps_ns[first:end],
            angular_velocity_radps=self.angular_velocity_radps[first:end],
            speed_mps=self.speed_mps[first:end],
        )

    def of_frame(self, stamp_ns: int, previous_ns: int | None) -> InertialSamples:
        """The samples that belong to a frame: together, those of all frames are all samples.

        They reach from after the frame before to the first at or after this one, so that every
        frame lies between two samples that are known.
        """
        first = 0 if previous_ns is None else self._until(previous_ns)
        return self.between(first, self._until(stamp_ns))

    def _until(self, stamp_ns: int) -> int:
        return int(np.searchsorted(self.stamps_ns, stamp_ns)) + 1


def angular_velocity(heading_rate: Array, pitch_rate: Array, pitch_rad: Array) -> Array:
    """Rates of heading (left) and pitch (nose up) as a vector in vehicle axes. (N,) to (N, 3).

    The heading turns around the world's vertical, which leans in a pitched vehicle; nose up is a
    negative turn around the axis to the left.
    """
    return np.stack(
        [heading_rate * np.sin(pitch_rad), -pitch_rate, heading_rate * np.cos(pitch_rad)], axis=1
    )


def optical_from_vehicle(pitch_rad: float) -> Array:
    """Rotation of a camera that looks forward and is mounted `pitch_rad` upward. (3, 3)."""
    c, s = float(np.cos(pitch_rad)), float(np.sin(pitch_rad))
    return np.array([[0.0, -1.0, 0.0], [s, 0.0, -c], [c, 0.0, s]])  # rows: right, down, forward
