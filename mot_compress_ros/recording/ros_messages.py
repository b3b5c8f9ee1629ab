"""ROS messages written without ROS: their definitions, and how tracks become them.

rosbags knows the common interfaces but not vision_msgs, so the definitions needed here stand
below. A definition with the same fields has the same type hash, so these files exchange freely
with a ROS installation; a test compares the hashes with those of `interfaces/`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from rosbags.typesys import get_types_from_msg, get_typestore, Stores
from rosbags.typesys.store import Typestore

from mot_compress_ros.datatypes import Frame, Tracks
from mot_compress_ros.message_fields import detection_fields, DetectionFields, status_name
from mot_compress_ros.recording.step import RecordedMessage

if TYPE_CHECKING:
    from rosbags.typesys.store import Msg, Msgarg

DETECTIONS = 'vision_msgs/msg/Detection2DArray'
LABEL_INFO = 'vision_msgs/msg/LabelInfo'
DIAGNOSTICS = 'diagnostic_msgs/msg/DiagnosticArray'
COMPRESSED_IMAGE = 'sensor_msgs/msg/CompressedImage'
# In place of the name of a node and of what it draws at each configure: a replay is repeatable.
_NODE, _SESSION = 'mot_tracker', 'replay'

DEFINITIONS: Mapping[str, str] = {
    'vision_msgs/msg/Point2D': 'float64 x\nfloat64 y',
    'vision_msgs/msg/Pose2D': 'vision_msgs/Point2D position\nfloat64 theta',
    'vision_msgs/msg/BoundingBox2D': ('vision_msgs/Pose2D center\nfloat64 size_x\nfloat64 size_y'),
    'vision_msgs/msg/ObjectHypothesis': 'string class_id\nfloat64 score',
    'vision_msgs/msg/ObjectHypothesisWithPose': (
        'vision_msgs/ObjectHypothesis hypothesis\ngeometry_msgs/PoseWithCovariance pose'
    ),
    'vision_msgs/msg/Detection2D': (
        'std_msgs/Header header\nvision_msgs/ObjectHypothesisWithPose[] results\n'
        'vision_msgs/BoundingBox2D bbox\nstring id'
    ),
    DETECTIONS: 'std_msgs/Header header\nvision_msgs/Detection2D[] detections',
    'vision_msgs/msg/VisionClass': 'uint16 class_id\nstring class_name',
    LABEL_INFO: ('std_msgs/Header header\nvision_msgs/VisionClass[] class_map\nfloat32 threshold'),
}


def message_types() -> Typestore:
    """Every message type a recording holds."""
    store = get_typestore(Stores.ROS2_JAZZY)
    for name, text in DEFINITIONS.items():
        store.register(get_types_from_msg(text, name))
    return store


class MessageFactory:
    """Makes the messages a node would have published.

    Args:
        camera: name of the camera; topics start with it.
        class_names: by class id.
        threshold: score below which nothing is detected.
    """

    def __init__(self, *, camera: str, class_names: Sequence[str], threshold: float) -> None:
        self.types = message_types()
        self._camera = camera
        self._class_names = tuple(class_names)
        self._threshold = threshold

    def topic(self, name: str) -> str:
        """Full name of a topic of the camera."""
        return f'/{self._camera}/{name}'

    def tracks(self, frame: Frame, tracks: Tracks) -> RecordedMessage:
        """`<camera>/tracks`: an empty array where there are no tracks."""
        header = self._header(frame.stamp_ns, frame.frame_id)
        fields = detection_fields(
            tracks, class_names=self._class_names, camera=self._camera, session=_SESSION
        )
        detections = [self._detection(header, one) for one in fields]
        return self._message(
            'tracks', DETECTIONS, frame.stamp_ns, header=header, detections=detections
        )

    def label_info(self, stamp_ns: int) -> RecordedMessage:
        """`<camera>/label_info`: class ids and names."""
        vision_class = self.types.types['vision_msgs/msg/VisionClass']
        class_map = [
            vision_class(class_id=class_id, class_name=name)
            for class_id, name in enumerate(self._class_names)
        ]
        return self._message(
            'label_info',
            LABEL_INFO,
            stamp_ns,
            header=self._header(stamp_ns, ''),
            class_map=class_map,
            threshold=self._threshold,
        )

    def image(self, name: str, frame: Frame, jpeg: bytes) -> RecordedMessage:
        """`<camera>/<name>/compressed`."""
        return self._message(
            f'{name}/compressed',
            COMPRESSED_IMAGE,
            frame.stamp_ns,
            header=self._header(frame.stamp_ns, frame.frame_id),
            format='bgr8; jpeg compressed bgr8',
            data=np.frombuffer(jpeg, np.uint8),
        )

    def diagnostics(
        self, stamp_ns: int, *, message: str, values: Mapping[str, str]
    ) -> RecordedMessage:
        """`/diagnostics` with the status of the camera."""
        key_value = self.types.types['diagnostic_msgs/msg/KeyValue']
        status = self.types.types['diagnostic_msgs/msg/DiagnosticStatus'](
            level=0,
            name=status_name(node=_NODE, task=self._camera),
            message=message,
            hardware_id=self._camera,
            values=[key_value(key=key, value=value) for key, value in values.items()],
        )
        array = self.types.types[DIAGNOSTICS](header=self._header(stamp_ns, ''), status=[status])
        data = bytes(self.types.serialize_cdr(array, DIAGNOSTICS))
        return RecordedMessage(
            topic='/diagnostics', msgtype=DIAGNOSTICS, stamp_ns=stamp_ns, data=data
        )

    def _detection(self, header: Msg, fields: DetectionFields) -> Msg:
        types = self.types.types
        centre = types['vision_msgs/msg/Pose2D'](
            position=types['vision_msgs/msg/Point2D'](x=fields.center_x_px, y=fields.center_y_px),
            theta=0.0,
        )
        hypothesis = types['vision_msgs/msg/ObjectHypothesis'](
            class_id=fields.class_name, score=fields.score
        )
        result = types['vision_msgs/msg/ObjectHypothesisWithPose'](
            hypothesis=hypothesis, pose=self._no_pose()
        )
        return types['vision_msgs/msg/Detection2D'](
            header=header,
            results=[result],
            bbox=types['vision_msgs/msg/BoundingBox2D'](
                center=centre, size_x=fields.size_x_px, size_y=fields.size_y_px
            ),
            id=fields.track_id,
        )

    def _no_pose(self) -> Msg:
        """A pose that says nothing: the tracker knows pixels, not metres."""
        types = self.types.types
        pose = types['geometry_msgs/msg/Pose'](
            position=types['geometry_msgs/msg/Point'](x=0.0, y=0.0, z=0.0),
            orientation=types['geometry_msgs/msg/Quaternion'](x=0.0, y=0.0, z=0.0, w=1.0),
        )
        return types['geometry_msgs/msg/PoseWithCovariance'](pose=pose, covariance=np.zeros(36))

    def _header(self, stamp_ns: int, frame_id: str) -> Msg:
        seconds, nanoseconds = divmod(stamp_ns, 1_000_000_000)
        types = self.types.types
        stamp = types['builtin_interfaces/msg/Time'](sec=seconds, nanosec=nanoseconds)
        return types['std_msgs/msg/Header'](stamp=stamp, frame_id=frame_id)

    def _message(
        self, name: str, msgtype: str, stamp_ns: int, **fields: Msgarg
    ) -> RecordedMessage:
        message = self.types.types[msgtype](**fields)
        data = bytes(self.types.serialize_cdr(message, msgtype))
        return RecordedMessage(
            topic=self.topic(name), msgtype=msgtype, stamp_ns=stamp_ns, data=data
        )
