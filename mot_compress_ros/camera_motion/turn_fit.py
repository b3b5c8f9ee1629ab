"""From where points went to how the camera moved: its turn, and how the scene grew meanwhile.

A similarity, which others fit, is wrong for a camera that turns: the tangent stretches the picture
towards its edges, by several pixels for a turn of two degrees. A free homography has that and four
freedoms too many, which follow the road. What a camera in a vehicle does has four:

1. It turns, by three small angles, which move each pixel by an amount that its place alone says.
2. It drives along `heading`, so every point moves away from where that meets the picture, the
   focus of expansion. How far goes with one over the point's depth, which nobody knows: along that
   line a point may deviate (`DEPTH_SPREAD`), across it only by noise.
3. The common part of that expansion is the fourth; it belongs to no depth in particular.

So what lies across the lines says how the camera turned, whatever the depths are.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Of a followed point, in pixels of the small picture.
NOISE_PX = 0.5
# Standard deviation of the expansion between two frames: at ten metres per second and ten frames
# per second it is 0.03 for a point 33 m away. Half or twice as much hardly matters.
DEPTH_SPREAD = 0.03
# Weak knowledge that keeps a badly posed fit near no motion: angles in radians, expansion.
_PRIOR = np.array([0.5, 0.5, 0.5, 0.5])
_ROUNDS = 4
# The similarity that most points agree with begins; this far off, in noises, it forgives.
_FIRST_AGREES = 6.0
# Residuals, in standard deviations, where a point has lost three quarters of its weight (Geman and
# McClure), and within which it agrees.
_TOLERANCE, _AGREES = 2.0, 3.0


@dataclass(frozen=True, eq=False, kw_only=True)
class TurnFit:
    """A fitted motion.

    Attributes:
        homography: (3, 3) in normalised coordinates, earlier to later.
        turn_rad: the angle of the turn.
        expansion: common growth of the scene between the two frames, 0.1 is 10 %.
        agreeing: number of points that agree with it.
        n: number of points.
        doubt: standard deviation of the least certain of the places asked for, normalised.
    """

    homography: Array
    turn_rad: float
    expansion: float
    agreeing: int
    n: int
    doubt: float


def fit_turn(
    points: Array, followed: Array, *, heading: Array, noise: float, extent: Array
) -> TurnFit:
    """Fit the motion by weighted least squares that forget points which disagree.

    Args:
        points: (N, 2) normalised coordinates x / z, y / z in the earlier frame.
        followed: (N, 2) where they went.
        heading: (3,) direction of travel in optical axes.
        noise: standard deviation of a followed point, normalised.
        extent: (K, 2) places at which the doubt is asked for.
    """
    flow = followed - points
    along, across, length = _expansion_axes(points, heading)
    design = _design(points, followed, heading)  # (2, N, 4)
    rows = np.concatenate([_component(across, design), _component(along, design)])  # (2N, 4)
    seen = np.concatenate([(across * flow).sum(axis=1), (along * flow).sum(axis=1)])  # (2N,)
    spread = np.concatenate([np.full(len(points), noise), np.hypot(noise, DEPTH_SPREAD * length)])
    rows, seen = rows / spread[:, None], seen / spread
    weights = _first_weights(points, followed, within=_FIRST_AGREES * noise)
    for _ in range(_ROUNDS):
        motion, covariance = _solved(rows, seen, weights)
        residuals = np.hypot(*np.split(rows @ motion - seen, 2))  # (N,)
        weights = (1 + (residuals / _TOLERANCE) ** 2) ** -2.0
    places = _design(extent, extent, heading)  # (2, K, 4)
    variances = ((places @ covariance) * places).sum(axis=(0, 2))  # (K,)
    return TurnFit(
        homography=_homography(motion, heading),
        turn_rad=float(np.linalg.norm(motion[:3])),
        expansion=float(motion[3]),
        agreeing=int((residuals <= _AGREES).sum()),
        n=len(points),
        doubt=float(np.sqrt(variances.max())),
    )


def _first_weights(points: Array, followed: Array, *, within: float) -> Array:
    """Weights (N,): 1 for the points of the largest group that moved alike, 0 for the others.

    Least squares that begin with all points follow a moving crowd half way. OpenCV draws its
    samples from a generator with a fixed seed, so the same points give the same group.
    """
    _, group = cv2.estimateAffinePartial2D(
        points, followed, method=cv2.RANSAC, ransacReprojThreshold=within, refineIters=0
    )
    if group is None or not group.any():
        return np.ones(len(points))
    return np.asarray(group[:, 0], np.float64)


def _design(points: Array, followed: Array, heading: Array) -> Array:
    """Flow (2, N, 4) of points (N, 2) per unit of yaw, pitch, roll and expansion.

    Yaw moves the scene to the right, pitch down, roll clockwise as seen. The perspective division
    multiplies by where a point went, so with that the equations are linear for large turns too.
    """
    x, y = points.T
    towards = points * heading[2] - heading[:2]  # (N, 2)
    to_x, to_y = followed.T
    return np.array(
        [
            np.stack([1 + x * to_x, y * to_x, -y, towards[:, 0]], axis=1),
            np.stack([x * to_y, 1 + y * to_y, x, towards[:, 1]], axis=1),
        ]
    )


def _expansion_axes(points: Array, heading: Array) -> tuple[Array, Array, Array]:
    """Unit vectors (N, 2) along and across the expansion at each point, and its length (N,)."""
    towards = points * heading[2] - heading[:2]
    length = np.linalg.norm(towards, axis=1)
    safe = np.maximum(length, 1e-9)[:, None]
    along = np.where(safe > 1e-9, towards / safe, [1.0, 0.0])
    return along, np.stack([-along[:, 1], along[:, 0]], axis=1), length


def _component(axis: Array, design: Array) -> Array:
    """The part (N, 4) of the flow along an axis (N, 2) per point."""
    return np.asarray(axis[:, :1] * design[0] + axis[:, 1:] * design[1], np.float64)


def _solved(rows: Array, seen: Array, weights: Array) -> tuple[Array, Array]:
    """The weighted least-squares motion (4,) and its covariance (4, 4).

    The prior keeps the matrix regular, whatever the points are.
    """
    weighted = rows * np.tile(weights, 2)[:, None]
    covariance = np.asarray(np.linalg.inv(weighted.T @ rows + np.diag(_PRIOR**-2)), np.float64)
    return covariance @ (weighted.T @ seen), covariance


def _homography(motion: Array, heading: Array) -> Array:
    """The motion as a map of normalised coordinates. (3, 3)."""
    yaw, pitch, roll, expansion = motion
    turn = np.array([[1, -roll, yaw], [roll, 1, pitch], [-yaw, -pitch, 1]])
    grown = np.eye(3) * heading[2]
    grown[2, 2] = 0
    grown[:2, 2] = -heading[:2]
    return np.asarray(turn + expansion * grown, np.float64)
