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


@dataclass(frozen=True, eq=False)
class KalmanState:
    """What the filter believes of N tracks; every array is (N, 4), one column per quantity.

    Attributes:
        position: the quantities.
        velocity: their change per reference period.
        position_variance: positive.
        cross_covariance: between a quantity and its own velocity.
        velocity_variance: zero for a quantity that has no velocity.
    """

    position: Float64Array
    velocity: Float64Array
    position_variance: Float64Array
    cross_covariance: Float64Array
    velocity_variance: Float64Array

    def __len__(self) -> int:
        return len(self.position)

    def __getitem__(self, rows: Rows) -> KalmanState:
        """Rows chosen by a mask or an index array, as a copy."""
        numbers = row_numbers(rows)
        return KalmanState(*(column.take(numbers, axis=0) for column in self._columns))

    @property
    def _columns(self) -> tuple[Float64Array, ...]:
        return (
            self.position,
            self.velocity,
            self.position_variance,
            self.cross_covariance,
            self.velocity_variance,
        )

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
        both = zip(self._columns, other._columns, strict=True)
        return KalmanState(*(np.concatenate(columns) for columns in both))

    def put(self, rows: Rows, other: KalmanState) -> KalmanState:
        """A copy in which `rows` are those of `other`."""
        changed = [column.copy() for column in self._columns]
        for column, values in zip(changed, other._columns, strict=True):
            column[rows] = values
        return KalmanState(*changed)

    def where(self, chosen: NDArray[np.bool_], other: KalmanState) -> KalmanState:
        """These states where `chosen` (N,), else those of `other`, N too."""
        changed, others = [column.copy() for column in self._columns], ~chosen[:, None]
        for column, values in zip(changed, other._columns, strict=True):
            np.copyto(column, values, where=others)
        return KalmanState(*changed)

    @classmethod
    def at_rest(
        cls,
        position: Float64Array,
        *,
        position_variance: Float64Array,
        velocity_variance: Float64Array,
    ) -> KalmanState:
        """N tracks whose velocity is not known yet, from arrays (N, 4)."""
        zero = np.zeros_like(position)
        return cls(position, zero, position_variance, zero, velocity_variance)

    @classmethod
    def empty(cls) -> KalmanState:
        """No tracks."""
        none = np.zeros((0, MEASURED))
        return cls(none, none, none, none, none)


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
    grown = dt_periods * state.velocity_variance
    return KalmanState(
        state.position + dt_periods * state.velocity,
        state.velocity,
        state.position_variance
        + dt_periods * (2 * state.cross_covariance + grown + position_variance),
        state.cross_covariance + grown,
        state.velocity_variance + dt_periods * velocity_variance,
    )


def update(
    state: KalmanState, measured: Float64Array, *, measured_variance: Float64Array
) -> KalmanState:
    """The states after measurement i (N, 4) of variance i (N, 4) was given to track i."""
    total = state.position_variance + measured_variance
    gain = state.position_variance / total
    velocity_gain = state.cross_covariance / total
    innovation = measured - state.position
    rest = measured_variance / total  # 1 - gain, without the rounding
    return KalmanState(
        state.position + gain * innovation,
        state.velocity + velocity_gain * innovation,
        state.position_variance * rest,
        state.cross_covariance * rest,
        state.velocity_variance - velocity_gain * state.cross_covariance,
    )
