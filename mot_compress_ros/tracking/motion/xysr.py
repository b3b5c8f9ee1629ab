"""Centre, area w * h and aspect w / h: SORT (Bewley et al. 2016, section 3.2), OC-SORT.

The noise is in pixels, whatever the size of the box; the aspect has no velocity.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.tracking.kalman import Float64Array, KalmanState

_AREA = 2
# Diagonals of P, Q and R in SORT's published code.
_INITIAL, _INITIAL_VELOCITY = np.full(4, 10.0), np.array([1e4, 1e4, 1e4, 0.0])
_PROCESS, _PROCESS_VELOCITY = np.ones(4), np.array([1e-2, 1e-2, 1e-4, 0.0])
_MEASURED = np.array([1.0, 1.0, 10.0, 10.0])


@dataclass(frozen=True)
class XysrModel:
    """x, y, s, r."""

    @property
    def scale_powers(self) -> Float64Array:
        """The area grows with the square, the aspect stays."""
        return np.array([1.0, 1.0, 2.0, 0.0])

    def measure(self, boxes_xyxy_px: Float64Array) -> Float64Array:
        """(N, 4) boxes to x, y, s, r."""
        low, high = boxes_xyxy_px[:, :2], boxes_xyxy_px[:, 2:]
        side = high - low
        shape = np.stack([side[:, 0] * side[:, 1], side[:, 0] / side[:, 1]], axis=1)
        return np.concatenate([(low + high) / 2, shape], axis=1)

    def boxes(self, position: Float64Array) -> Float64Array:
        """x, y, s, r to corners."""
        area, aspect = np.maximum(position[:, 2], 0), np.maximum(position[:, 3], 1e-6)
        width = np.sqrt(area * aspect)
        half = np.stack([width, width / aspect], axis=1) / 2
        return np.concatenate([position[:, :2] - half, position[:, :2] + half], axis=1)

    def initiate(self, measured: Float64Array) -> KalmanState:
        """Nothing is known of the velocities."""
        return KalmanState.at_rest(
            measured,
            position_variance=np.tile(_INITIAL, (len(measured), 1)),
            velocity_variance=np.tile(_INITIAL_VELOCITY, (len(measured), 1)),
        )

    def process_variance(self, position: Float64Array) -> tuple[Float64Array, Float64Array]:
        """The same for every box."""
        shape = position.shape
        return np.broadcast_to(_PROCESS, shape), np.broadcast_to(_PROCESS_VELOCITY, shape)

    def measured_variance(self, position: Float64Array) -> Float64Array:
        """The same for every box."""
        return np.broadcast_to(_MEASURED, position.shape)

    def steadied(
        self,
        state: KalmanState,
        lost: NDArray[np.bool_],
        *,
        dt_periods: float | Float64Array,
    ) -> KalmanState:
        """An area that would become negative stays, as in SORT."""
        shrinking = state.position[:, _AREA] + dt_periods * state.velocity[:, _AREA] <= 0
        return state.stopped(shrinking, _AREA)
