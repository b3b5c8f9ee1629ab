"""The contract of a motion model."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.tracking.kalman import Float64Array, KalmanState

MIN_SIDE_PX = 1.0  # the noise of a box that was predicted down to nothing must not vanish


class MotionModel(Protocol):
    """Which four quantities of a box the filter follows; the first two are its centre.

    Stateless, over arrays of all tracks at once.
    """

    @property
    def scale_powers(self) -> Float64Array:
        """(4,): how each grows as the image is enlarged: 0 not, 1 as a length, 2 as an area."""

    def measure(self, boxes_xyxy_px: Float64Array) -> Float64Array:
        """The quantities (N, 4) of boxes (N, 4) with positive sides."""

    def boxes(self, position: Float64Array) -> Float64Array:
        """Corner boxes (N, 4) of the quantities; what was predicted below zero size is empty."""

    def initiate(self, measured: Float64Array) -> KalmanState:
        """States of new tracks from their first measurement (N, 4), at rest."""

    def process_variance(self, position: Float64Array) -> tuple[Float64Array, Float64Array]:
        """What one period adds to the variances (N, 4) of the quantities and their velocities."""

    def measured_variance(self, position: Float64Array) -> Float64Array:
        """Variances (N, 4) of a measurement of each track."""

    def steadied(
        self,
        state: KalmanState,
        lost: NDArray[np.bool_],
        *,
        dt_periods: float | Float64Array,
    ) -> KalmanState:
        """The states before a prediction by `dt_periods`, a scalar or (N,).

        The trends that nothing corrects any more, such as the size of a lost box, are stopped.
        """
