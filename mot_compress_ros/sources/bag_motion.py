"""How a vehicle turned and where its cameras sit, as recorded beside the images of a bag."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rosbags.rosbag2 import Reader
from rosbags.typesys import get_typestore, Stores

from mot_compress_ros.camera_motion import imu_measures, Intrinsics, raw_intrinsics, Rotation
from mot_compress_ros.errors import InputError, InvalidDataError
from mot_compress_ros.sources.bag import opened_bag, stamp_to_ns
from mot_compress_ros.sources.static_transforms import StaticTransforms

IMU, ODOMETRY = 'sensor_msgs/msg/Imu', 'nav_msgs/msg/Odometry'
CAMERA_INFO, TF = 'sensor_msgs/msg/CameraInfo', 'tf2_msgs/msg/TFMessage'
MESSAGES: Mapping[str, str] = {'imu': IMU, 'odometry': ODOMETRY}
_STATIC = '/tf_static'
# A frame this much older than the one before comes from a clock that was set back.
_JUMP_NS = 500_000_000


@dataclass(frozen=True, kw_only=True)
class Turning:
    """An angular velocity (x, y, z) in radians per second about the axes of its frame."""

    stamp_ns: int
    velocity_rad_s: tuple[float, float, float]


class BagMotion:
    """The angular velocities, the camera matrix and the mounting that a bag holds.

    Args:
        path: the bag.
        source: 'imu' or 'odometry'.
        image_topic: topic of the images; `camera_info` is looked for beside it.
        topic: of the angular velocities; '' where the bag holds one alone.
        info_topic: of the camera matrix; '' for the one beside the images, or the only one.

    Attributes:
        topic, info_topic: the topics that were found.
        intrinsics: the camera matrix of the first message.
        mounting: rotation (3, 3) to the optical axes from those of the velocities, from
            `/tf_static`; None where that does not join the two frames.

    Raises:
        InputError: a topic is missing, or there are several; the text names what is there.
    """

    def __init__(
        self, path: Path, *, source: str, image_topic: str, topic: str = '', info_topic: str = ''
    ) -> None:
        self.path = path
        self._typestore = get_typestore(Stores.ROS2_JAZZY)
        with opened_bag(path) as reader:
            self.topic = _chosen(reader, path, MESSAGES[source], topic, option='--motion-topic')
            beside = f'{image_topic.removesuffix("/compressed").rpartition("/")[0]}/camera_info'
            self.info_topic = _chosen(
                reader,
                path,
                CAMERA_INFO,
                info_topic,
                option='--camera-info-topic',
                preferred=beside,
            )
            info = self._first(reader, self.info_topic)
            first = self._first(reader, self.topic)
            transforms = StaticTransforms()
            for message in self._messages(reader, _STATIC):
                transforms.add(message.transforms)
        self.intrinsics = _intrinsics(info, where=f'{path}: {self.info_topic}')
        self.mounting: Rotation | None = transforms.rotation(
            to_frame=info.header.frame_id, from_frame=_frame(first)
        )

    def turnings(self) -> Iterator[Turning]:
        """Every usable angular velocity, in the order of recording."""
        with opened_bag(self.path) as reader:
            for message in self._messages(reader, self.topic):
                velocity = _velocity(message)
                if velocity is not None:
                    yield Turning(
                        stamp_ns=stamp_to_ns(message.header.stamp), velocity_rad_s=velocity
                    )

    def _first(self, reader: Reader, topic: str) -> Any:
        for message in self._messages(reader, topic):
            return message
        raise InputError(f'{self.path}: topic {topic} holds no messages that can be read')

    def _messages(self, reader: Reader, topic: str) -> Iterator[Any]:
        """The readable messages of a topic, up to where the bag is damaged."""
        connections = [c for c in reader.connections if c.topic == topic]
        if not connections:
            return
        raw = reader.messages(connections)
        # SQLite, zstd, lz4 and rosbags each raise their own on what is damaged.
        while True:
            try:
                connection, _, data = next(raw)
                message = self._typestore.deserialize_cdr(data, connection.msgtype)
            except Exception:
                return
            yield message


class TurningFeed:
    """Hands out angular velocities as time goes on.

    Args:
        motion: the recording.
        lead_s: how far ahead of a frame they are wanted.
    """

    def __init__(self, motion: BagMotion, *, lead_s: float) -> None:
        self._next = partial(next, motion.turnings(), None)
        self._waiting: Turning | None = self._next()
        self._lead_ns = round(lead_s * 1e9)
        self._latest_ns: int | None = None

    def until(self, stamp_ns: int) -> Iterator[Turning]:
        """Those that were not handed out yet, up to `lead_s` behind a frame's stamp.

        Where the clock of the recording jumped back, those from before the jump are thrown away.
        """
        jumped = self._latest_ns is not None and stamp_ns < self._latest_ns - _JUMP_NS
        self._latest_ns = stamp_ns
        end_ns = stamp_ns + self._lead_ns
        while jumped and self._waiting is not None and self._waiting.stamp_ns > end_ns:
            self._waiting = self._next()
        while self._waiting is not None and self._waiting.stamp_ns <= end_ns:
            yield self._waiting
            self._waiting = self._next()


def _frame(message: Any) -> str:
    """The frame whose axes the velocity is about: a twist's is the child frame."""
    return str(getattr(message, 'child_frame_id', message.header.frame_id))


def _velocity(message: Any) -> tuple[float, float, float] | None:
    if hasattr(message, 'twist'):
        vector = message.twist.twist.angular
    elif imu_measures(message.angular_velocity_covariance):
        vector = message.angular_velocity
    else:
        return None
    return float(vector.x), float(vector.y), float(vector.z)


def _intrinsics(message: Any, *, where: str) -> Intrinsics:
    region = message.roi
    try:
        return raw_intrinsics(
            message.k,
            size_wh=(message.width, message.height),
            region_xywh=(region.x_offset, region.y_offset, region.width, region.height),
        )
    except InvalidDataError as error:
        raise InputError(f'{where}: {error}') from error


def _chosen(
    reader: Reader, path: Path, kind: str, wanted: str, *, option: str, preferred: str = ''
) -> str:
    """The topic of a type that is meant."""
    of_kind = sorted(n for n, info in reader.topics.items() if info.msgtype == kind)
    for name in (wanted, preferred):
        if name and name in of_kind:
            return name
    if wanted or not of_kind:
        there = ', '.join(f'{n} ({info.msgtype})' for n, info in sorted(reader.topics.items()))
        missing = f'topic {wanted}' if wanted else 'topic'
        raise InputError(f'{path}: holds no {missing} of type {kind}; there are: {there}')
    if len(of_kind) > 1:
        raise InputError(
            f'{path}: several topics of type {kind}, choose one with {option}: '
            f'{", ".join(of_kind)}'
        )
    return of_kind[0]
