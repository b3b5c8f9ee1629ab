"""The ROS endpoints of one camera: images in; tracks, their source, class names, pictures out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.event_handler import (
    QoSMessageLostInfo,
    QoSRequestedIncompatibleQoSInfo,
    SubscriptionEventCallbacks,
)
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import qos_policy_name_from_kind
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray, LabelInfo

from mot_compress_ros.datatypes import Frame, Tracks
from mot_compress_ros.drawing import draw_tracks
from mot_compress_ros.frame_source import FrameSource, SourceLog
from mot_compress_ros.ros import conversions, qos
from mot_compress_ros.ros.inference_info import INFERENCE_INFO, InferenceInfo, to_message
from mot_compress_ros.ros.monitor import CameraMonitor

ImageMessage: TypeAlias = Image | CompressedImage


class CameraPort:
    """Subscription and publishers of one camera, made at configure and destroyed at cleanup.

    Args:
        node: the node they belong to.
        camera: name of the camera, namespace of its topics.
        is_compressed: whether compressed images are subscribed.
        class_names: names in order of class id.
        session: part of every track id that changes from one configuration to the next.
        has_teacher: whether the debug image is to say which network saw the frame.
        receive: called with (camera, message) by the executor; must return at once.
    """

    def __init__(
        self,
        node: LifecycleNode,
        camera: str,
        *,
        is_compressed: bool,
        class_names: tuple[str, ...],
        session: str,
        has_teacher: bool,
        receive: Callable[[str, ImageMessage], None],
    ) -> None:
        self.camera = camera
        self.monitor = CameraMonitor()
        self.incompatible_qos = ''
        self.debug_images_drawn = 0
        self._class_names = class_names
        self._session = session
        self._node_name = node.get_name()
        self._sources = SourceLog() if has_teacher else None
        # As image_transport does it: the base name is what a user remaps.
        base = node.resolve_topic_name(f'{camera}/image_raw')
        self._receive = receive
        self._subscription = node.create_subscription(
            CompressedImage if is_compressed else Image,
            f'{base}/compressed' if is_compressed else base,
            self._hear,
            qos.images(),
            event_callbacks=SubscriptionEventCallbacks(
                incompatible_qos=self._note_incompatible_qos, message_lost=self._note_lost
            ),
            qos_overriding_options=qos.overridable(),
        )
        self.topic: str = self._subscription.topic_name  # the whole name may be remapped too
        self._tracks = node.create_lifecycle_publisher(
            Detection2DArray,
            f'{camera}/tracks',
            qos.tracks(),
            qos_overriding_options=qos.overridable(),
        )
        self._inference_info = node.create_lifecycle_publisher(
            DiagnosticArray,
            f'{camera}/{INFERENCE_INFO}',
            qos.inference_info(),
            qos_overriding_options=qos.overridable(),
        )
        self._debug_image = node.create_lifecycle_publisher(
            Image,
            f'{camera}/debug_image',
            qos.debug_images(),
            qos_overriding_options=qos.overridable(),
        )
        # Not a lifecycle publisher: the class names hold from configure on, active or not.
        self._label_info = node.create_publisher(
            LabelInfo, f'{camera}/label_info', qos.label_info()
        )

    def publish_label_info(self, message: LabelInfo) -> None:
        """Publish the class names; latched, so once is enough."""
        self._label_info.publish(message)

    def publish(
        self, frame: Frame, tracks: Tracks, info: InferenceInfo, *, header: Header
    ) -> None:
        """Publish the tracks of a frame, and their source and picture if somebody looks at it."""
        self._tracks.publish(
            conversions.to_detection_array(
                tracks,
                header=header,
                class_names=self._class_names,
                camera=self.camera,
                session=self._session,
            )
        )
        if self._inference_info.get_subscription_count() > 0:
            self._inference_info.publish(
                to_message(info, header=header, node=self._node_name, camera=self.camera)
            )
        source = self._source(tracks, info)
        if self._debug_image.get_subscription_count() > 0:
            bgr = frame.image if frame.color_order == 'bgr' else frame.image[..., ::-1]
            drawn = draw_tracks(bgr, tracks, self._class_names, caption=self.camera, source=source)
            self.debug_images_drawn += 1
            self._debug_image.publish(conversions.to_image(drawn, header=header))

    def destroy(self, node: LifecycleNode) -> None:
        """Take the endpoints off the graph."""
        node.destroy_subscription(self._subscription)
        node.destroy_lifecycle_publisher(self._tracks)
        node.destroy_lifecycle_publisher(self._inference_info)
        node.destroy_lifecycle_publisher(self._debug_image)
        node.destroy_publisher(self._label_info)

    def _source(self, tracks: Tracks, info: InferenceInfo) -> FrameSource | None:
        """What the picture says of the network; followed whether or not somebody looks."""
        if self._sources is None:
            return None
        age_s = None if info.prior_age_ms is None else info.prior_age_ms / 1e3
        return self._sources.note(
            stamp_ns=tracks.stamp_ns, network=tracks.source, teacher_age_s=age_s
        )

    def _hear(self, message: ImageMessage) -> None:
        self.incompatible_qos = ''  # whoever sends this one agrees
        self._receive(self.camera, message)

    def _note_incompatible_qos(self, event: QoSRequestedIncompatibleQoSInfo) -> None:
        self.incompatible_qos = qos_policy_name_from_kind(event.last_policy_kind)

    def _note_lost(self, event: QoSMessageLostInfo) -> None:
        self.monitor.lost(event.total_count_change)
