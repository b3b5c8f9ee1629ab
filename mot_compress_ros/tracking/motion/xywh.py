"""Centre, width and height: BoT-SORT (Aharon et al. 2022, section 3.1), and ours.

Noise along x follows the width, along y the height; the sides change independently, as those of
a car do that turns or leaves through the border of the image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.tracking.kalman import Float64Array, KalmanState
from mot_compress_ros.tracking.motion.model import MIN_SIDE_PX
from mot_compress_ros.tracking.motion.noise import NoiseWeights


@dataclass(frozen=True)
class XywhModel:
    """x, y, w, h."""

    noise: NoiseWeights

    @property
    def scale_powers(self) -> Float64Array:
        """All four are lengths."""
        return np.ones(4)

    def measure(self, boxes_xyxy_px: Float64Array) -> Float64Array:
        """(N, 4) boxes to x, y, w, h."""
        low, high = boxes_xyxy_px[:, :2], boxes_xyxy_px[:, 2:]
        return np.concatenate([(low + high) / 2, high - low], axis=1)

    def boxes(self, position: Float64Array) -> Float64Array:
        """x, y, w, h to corners."""
        centre, half = position[:, :2], np.maximum(position[:, 2:], 0) / 2
        return np.concatenate([centre - half, centre + half], axis=1)

    def initiate(self, measured: Float64Array) -> KalmanState:
        """Twice the noise of a position, ten times that of a velocity."""
        position, velocity = self.process_variance(measured)
        return KalmanState.at_rest(
            measured, position_variance=2.0**2 * position, velocity_variance=10.0**2 * velocity
        )

    def process_variance(self, position: Float64Array) -> tuple[Float64Array, Float64Array]:
        """Proportional to the squares of the sides."""
        squares = _squared_sides(position)
        return self.noise.position**2 * squares, self.noise.velocity**2 * squares

    def measured_variance(self, position: Float64Array) -> Float64Array:
        """Proportional to the squares of the sides."""
        return self.noise.measured**2 * _squared_sides(position)

    def steadied(
        self,
        state: KalmanState,
        lost: NDArray[np.bool_],
        *,
        dt_periods: float | Float64Array,
    ) -> KalmanState:
        """A lost box keeps its size, as in BoT-SORT."""
        return state.stopped(lost, slice(2, None))


def _squared_sides(position: Float64Array) -> Float64Array:
    """w, h, w, h squared (N, 4)."""
    squares = np.maximum(position[:, 2:], MIN_SIDE_PX) ** 2
    return np.concatenate([squares, squares], axis=1)
