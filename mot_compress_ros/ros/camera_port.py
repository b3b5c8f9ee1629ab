"""The ROS endpoints of one camera: images in; tracks, class names and debug images out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

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
from mot_compress_ros.ros import conversions, qos
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
        receive: Callable[[str, ImageMessage], None],
    ) -> None:
        self.camera = camera
        self.monitor = CameraMonitor()
        self.incompatible_qos = ''
        self.debug_images_drawn = 0
        self._class_names = class_names
        self._session = session
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

    def publish(self, frame: Frame, tracks: Tracks, *, header: Header) -> None:
        """Publish the tracks of a frame, and the picture of them if somebody looks at it."""
        self._tracks.publish(
            conversions.to_detection_array(
                tracks,
                header=header,
                class_names=self._class_names,
                camera=self.camera,
                session=self._session,
            )
        )
        if self._debug_image.get_subscription_count() > 0:
            bgr = frame.image if frame.color_order == 'bgr' else frame.image[..., ::-1]
            drawn = draw_tracks(bgr, tracks, self._class_names, caption=self.camera)
            self.debug_images_drawn += 1
            self._debug_image.publish(conversions.to_image(drawn, header=header))

    def destroy(self, node: LifecycleNode) -> None:
        """Take the endpoints off the graph."""
        node.destroy_subscription(self._subscription)
        node.destroy_lifecycle_publisher(self._tracks)
        node.destroy_lifecycle_publisher(self._debug_image)
        node.destroy_publisher(self._label_info)

    def _hear(self, message: ImageMessage) -> None:
        self.incompatible_qos = ''  # whoever sends this one agrees
        self._receive(self.camera, message)

    def _note_incompatible_qos(self, event: QoSRequestedIncompatibleQoSInfo) -> None:
        self.incompatible_qos = qos_policy_name_from_kind(event.last_policy_kind)

    def _note_lost(self, event: QoSMessageLostInfo) -> None:
        self.monitor.lost(event.total_count_change)
