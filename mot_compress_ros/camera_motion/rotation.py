"""Camera motion from measured angular velocities: the rotation alone.

A rotation moves a pixel by the same amount whatever its depth, so no depth has to be known. The
displacement of a translation goes with one over the depth, which a camera does not measure; it
is smooth in time for one object, and left to the motion filter of each track.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mot_compress_ros.boxes import FloatArray
from mot_compress_ros.camera_motion.config import CameraMotionConfig
from mot_compress_ros.camera_motion.contract import Homography, View
from mot_compress_ros.camera_motion.intrinsics import Intrinsics
from mot_compress_ros.camera_motion.mounting import mounting_of, Rotation
from mot_compress_ros.camera_motion.samples import RotationSamples
from mot_compress_ros.datatypes import Frame


class RotationMotion:
    """Integrates angular velocities between two stamps and projects the turn into the image.

    Needs the intrinsics of the camera. The mounting that `config` states holds until
    `set_mounting`. Both setters may be called by another thread than the one that asks.
    """

    is_active = True

    def __init__(self, config: CameraMotionConfig, camera: str, samples: RotationSamples) -> None:
        self._config = config
        self._samples = samples
        self._optical_from_sensor = mounting_of(camera, config.mounting)
        self._intrinsics: Intrinsics | None = None

    def set_intrinsics(self, matrix: ArrayLike, *, size_wh: tuple[int, int]) -> None:
        """Take over the camera matrix (3, 3) of images of `size_wh` pixels.

        Raises:
            InvalidDataError: it is no camera matrix.
        """
        self._intrinsics = Intrinsics(matrix, size_wh=size_wh)

    def set_mounting(self, optical_from_sensor: Rotation) -> None:
        """Take over the rotation (3, 3) from the axes of the samples to the optical axes."""
        self._optical_from_sensor = np.array(optical_from_sensor, np.float64)

    def look(self, frame: Frame) -> View:
        """Stamp and size alone."""
        return View(stamp_ns=frame.stamp_ns, size_wh=frame.size_wh)

    def between(
        self, previous: View, current: View, *, moving_xyxy_px: FloatArray
    ) -> Homography | None:
        """K R K^-1; None without intrinsics or without samples near the two stamps."""
        del moving_xyxy_px
        known = self._intrinsics
        if known is None or previous.size_wh != current.size_wh:
            return None
        offset_ns = round(self._config.stamp_offset_s * 1e9)
        course = self._samples.between(
            previous.stamp_ns + offset_ns,
            current.stamp_ns + offset_ns,
            reach_ns=round(self._config.reach_s * 1e9),
        )
        if course is None:
            return None
        turn = scene_rotation(*course, optical_from_sensor=self._optical_from_sensor)
        if angle_rad(turn) > np.radians(self._config.max_turn_deg):
            return None
        matrix = known.of_size(current.size_wh)
        return np.asarray(matrix @ turn @ np.linalg.inv(matrix), np.float64)


def scene_rotation(
    times_s: NDArray[np.float64],
    velocities_rad_s: NDArray[np.float64],
    *,
    optical_from_sensor: Rotation,
) -> Rotation:
    """How directions turn in optical axes from the first time to the last. (3, 3).

    Args:
        times_s: (K,), rising.
        velocities_rad_s: (K, 3) angular velocity of the sensor about its own axes.
        optical_from_sensor: (3, 3).

    Over each step the mean of its two velocities is constant: the trapezoidal rule, second order.
    """
    steps_s = np.diff(times_s)  # (K-1,)
    means = (velocities_rad_s[1:] + velocities_rad_s[:-1]) / 2
    # What is still turns against the camera.
    vectors = -(means * steps_s[:, None]) @ optical_from_sensor.T  # (K-1, 3)
    return _product(_rotations(vectors))


def _rotations(vectors_rad: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rotation vectors (N, 3) to matrices (N, 3, 3): Rodrigues' formula."""
    angles = np.linalg.norm(vectors_rad, axis=1)[:, None, None]  # (N, 1, 1)
    x, y, z = vectors_rad.T
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=1).reshape(-1, 3, 3)
    # sin(a)/a and (1 - cos(a))/a^2, the second as a half-angle so that it holds for tiny angles.
    first, second = np.sinc(angles / np.pi), np.sinc(angles / (2 * np.pi)) ** 2 / 2
    return np.asarray(np.eye(3) + first * cross + second * (cross @ cross), np.float64)


def _product(matrices: NDArray[np.float64]) -> Rotation:
    """matrices[-1] @ ... @ matrices[0] of (N, 3, 3), in log2(N) batched products."""
    while len(matrices) > 1:
        odd = matrices[len(matrices) // 2 * 2 :]  # the last one, where it has no partner
        matrices = np.concatenate([matrices[1::2] @ matrices[: len(matrices) // 2 * 2 : 2], odd])
    return np.asarray(matrices[0] if len(matrices) else np.eye(3), np.float64)


def angle_rad(rotation: Rotation) -> float:
    """The angle a rotation (3, 3) turns by."""
    return float(np.arccos(np.clip((np.trace(rotation) - 1) / 2, -1, 1)))
