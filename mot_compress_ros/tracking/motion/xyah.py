"""Centre, aspect w / h and height: DeepSORT (Wojke et al. 2017, section 2.1), FairMOT, ByteTrack.

All noise is proportional to the height, so the aspect changes slowly: good for pedestrians. A
car that leaves through the border of the image changes its aspect at once, and is lost.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros import boxes
from mot_compress_ros.tracking.kalman import Float64Array, KalmanState
from mot_compress_ros.tracking.motion.model import MIN_SIDE_PX
from mot_compress_ros.tracking.motion.noise import NoiseWeights

_HEIGHT = 3
_ASPECT, _ASPECT_VELOCITY, _ASPECT_MEASURED = 1e-2, 1e-5, 1e-1


@dataclass(frozen=True)
class XyahModel:
    """x, y, a, h."""

    noise: NoiseWeights

    @property
    def scale_powers(self) -> Float64Array:
        """The aspect stays as the image is enlarged."""
        return np.array([1.0, 1.0, 0.0, 1.0])

    def measure(self, boxes_xyxy_px: Float64Array) -> Float64Array:
        """(N, 4) boxes to x, y, a, h."""
        return boxes.xyxy_to_xyah(boxes_xyxy_px)

    def boxes(self, position: Float64Array) -> Float64Array:
        """x, y, a, h to corners."""
        legal = position.copy()
        legal[:, 2:] = np.maximum(legal[:, 2:], 0)
        return boxes.xyah_to_xyxy(legal)

    def initiate(self, measured: Float64Array) -> KalmanState:
        """Twice the noise of a position, ten times that of a velocity; the aspect's once."""
        position, velocity = self.process_variance(measured)
        position[:, [0, 1, _HEIGHT]] *= 2.0**2
        velocity[:, [0, 1, _HEIGHT]] *= 10.0**2
        return KalmanState.at_rest(
            measured, position_variance=position, velocity_variance=velocity
        )

    def process_variance(self, position: Float64Array) -> tuple[Float64Array, Float64Array]:
        """Proportional to the height squared."""
        return (
            _by_height(position, self.noise.position, _ASPECT),
            _by_height(position, self.noise.velocity, _ASPECT_VELOCITY),
        )

    def measured_variance(self, position: Float64Array) -> Float64Array:
        """Proportional to the height squared."""
        return _by_height(position, self.noise.measured, _ASPECT_MEASURED)

    def steadied(
        self,
        state: KalmanState,
        lost: NDArray[np.bool_],
        *,
        dt_periods: float | Float64Array,
    ) -> KalmanState:
        """A lost box keeps its height, as in FairMOT and ByteTrack."""
        return state.stopped(lost, _HEIGHT)


def _by_height(position: Float64Array, weight: float, aspect: float) -> Float64Array:
    """Variances (N, 4) of standard deviation `weight` times the height, and `aspect`."""
    std = (weight * np.maximum(position[:, _HEIGHT], MIN_SIDE_PX))[:, None]
    variance = np.repeat(std**2, 4, axis=1)
    variance[:, 2] = aspect**2
    return variance
