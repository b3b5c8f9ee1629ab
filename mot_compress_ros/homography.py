"""How the camera's motion, a homography of the whole image, moves points and boxes.

The homography (3, 3) maps pixels of the last frame onto this one. A box is moved as a small piece
of the image around its centre: the centre by the homography, velocities by its derivative there,
sizes by the root of the derivative's determinant. A box stays upright.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.errors import InvalidDataError

Float64Array = NDArray[np.float64]

# A box that was lost far outside the image may come to lie behind the camera, where a homography
# says nothing: below this depth, that of a turned ray of length 1 along the optical axis being its
# cosine, it stays where it was.
_MIN_DEPTH = 0.1


def checked_homography(camera_motion: NDArray[np.floating]) -> Float64Array:
    """A copy as float64 of determinant 1, so that what is ahead of the camera has positive depth.

    A homography says the same whatever it is multiplied by, also by -1; a camera never mirrors.

    Raises:
        InvalidDataError: it is not a finite (3, 3) matrix that can be inverted.
    """
    matrix = np.array(camera_motion, np.float64)
    determinant = 0.0
    if matrix.shape == (3, 3) and np.isfinite(matrix).all():
        # By a power of two, which changes no digit, so that no determinant is out of range.
        scaled = np.ldexp(matrix, -np.frexp(np.abs(matrix).max())[1])
        determinant = float(np.linalg.det(scaled))
    if not determinant:
        raise InvalidDataError(
            'camera_motion: expected a finite, invertible (3, 3) homography from the last frame '
            f'to this one, got shape {matrix.shape} {matrix.tolist()}'
        )
    return np.asarray(scaled / np.cbrt(determinant))


@dataclass(frozen=True, eq=False)
class LocalWarp:
    """A homography near N points.

    Attributes:
        points: (N, 2) where the points come to lie.
        derivative: (N, 2, 2) of the new place by the old one.
        scale: (N,) by which lengths grow.
        ahead: (N,) bool, whether the camera still looks their way; where not, they have stayed.
    """

    points: Float64Array
    derivative: Float64Array
    scale: Float64Array
    ahead: NDArray[np.bool_]


def warp_at(homography: Float64Array, points: Float64Array) -> LocalWarp:
    """The homography (3, 3), of determinant 1, near `points` (N, 2)."""
    mapped = points @ homography[:, :2].T + homography[:, 2]  # (N, 3)
    ahead = mapped[:, 2] >= _MIN_DEPTH
    depth = np.where(ahead, mapped[:, 2], 1.0)[:, None]
    moved = mapped[:, :2] / depth
    derivative = homography[None, :2, :2] - moved[:, :, None] * homography[None, 2:, :2]
    derivative = np.where(ahead[:, None, None], derivative / depth[:, :, None], np.eye(2))
    moved = np.where(ahead[:, None], moved, points)
    determinant = derivative[:, 0, 0] * derivative[:, 1, 1]
    determinant -= derivative[:, 0, 1] * derivative[:, 1, 0]
    return LocalWarp(moved, derivative, np.sqrt(np.abs(determinant)), ahead)


def warp_boxes(homography: Float64Array, boxes_xyxy_px: Float64Array) -> Float64Array:
    """Upright boxes (N, 4) around the moved centres, scaled; NaN stays NaN."""
    centre = (boxes_xyxy_px[:, :2] + boxes_xyxy_px[:, 2:]) / 2
    half = (boxes_xyxy_px[:, 2:] - boxes_xyxy_px[:, :2]) / 2
    local = warp_at(homography, centre)
    half = half * local.scale[:, None]
    return np.concatenate([local.points - half, local.points + half], axis=1)
