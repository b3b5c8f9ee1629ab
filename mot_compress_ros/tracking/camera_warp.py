"""Moves what the filter knows of tracks along with the camera; see `homography`.

Of the covariance the diagonal is kept: for the small angles between two frames the rest is
negligible.
"""

from __future__ import annotations

import numpy as np

from mot_compress_ros.homography import warp_at
from mot_compress_ros.tracking.kalman import Float64Array, KalmanState


def warp_state(
    homography: Float64Array, state: KalmanState, *, scale_powers: Float64Array
) -> KalmanState:
    """Filter states, of which the first two quantities are the centre of the box."""
    local = warp_at(homography, state.position[:, :2])
    factor = local.scale[:, None] ** scale_powers[2:]  # (N, 2)
    squares = local.derivative**2
    centres = (squares @ state.position_variance[:, :2, None])[:, :, 0]
    cross = (squares @ state.cross_covariance[:, :2, None])[:, :, 0]
    speeds = (squares @ state.velocity_variance[:, :2, None])[:, :, 0]
    velocity = (local.derivative @ state.velocity[:, :2, None])[:, :, 0]
    return KalmanState.of(
        _beside(local.points, factor * state.position[:, 2:]),
        _beside(velocity, factor * state.velocity[:, 2:]),
        _beside(centres, factor**2 * state.position_variance[:, 2:]),
        _beside(cross, factor**2 * state.cross_covariance[:, 2:]),
        _beside(speeds, factor**2 * state.velocity_variance[:, 2:]),
    )


def _beside(left: Float64Array, right: Float64Array) -> Float64Array:
    return np.concatenate([left, right], axis=1)
