"""The ROS endpoints of camera motion: odometry or IMU, `camera_info` of each camera, and tf."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from nav_msgs.msg import Odometry
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CameraInfo, Imu

from mot_compress_ros.camera_motion import parse_mountings
from mot_compress_ros.errors import InvalidDataError
from mot_compress_ros.pipeline import Pipeline
from mot_compress_ros.ros import conversions, qos, transforms
from mot_compress_ros.ros.motion_monitor import MotionMonitor
from mot_compress_ros.ros.transforms import TransformFinder

RotationMessage: TypeAlias = Imu | Odometry
_UNCALIBRATED = 'the camera is not calibrated: its camera_info has no usable matrix K'


@dataclass(frozen=True, kw_only=True)
class _Needs:
    """What a source listens to.

    Attributes:
        topic, message: of the angular velocities; '' and None where it needs none.
        camera_info: whether it listens to the intrinsics.
        must_know: whether it can say nothing without them.
    """

    topic: str = ''
    message: type[RotationMessage] | None = None
    camera_info: bool = True
    must_know: bool = True


_NEEDS: Mapping[str, _Needs] = {
    'none': _Needs(camera_info=False, must_know=False),
    'image': _Needs(must_know=False),
    'odometry': _Needs(topic='odometry', message=Odometry),
    'imu': _Needs(topic='imu', message=Imu),
}


class MotionPort:
    """Subscribes what `camera_motion.source` asks for and hands it to the pipeline.

    Args:
        node: the node the subscriptions belong to.
        pipeline: where measurements go.
        cameras: names of the cameras.
    """

    def __init__(self, node: LifecycleNode, pipeline: Pipeline, cameras: Sequence[str]) -> None:
        self._node = node
        self._pipeline = pipeline
        self._config = pipeline.config.camera_motion
        self._needs = _NEEDS[self._config.source]
        self._stated = set(parse_mountings(self._config.mounting)) & set(cameras)
        self._cameras = cameras
        self._subscriptions: list[Any] = []
        self._finder: TransformFinder | None = None
        self._found: dict[str, str] = {}  # by camera: the frames that tf joined
        self._topic = ''
        self._info_topics: dict[str, str] = {}
        self.monitor = MotionMonitor(cameras)

    def open(self) -> None:
        """Join the topics."""
        if self._needs.message is not None:
            self._topic = self._subscribe(
                self._needs.message, self._needs.topic, self._hear, qos.rotations()
            )
            if transforms.is_available() and self._stated != set(self._cameras):
                self._finder = TransformFinder(self._node)
        for camera in self._cameras if self._needs.camera_info else ():
            self._info_topics[camera] = self._subscribe(
                CameraInfo,
                f'{camera}/camera_info',
                partial(self._hear_info, camera),
                qos.camera_info(),
            )

    def close(self) -> None:
        """Leave the topics."""
        while self._subscriptions:
            self._node.destroy_subscription(self._subscriptions.pop())
        if self._finder is not None:
            self._finder.close()
            self._finder = None

    def advice(self, camera: str, *, stale_after_s: float) -> str:
        """Why the motion of a camera is not compensated, and what to do; '' where it is."""
        trouble = ''
        if self._topic:
            trouble = self.monitor.sensor_trouble(
                self._topic,
                publishers=self._node.count_publishers(self._topic),
                stale_after_s=stale_after_s,
            )
        if not trouble and self._needs.must_know:
            trouble = self.monitor.info_trouble(camera, self._info_topics[camera])
        return f'camera motion is not compensated: {trouble}' if trouble else ''

    def values(self, camera: str) -> dict[str, object]:
        """Keys of the diagnostics of a camera."""
        values: dict[str, object] = {'camera_motion': self._config.source}
        if self._topic:
            values['camera_motion_topic'] = self._topic
            values['camera_motion_received'] = self.monitor.received
            values['camera_motion_mounting'] = self._mounting(camera)
        if camera in self._info_topics:
            known = not self.monitor.info_trouble(camera, self._info_topics[camera])
            values['camera_info_topic'] = self._info_topics[camera]
            values['camera_info_known'] = known
        return values

    def _mounting(self, camera: str) -> str:
        if camera in self._stated:
            return 'camera_motion.mounting'
        return self._found.get(camera, 'assumed: the entry * of camera_motion.mounting')

    def _subscribe(self, kind: type, name: str, hear: Callable[[Any], None], profile: Any) -> str:
        subscription = self._node.create_subscription(
            kind, name, hear, profile, qos_overriding_options=qos.overridable()
        )
        self._subscriptions.append(subscription)
        return str(subscription.topic_name)

    def _hear(self, message: RotationMessage) -> None:
        velocity = conversions.to_angular_velocity(message)
        frame = conversions.measuring_frame(message)
        if velocity is None:
            self.monitor.measured(frame=frame, error='the IMU says that it has no gyroscope')
            return
        self._pipeline.observe_rotation(
            stamp_ns=conversions.stamp_to_ns(message.header.stamp), angular_velocity_rad_s=velocity
        )
        self.monitor.measured(frame=frame)

    def _hear_info(self, camera: str, message: CameraInfo) -> None:
        self._learn_intrinsics(camera, message)
        if self._finder is not None and camera not in self._stated and camera not in self._found:
            self._look_up(self._finder, camera)

    def _learn_intrinsics(self, camera: str, message: CameraInfo) -> None:
        try:
            intrinsics = conversions.to_intrinsics(message)
        except InvalidDataError:
            self.monitor.informed(camera, frame=message.header.frame_id, error=_UNCALIBRATED)
            return
        self._pipeline.set_intrinsics(camera, intrinsics.matrix, size_wh=intrinsics.size_wh)
        self.monitor.informed(camera, frame=message.header.frame_id)

    def _look_up(self, finder: TransformFinder, camera: str) -> None:
        """Take the mounting from tf as soon as it joins the two frames."""
        optical, sensor = self.monitor.optical_frames[camera], self.monitor.sensor_frame
        rotation = finder.rotation(to_frame=optical, from_frame=sensor) if sensor else None
        if rotation is not None:
            self._pipeline.set_mounting(camera, rotation)
            self._found[camera] = f'tf from {sensor} to {optical}'
