"""No compensation: the camera is taken as still."""

from __future__ import annotations

from numpy.typing import ArrayLike

from mot_compress_ros.boxes import FloatArray
from mot_compress_ros.camera_motion.config import CameraMotionConfig
from mot_compress_ros.camera_motion.contract import Homography, View
from mot_compress_ros.camera_motion.mounting import Rotation
from mot_compress_ros.camera_motion.samples import RotationSamples
from mot_compress_ros.datatypes import Frame


class NoMotion:
    """Never says anything."""

    is_active = False

    def __init__(self, config: CameraMotionConfig, camera: str, samples: RotationSamples) -> None:
        del config, camera, samples

    def set_intrinsics(self, matrix: ArrayLike, *, size_wh: tuple[int, int]) -> None:
        """Of no use here."""
        del matrix, size_wh

    def set_mounting(self, optical_from_sensor: Rotation) -> None:
        """Of no use here."""
        del optical_from_sensor

    def look(self, frame: Frame) -> View:
        """Stamp and size alone."""
        return View(stamp_ns=frame.stamp_ns, size_wh=frame.size_wh)

    def between(
        self, previous: View, current: View, *, moving_xyxy_px: FloatArray
    ) -> Homography | None:
        """None."""
        del previous, current, moving_xyxy_px
        return None
