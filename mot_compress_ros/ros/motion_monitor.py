"""What is heard of the vehicle's rotation and of the cameras' intrinsics, and what to say of it.

Plain Python: the wording can be tested without a node.
"""

from __future__ import annotations

from collections.abc import Iterable
import threading
import time


class MotionMonitor:
    """Notes what the executor hears.

    Args:
        cameras: names of the cameras.

    Attributes:
        sensor_frame: frame of the last measurement; '' before the first.
        optical_frames: frame of the last `camera_info`, by camera.
    """

    def __init__(self, cameras: Iterable[str]) -> None:
        self._lock = threading.Lock()
        self._last_s = time.monotonic()
        self._received = 0
        self._sensor_error = ''
        self._info_errors = dict.fromkeys(cameras, 'none yet')
        self.sensor_frame = ''
        self.optical_frames: dict[str, str] = {}

    def measured(self, *, frame: str, error: str = '') -> None:
        """An odometry or IMU message came; `error` says why it is of no use."""
        with self._lock:
            self._last_s = time.monotonic()
            self._received += 1
            self.sensor_frame, self._sensor_error = frame, error

    def informed(self, camera: str, *, frame: str, error: str = '') -> None:
        """A `camera_info` came; `error` says why it is of no use."""
        with self._lock:
            self.optical_frames[camera] = frame
            self._info_errors[camera] = error

    @property
    def received(self) -> int:
        """Number of odometry or IMU messages."""
        with self._lock:
            return self._received

    def sensor_trouble(self, topic: str, *, publishers: int, stale_after_s: float) -> str:
        """What is wrong with the odometry or IMU; '' where nothing is."""
        with self._lock:
            silence_s = time.monotonic() - self._last_s
            if publishers == 0:
                return f'no publisher on {topic}: is the sensor up, is the name remapped?'
            if silence_s > stale_after_s:
                return f'nothing on {topic} for {silence_s:.1f} s'
            return f'{topic}: {self._sensor_error}' if self._sensor_error else ''

    def info_trouble(self, camera: str, topic: str) -> str:
        """What is wrong with the `camera_info` of a camera; '' where nothing is."""
        with self._lock:
            error = self._info_errors[camera]
        return f'{topic}: {error}' if error else ''
