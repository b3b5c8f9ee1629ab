"""A Kalman filter over all tracks of one camera at once: arrays (N, 8) and (N, 8, 8).

The state is (x, y, a, h, vx, vy, va, vh): box centre, aspect w / h and height in pixels of the
source image, and their velocities per reference period of 1/30 s. A measurement is (x, y, a, h).

At a time step of one period this is the filter of DeepSORT and FairMOT (Wojke et al. 2017, section
2.1): constant velocity, noise proportional to the height of the box. At another step `dt`, counted
in periods:

- the transition moves every component by `dt` times its velocity;
- the variance that one period adds is multiplied by `dt`, as for a random walk: a step of two
  periods adds as much noise as two steps of one. FairMOT's process noise is diagonal and stays so,
  which is why a ready-made white noise model (filterpy's has cross terms and dt^4) is not used.

All functions are pure. Tracks do not influence each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float64Array = NDArray[np.float64]

REFERENCE_PERIOD_NS = 1e9 / 30
"""The time unit of the state, the frame period FairMOT's constants were chosen at."""

CHI2_95_4DOF = 9.4877
"""0.95 quantile of the chi-square distribution with four degrees of freedom."""

_MIN_HEIGHT_PX = 1.0  # the noise of a box that was predicted down to nothing must not vanish
_STATE = 8
_MEASURED = 4


@dataclass(frozen=True, kw_only=True)
class NoiseModel:
    """Standard deviations; those named `relative` are fractions of the height of the box.

    The defaults are DeepSORT's and FairMOT's.
    """

    relative_position: float = 1 / 20
    relative_velocity: float = 1 / 160
    process_aspect: float = 1e-2
    process_aspect_velocity: float = 1e-5
    measured_aspect: float = 1e-1
    initial_position_factor: float = 2.0
    initial_velocity_factor: float = 10.0


DEFAULT_NOISE = NoiseModel()


@dataclass(frozen=True, eq=False)
class KalmanState:
    """What the filter believes of N tracks.

    Attributes:
        mean: (N, 8).
        covariance: (N, 8, 8), symmetric and positive definite.
    """

    mean: Float64Array
    covariance: Float64Array

    def __len__(self) -> int:
        return len(self.mean)

    def __getitem__(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> KalmanState:
        """Rows chosen by a mask or an index array, as a copy."""
        return KalmanState(self.mean[rows], self.covariance[rows])

    @classmethod
    def empty(cls) -> KalmanState:
        """No tracks."""
        return cls(np.zeros((0, _STATE)), np.zeros((0, _STATE, _STATE)))


def initiate(measured_xyah: Float64Array, noise: NoiseModel = DEFAULT_NOISE) -> KalmanState:
    """The states of N new tracks from their first measurement (N, 4), at rest."""
    mean = np.concatenate([measured_xyah, np.zeros_like(measured_xyah)], axis=1)  # (N, 8)
    std = _process_std(measured_xyah[:, 3], noise)
    # The aspect keeps the deviations of one process step, as in the original.
    std[:, [0, 1, 3]] *= noise.initial_position_factor
    std[:, [4, 5, 7]] *= noise.initial_velocity_factor
    return KalmanState(mean, _diagonal(std**2))


def predict(
    state: KalmanState, *, dt_periods: float, noise: NoiseModel = DEFAULT_NOISE
) -> KalmanState:
    """The states `dt_periods` reference periods later."""
    transition = np.eye(_STATE)
    transition[:_MEASURED, _MEASURED:] = dt_periods * np.eye(_MEASURED)
    covariance = transition @ state.covariance @ transition.T
    _add_to_diagonal(covariance, dt_periods * _process_std(state.mean[:, 3], noise) ** 2)
    return KalmanState(state.mean @ transition.T, _symmetric(covariance))


def project(state: KalmanState, noise: NoiseModel = DEFAULT_NOISE) -> KalmanState:
    """What a detector would measure: mean (N, 4) and covariance (N, 4, 4), its noise included."""
    covariance = state.covariance[:, :_MEASURED, :_MEASURED].copy()
    _add_to_diagonal(covariance, _measurement_variance(state, noise))
    return KalmanState(state.mean[:, :_MEASURED].copy(), covariance)


def update(
    state: KalmanState, measured_xyah: Float64Array, noise: NoiseModel = DEFAULT_NOISE
) -> KalmanState:
    """The states after measurement i (N, 4) was given to track i."""
    expected = project(state, noise)
    cross = state.covariance[:, :, :_MEASURED]  # (N, 8, 4) = P H^T
    gain = np.linalg.solve(expected.covariance, cross.transpose(0, 2, 1)).transpose(0, 2, 1)
    innovation = measured_xyah - expected.mean  # (N, 4)
    mean = state.mean + (gain @ innovation[:, :, None])[:, :, 0]
    # Joseph's form costs a little more and stays positive definite over any number of steps.
    keep = np.broadcast_to(np.eye(_STATE), state.covariance.shape).copy()
    keep[:, :, :_MEASURED] -= gain
    measured_part = gain * _measurement_variance(state, noise)[:, None, :]  # (N, 8, 4) = K R
    covariance = keep @ state.covariance @ keep.transpose(0, 2, 1)
    covariance += measured_part @ gain.transpose(0, 2, 1)
    return KalmanState(mean, _symmetric(covariance))


def gating_distance(
    state: KalmanState,
    measured_xyah: Float64Array,
    noise: NoiseModel = DEFAULT_NOISE,
    *,
    limit: float = np.inf,
) -> Float64Array:
    """Squared Mahalanobis distance of N tracks to M measurements (M, 4), as (N, M).

    95 % of the true pairs lie below `CHI2_95_4DOF`. Distances above `limit` come as infinity; a
    limit makes the cost grow with the number of pairs that are near each other, not with all.
    """
    expected = project(state, noise)
    near = np.ones((len(state), len(measured_xyah)), bool)
    for axis in (0, 1):  # the distance along one axis is never above that along all four
        reach = np.sqrt(1.001 * limit * expected.covariance[:, axis, axis])  # (N,)
        off = np.abs(measured_xyah[:, axis] - expected.mean[:, axis, None])  # (N, M)
        near &= off <= reach[:, None]
    track, measurement = np.nonzero(near)  # (K,)
    difference = measured_xyah[measurement] - expected.mean[track]  # (K, 4)
    weight = np.linalg.inv(expected.covariance)[track]  # (K, 4, 4)
    squared = ((weight @ difference[:, :, None])[:, :, 0] * difference).sum(axis=1)
    distance = np.full(near.shape, np.inf)
    distance[track, measurement] = np.where(squared <= limit, squared, np.inf)
    return distance


def hold_height(state: KalmanState, rows: NDArray[np.bool_]) -> KalmanState:
    """The same states, with the velocity of the height set to zero in `rows` (N,)."""
    mean = state.mean.copy()
    mean[rows, 7] = 0
    return KalmanState(mean, state.covariance)


def _process_std(height_px: Float64Array, noise: NoiseModel) -> Float64Array:
    """Standard deviations (N, 8) that one reference period adds."""
    height_px = np.maximum(height_px, _MIN_HEIGHT_PX)
    std = np.empty((len(height_px), _STATE))
    std[:, [0, 1, 3]] = (noise.relative_position * height_px)[:, None]
    std[:, [4, 5, 7]] = (noise.relative_velocity * height_px)[:, None]
    std[:, 2] = noise.process_aspect
    std[:, 6] = noise.process_aspect_velocity
    return std


def _measurement_variance(state: KalmanState, noise: NoiseModel) -> Float64Array:
    """Variances (N, 4) of a measurement of each track."""
    height_px = np.maximum(state.mean[:, 3], _MIN_HEIGHT_PX)
    std = np.repeat((noise.relative_position * height_px)[:, None], _MEASURED, axis=1)
    std[:, 2] = noise.measured_aspect
    return np.square(std)


def _diagonal(values: Float64Array) -> Float64Array:
    """Diagonal matrices (N, D, D) of the rows of `values` (N, D)."""
    matrices = np.zeros((*values.shape, values.shape[1]))
    _add_to_diagonal(matrices, values)
    return matrices


def _add_to_diagonal(matrices: Float64Array, values: Float64Array) -> None:
    """Add `values` (N, D) to the diagonals of `matrices` (N, D, D), in place."""
    index = np.arange(values.shape[1])
    matrices[:, index, index] += values


def _symmetric(matrices: Float64Array) -> Float64Array:
    """Rounding leaves the two triangles apart in the last bits; this makes them equal again."""
    return (matrices + matrices.transpose(0, 2, 1)) / 2
