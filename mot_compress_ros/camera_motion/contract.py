"""What every estimator of camera motion offers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mot_compress_ros.boxes import FloatArray
from mot_compress_ros.camera_motion.mounting import Rotation
from mot_compress_ros.datatypes import Frame

# (3, 3), pixels (x, y, 1) of the earlier frame to pixels of the later one, up to scale.
Homography: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class View:
    """What is remembered of a frame.

    Attributes:
        stamp_ns: stamp of the frame.
        size_wh: its width and height in pixels.
        grey: (h, w) uint8, the picture made small; None where the source looks at none.
    """

    stamp_ns: int
    size_wh: tuple[int, int]
    grey: NDArray[np.uint8] | None = None


class CameraMotion(Protocol):
    """Estimates the motion of one camera between two of its frames."""

    @property
    def is_active(self) -> bool:
        """Whether asking is worth the time; False for the source that never knows."""

    def set_intrinsics(self, matrix: ArrayLike, *, size_wh: tuple[int, int]) -> None:
        """Take over the camera matrix (3, 3) of images of `size_wh` pixels, from any thread.

        Raises:
            InvalidDataError: it is no camera matrix.
        """

    def set_mounting(self, optical_from_sensor: Rotation) -> None:
        """Take over how the camera is mounted, in the place of what the options say.

        Args:
            optical_from_sensor: (3, 3) rotation to the optical axes from the axes of the angular
                velocities; for `image` from those of the vehicle.
        """

    def look(self, frame: Frame) -> View:
        """What has to be remembered of a frame."""

    def between(
        self, previous: View, current: View, *, moving_xyxy_px: FloatArray
    ) -> Homography | None:
        """How the still part of the picture moved.

        Args:
            previous: the earlier frame.
            current: the later frame.
            moving_xyxy_px: boxes (N, 4) in the earlier frame of what may move by itself.

        Returns:
            A finite (3, 3) float64 matrix whose last element is 1; None where nothing can be said.
        """
