"""A Kalman filter over all tracks of one camera at once, as columns (N, 4).

The state of a track is four measured quantities and their velocities per reference period of
1/30 s; which four is the motion model's affair (`motion/`). In all the published trackers here
(SORT, DeepSORT, FairMOT, ByteTrack, OC-SORT, BoT-SORT) every noise is diagonal and every quantity
moves by its own velocity alone. So the filter of dimension 8 falls apart, exactly, into four of
dimension 2, and one step over N tracks is arithmetic on arrays (N, 4): no matrix is inverted.
`covariance` gives the (N, 8, 8) matrices of the textbook form back.

At a time step of one period this is the textbook filter. At another step `dt`, counted in periods,
the transition moves every quantity by `dt` times its velocity, and the variance that one period
adds is multiplied by `dt`, as for a random walk: a step of two periods adds as much noise as two
steps of one.

All functions are pure. Tracks do not influence each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.tracking.rows import row_numbers, Rows

Float64Array = NDArray[np.float64]

REFERENCE_PERIOD_NS = 1e9 / 30
"""The time unit of the state, the frame period the published constants were chosen at."""

CHI2_95_4DOF = 9.4877
"""0.95 quantile of the chi-square distribution with four degrees of freedom."""

MEASURED = 4
STATE = 8
MOMENTS = 5


@dataclass(frozen=True, eq=False)
class KalmanState:
    """What the filter believes of N tracks, in one array: it is copied and chosen from at once.

    Attributes:
        moments: (5, N, 4), one column per quantity: `position`, `velocity`, `position_variance`,
            `cross_covariance`, `velocity_variance`.
    """

    moments: Float64Array

    def __len__(self) -> int:
        return int(self.moments.shape[1])

    def __getitem__(self, rows: Rows) -> KalmanState:
        """Rows chosen by a mask or an index array, as a copy."""
        return KalmanState(self.moments.take(row_numbers(rows), axis=1))

    @property
    def position(self) -> Float64Array:
        """(N, 4) the quantities."""
        column: Float64Array = self.moments[0]
        return column

    @property
    def velocity(self) -> Float64Array:
        """(N, 4) their change per reference period."""
        column: Float64Array = self.moments[1]
        return column

    @property
    def position_variance(self) -> Float64Array:
        """(N, 4), positive."""
        column: Float64Array = self.moments[2]
        return column

    @property
    def cross_covariance(self) -> Float64Array:
        """(N, 4) between a quantity and its own velocity."""
        column: Float64Array = self.moments[3]
        return column

    @property
    def velocity_variance(self) -> Float64Array:
        """(N, 4), zero for a quantity that has no velocity."""
        column: Float64Array = self.moments[4]
        return column

    @property
    def mean(self) -> Float64Array:
        """(N, 8): the quantities, then their velocities."""
        return np.concatenate([self.position, self.velocity], axis=1)

    @property
    def covariance(self) -> Float64Array:
        """(N, 8, 8), as the textbook has it."""
        full = np.zeros((len(self), STATE, STATE))
        place, speed = np.arange(MEASURED), np.arange(MEASURED, STATE)
        full[:, place, place] = self.position_variance
        full[:, place, speed] = full[:, speed, place] = self.cross_covariance
        full[:, speed, speed] = self.velocity_variance
        return full

    def join(self, other: KalmanState) -> KalmanState:
        """These tracks, then those of `other`."""
        return KalmanState(np.concatenate([self.moments, other.moments], axis=1))

    def put(self, rows: Rows, other: KalmanState) -> KalmanState:
        """A copy in which `rows` are those of `other`."""
        moments = self.moments.copy()
        moments[:, rows] = other.moments
        return KalmanState(moments)

    def where(self, chosen: NDArray[np.bool_], other: KalmanState) -> KalmanState:
        """These states where `chosen` (N,), else those of `other`, N too."""
        return KalmanState(np.where(chosen[:, None], self.moments, other.moments))

    def stopped(self, rows: NDArray[np.bool_], quantities: int | slice) -> KalmanState:
        """A copy in which the `quantities` of the `rows` (N,) do not move."""
        if not rows.any():
            return self
        moments = self.moments.copy()
        moments[1, rows, quantities] = 0
        return KalmanState(moments)

    @classmethod
    def of(
        cls,
        position: Float64Array,
        velocity: Float64Array,
        position_variance: Float64Array,
        cross_covariance: Float64Array,
        velocity_variance: Float64Array,
    ) -> KalmanState:
        """N tracks from arrays (N, 4)."""
        parts = position, velocity, position_variance, cross_covariance, velocity_variance
        return cls(np.stack(parts))

    @classmethod
    def at_rest(
        cls,
        position: Float64Array,
        *,
        position_variance: Float64Array,
        velocity_variance: Float64Array,
    ) -> KalmanState:
        """N tracks whose velocity is not known yet, from arrays (N, 4)."""
        moments = np.zeros((MOMENTS, *position.shape))
        moments[0], moments[2], moments[4] = position, position_variance, velocity_variance
        return cls(moments)

    @classmethod
    def empty(cls) -> KalmanState:
        """No tracks."""
        return cls(np.zeros((MOMENTS, 0, MEASURED)))


def predict(
    state: KalmanState,
    *,
    dt_periods: float | Float64Array,
    position_variance: Float64Array,
    velocity_variance: Float64Array,
) -> KalmanState:
    """The states `dt_periods` reference periods later; a scalar, or (N, 1).

    The variances (N, 4) are what one period adds.
    """
    place, speed, place_variance, cross, speed_variance = state.moments
    grown = dt_periods * speed_variance
    after = np.empty_like(state.moments)
    np.add(place, dt_periods * speed, out=after[0])
    after[1] = speed
    np.add(place_variance, dt_periods * (2 * cross + grown + position_variance), out=after[2])
    np.add(cross, grown, out=after[3])
    np.add(speed_variance, dt_periods * velocity_variance, out=after[4])
    return KalmanState(after)


def update(
    state: KalmanState, measured: Float64Array, *, measured_variance: Float64Array
) -> KalmanState:
    """The states after measurement i (N, 4) of variance i (N, 4) was given to track i."""
    place, speed, place_variance, cross, speed_variance = state.moments
    total = place_variance + measured_variance
    gain, speed_gain = place_variance / total, cross / total
    innovation = measured - place
    rest = measured_variance / total  # 1 - gain, without the rounding
    after = np.empty_like(state.moments)
    np.add(place, gain * innovation, out=after[0])
    np.add(speed, speed_gain * innovation, out=after[1])
    np.multiply(place_variance, rest, out=after[2])
    np.multiply(cross, rest, out=after[3])
    np.subtract(speed_variance, speed_gain * cross, out=after[4])
    return KalmanState(after)
