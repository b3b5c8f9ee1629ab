"""Camera motion from the pictures: sparse optical flow at low resolution, moving boxes left out.

As BoT-SORT (Aharon et al. 2022, section 3.2) does it, with corners, Lucas-Kanade and a robust fit,
but a quarter the size, and with a model of what a vehicle's camera does (`turn_fit`) in the place
of a similarity.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from mot_compress_ros.boxes import FloatArray
from mot_compress_ros.camera_motion.config import CameraMotionConfig
from mot_compress_ros.camera_motion.contract import Homography, View
from mot_compress_ros.camera_motion.intrinsics import guessed_intrinsics, Intrinsics
from mot_compress_ros.camera_motion.mounting import mounting_of, Rotation
from mot_compress_ros.camera_motion.samples import RotationSamples
from mot_compress_ros.camera_motion.turn_fit import fit_turn, NOISE_PX
from mot_compress_ros.datatypes import Frame

# Corners weaker than this share of the strongest one are not followed, nor closer ones than this.
_QUALITY, _DISTANCE_PX = 0.01, 7
# A window of 11 pixels on four levels finds motions of some 40 pixels of the small picture.
_WINDOW, _LEVELS = (11, 11), 3
_FORWARD = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 10, 0.03)
_BACKWARD = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 5, 0.03)
# A point that does not come back to where it began was lost on the way.
_RETURN_PX = 0.5
# The least trustworthy corner of the picture may be off by this share of its width.
_MAX_DOUBT = 0.03
_MAX_SCALE = 0.3


class ImageMotion:
    """Follows corners from one small grey picture to the next and fits the camera's motion."""

    is_active = True

    def __init__(self, config: CameraMotionConfig, camera: str, samples: RotationSamples) -> None:
        del samples
        self._config = config
        # Where a vehicle drives to, in optical axes: the third of `turn_fit`'s assumptions.
        self._known: Intrinsics | None = None
        self._heading = mounting_of(camera, config.mounting) @ np.array([1.0, 0, 0])  # (3,)

    def set_intrinsics(self, matrix: ArrayLike, *, size_wh: tuple[int, int]) -> None:
        """Take over the camera matrix (3, 3) of images of `size_wh`; better than a guess.

        Raises:
            InvalidDataError: it is no camera matrix.
        """
        self._known = Intrinsics(matrix, size_wh=size_wh)

    def set_mounting(self, optical_from_vehicle: Rotation) -> None:
        """Take over the rotation (3, 3) from the vehicle's axes to the optical axes."""
        self._heading = np.asarray(optical_from_vehicle, np.float64) @ np.array([1.0, 0, 0])

    def look(self, frame: Frame) -> View:
        """The green channel, every n-th pixel of it."""
        step = -(-frame.size_wh[0] // self._config.width_px)
        return View(
            stamp_ns=frame.stamp_ns, size_wh=frame.size_wh, grey=small_grey(frame.image, step=step)
        )

    def between(
        self, previous: View, current: View, *, moving_xyxy_px: FloatArray
    ) -> Homography | None:
        """The motion of what stands still; None where too few points agree on one."""
        before, after = previous.grey, current.grey
        if before is None or after is None or before.shape != after.shape:
            return None
        if previous.size_wh != current.size_wh:
            return None
        step = -(-previous.size_wh[0] // self._config.width_px)
        free = free_area(before.shape, moving_xyxy_px, step=step, margin=self._config.mask_margin)
        points = corners(before, free, count=self._config.points)
        if len(points) < self._config.min_points:
            return None
        followed, found = follow(before, after, points)
        if found.sum() < self._config.min_points:
            return None
        return self._fitted(points[found], followed[found], step=step, size_wh=current.size_wh)

    def _fitted(
        self,
        points_px: NDArray[np.float32],
        followed_px: NDArray[np.float32],
        *,
        step: int,
        size_wh: tuple[int, int],
    ) -> Homography | None:
        """The homography in source pixels from points (N, 2) of the small picture."""
        known = self._known or guessed_intrinsics(
            size_wh, field_of_view_deg=self._config.field_of_view_deg
        )
        camera = known.of_size(size_wh)
        to_normalised = np.asarray(np.linalg.inv(camera), np.float64)
        to_ray = to_normalised @ _enlarge(step)  # pixels of the small picture to the same
        fit = fit_turn(
            _mapped(to_ray, points_px),
            _mapped(to_ray, followed_px),
            heading=self._heading,
            noise=NOISE_PX * to_ray[0, 0],
            extent=_mapped(to_normalised, _picture_corners(size_wh)),
        )
        trusted = (
            fit.agreeing >= max(self._config.min_points, self._config.min_agreement * fit.n)
            and fit.doubt * camera[0, 0] <= _MAX_DOUBT * size_wh[0]
            and fit.turn_rad <= np.radians(self._config.max_turn_deg)
            and abs(fit.expansion) <= _MAX_SCALE
        )
        if not trusted:
            return None
        return np.asarray(camera @ fit.homography @ to_normalised, np.float64)


def small_grey(image: NDArray[np.uint8], *, step: int) -> NDArray[np.uint8]:
    """The green channel (h, w) of every `step`-th pixel of an image (H, W, 3).

    Green is the middle channel of BGR and RGB alike, most of what the eye calls brightness, and
    the best one of a Bayer sensor. Averages over areas cost up to a hundred times as much and do
    not make the flow better: it looks for the best place of a window of 121 pixels.
    """
    height, width = image.shape[0] // step, image.shape[1] // step
    first = step // 2
    green = image[first : first + height * step : step, first : first + width * step : step, 1]
    return np.ascontiguousarray(green)


def free_area(
    shape: tuple[int, ...], boxes_xyxy_px: FloatArray, *, step: int, margin: float
) -> NDArray[np.uint8]:
    """A mask (h, w) of the small picture, 0 inside the grown boxes (N, 4) and 255 elsewhere."""
    free = np.full(shape, 255, np.uint8)
    boxes = np.asarray(boxes_xyxy_px, np.float64).reshape(-1, 4)
    boxes = boxes[np.isfinite(boxes).all(axis=1)]
    grow = margin * (boxes[:, 2:] - boxes[:, :2])  # (N, 2)
    low = np.floor((boxes[:, :2] - grow) / step) - 1
    high = np.ceil((boxes[:, 2:] + grow) / step) + 1
    limits = np.clip(np.hstack([low, high]), 0, [shape[1], shape[0]] * 2).astype(int)
    for left, top, right, bottom in limits.tolist():
        free[top:bottom, left:right] = 0
    return free


def corners(
    grey: NDArray[np.uint8], free: NDArray[np.uint8], *, count: int
) -> NDArray[np.float32]:
    """The best corners (N, 2) of a picture inside the free area; N <= `count`."""
    found: object = cv2.goodFeaturesToTrack(grey, count, _QUALITY, _DISTANCE_PX, mask=free)
    # None where there is no corner, which OpenCV's type hints do not say.
    return np.asarray([] if found is None else found, np.float32).reshape(-1, 2)


def follow(
    before: NDArray[np.uint8], after: NDArray[np.uint8], points_px: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Where points (N, 2) went, (N, 2), and which of them can be trusted, (N,).

    The way back is looked for on the finest level alone, from where a point came: cheap, and
    enough to find one that was lost.
    """
    given = points_px.reshape(-1, 1, 2)
    there, seen, _ = cv2.calcOpticalFlowPyrLK(
        before,
        after,
        given,
        given.copy(),  # only for the answer: without the flag below it is not looked at
        winSize=_WINDOW,
        maxLevel=_LEVELS,
        criteria=_FORWARD,
    )
    back, seen_back, _ = cv2.calcOpticalFlowPyrLK(
        after,
        before,
        there,
        given.copy(),
        winSize=_WINDOW,
        maxLevel=0,
        criteria=_BACKWARD,
        flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
    )
    returned = np.abs(back - given).max(axis=(1, 2)) <= _RETURN_PX
    found = (seen[:, 0] == 1) & (seen_back[:, 0] == 1) & returned
    return np.asarray(there, np.float32).reshape(-1, 2), found


def _enlarge(step: int) -> NDArray[np.float64]:
    """Pixels of the small picture to those of the source: each is the middle one of its cell."""
    return np.array([[step, 0, step // 2], [0, step, step // 2], [0, 0, 1.0]])


def _picture_corners(size_wh: tuple[int, int]) -> NDArray[np.float64]:
    right, bottom = size_wh[0] - 1, size_wh[1] - 1
    return np.array([[0.0, 0], [right, 0], [0, bottom], [right, bottom]])  # (4, 2)


def _mapped(
    affine: NDArray[np.float64], points: NDArray[np.float32] | NDArray[np.float64]
) -> NDArray[np.float64]:
    """Points (N, 2) through an affine map (3, 3)."""
    return np.asarray(points @ affine[:2, :2].T + affine[:2, 2], np.float64)
