"""The ways to estimate camera motion that `benchmark camera-motion` compares.

`image` and `imu` are the vehicle's own. `similarity` is what BoT-SORT and the libraries fit, and
`homography` what is left free of every assumption; both get the points of `image`, so only the
fits differ. `still` says that nothing moved, and `true rotation` knows how the camera turned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.camera_motion import (
    build_camera_motion,
    CameraMotion,
    CameraMotionConfig,
    Homography,
    RotationSamples,
    View,
)
from mot_compress_ros.camera_motion.image import corners, follow, free_area

_RANSAC_PX = 1.5  # of the small picture; from 1 to 2.5 the similarity hardly changes
_CAMERA = 'camera'


@dataclass(frozen=True, eq=False, kw_only=True)
class Step:
    """Two frames and what is true of the way from one to the other.

    Attributes:
        previous, current: the frames.
        moving_xyxy_px: (N, 4) boxes of road users in the earlier one.
        true_rotation: the homography of the camera's turn alone.
        samples: angular velocities around both stamps; None where nobody measured.
        intrinsics: (3, 3).
        optical_from_vehicle: (3, 3).
    """

    previous: View
    current: View
    moving_xyxy_px: NDArray[np.float64]
    true_rotation: Homography
    intrinsics: NDArray[np.float64]
    samples: RotationSamples | None = None
    optical_from_vehicle: NDArray[np.float64] | None = None


def still(step: Step) -> Homography | None:
    """Nothing moved."""
    del step
    return np.eye(3)


def true_rotation(step: Step) -> Homography | None:
    """The truth."""
    return step.true_rotation


def image(step: Step) -> Homography | None:
    """As the node does it where nobody calibrated the camera: with a guessed focal length."""
    return _between(build('image'), step)


def image_calibrated(step: Step) -> Homography | None:
    """The same where `camera_info` is known."""
    motion = build('image')
    motion.set_intrinsics(step.intrinsics, size_wh=step.current.size_wh)
    return _between(motion, step)


def imu(step: Step) -> Homography | None:
    """Integrated angular velocities, with intrinsics and mounting."""
    if step.samples is None or step.optical_from_vehicle is None:
        return None
    motion = build('imu', step.samples)
    motion.set_intrinsics(step.intrinsics, size_wh=step.current.size_wh)
    motion.set_mounting(step.optical_from_vehicle)
    return _between(motion, step)


def similarity(step: Step) -> Homography | None:
    """Shift, turn in the picture and growth, by RANSAC."""
    found = _followed(step)
    if found is None:
        return None
    fitted, _ = cv2.estimateAffinePartial2D(
        *found, method=cv2.RANSAC, ransacReprojThreshold=_RANSAC_PX
    )
    return None if fitted is None else _enlarged(np.vstack([fitted, [0, 0, 1]]), step)


def homography(step: Step) -> Homography | None:
    """All eight freedoms, by RANSAC."""
    found = _followed(step)
    if found is None:
        return None
    fitted, _ = cv2.findHomography(*found, cv2.RANSAC, _RANSAC_PX)
    return None if fitted is None else _enlarged(np.asarray(fitted, np.float64), step)


CONTESTANTS: Mapping[str, Callable[[Step], Homography | None]] = {
    'still': still,
    'similarity': similarity,
    'homography': homography,
    'image': image,
    'image, calibrated': image_calibrated,
    'imu': imu,
    'true rotation': true_rotation,
}


def build(source: str, samples: RotationSamples | None = None) -> CameraMotion:
    """The vehicle's estimator with its default options."""
    config = CameraMotionConfig(source=source)
    return build_camera_motion(config, camera=_CAMERA, samples=samples or RotationSamples())


def _between(motion: CameraMotion, step: Step) -> Homography | None:
    return motion.between(step.previous, step.current, moving_xyxy_px=step.moving_xyxy_px)


def shrinkage(step: Step) -> int:
    """Pixels of the frame per pixel of the small picture."""
    return -(-step.previous.size_wh[0] // CameraMotionConfig().width_px)


def _followed(step: Step) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
    """Points of the small pictures, (N, 2) each, as `image` takes them; None for too few."""
    before, after, config = step.previous.grey, step.current.grey, CameraMotionConfig()
    assert before is not None
    assert after is not None
    free = free_area(
        before.shape, step.moving_xyxy_px, step=shrinkage(step), margin=config.mask_margin
    )
    points = corners(before, free, count=config.points)
    if len(points) < config.min_points:
        return None
    followed, found = follow(before, after, points)
    return (points[found], followed[found]) if found.sum() >= config.min_points else None


def _enlarged(small: NDArray[np.float64], step: Step) -> Homography:
    """A homography of the small pictures as one of the frames."""
    n = shrinkage(step)
    enlarge = np.array([[n, 0, n // 2], [0, n, n // 2], [0, 0, 1.0]])
    found = enlarge @ small @ np.linalg.inv(enlarge)
    return np.asarray(found / found[2, 2], np.float64)
