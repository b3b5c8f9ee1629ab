"""The other end of the node's topics and services, for the demo and the live tests.

A client plays images to the node, keeps what comes back and drives the lifecycle. It spins only
inside its own calls, so a caller needs no threads and sees a deterministic order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
import time
from typing import Any, TypeAlias

import cv2
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import SetParametersResult
from rcl_interfaces.srv import SetParameters
import rclpy
from rclpy.client import Client
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray, LabelInfo

from mot_compress_ros.datatypes import Frame
from mot_compress_ros.ros import conversions, qos
from mot_compress_ros.ros.inference_info import INFERENCE_INFO

Listener: TypeAlias = Callable[[str, object], None]
_TRANSITIONS = {
    'configure': Transition.TRANSITION_CONFIGURE,
    'activate': Transition.TRANSITION_ACTIVATE,
    'deactivate': Transition.TRANSITION_DEACTIVATE,
    'cleanup': Transition.TRANSITION_CLEANUP,
    'unconfigured_shutdown': Transition.TRANSITION_UNCONFIGURED_SHUTDOWN,
    'inactive_shutdown': Transition.TRANSITION_INACTIVE_SHUTDOWN,
    'active_shutdown': Transition.TRANSITION_ACTIVE_SHUTDOWN,
}
_RESEND_S = 5.0
_POLL_S = 0.05


class TrackerClient:
    """Plays images to a node and listens to it.

    Args:
        cameras: cameras of the node.
        node: full name of the node.
        image_transport: 'raw' or 'compressed', as the node's parameter.
        domain_id: ROS domain; the environment's where None.
        listener: called with the topic and the message for everything that is received.

    Attributes:
        tracks: every array received, by camera.
        label_info: the class names received, by camera.
        inference_info: every source received, by camera; see `watch_inference_info`.
        debug_images: the last debug image, by camera; see `watch_debug_image`.
        diagnostics: the last status of each name.
    """

    def __init__(
        self,
        *,
        cameras: Sequence[str],
        node: str = '/mot_tracker',
        image_transport: str = 'raw',
        domain_id: int | None = None,
        listener: Listener | None = None,
    ) -> None:
        self._name = '/' + node.strip('/')
        self._base = self._name.rpartition('/')[0]
        self._is_compressed = image_transport == 'compressed'
        self._listener = listener
        self._check: Callable[[], None] = lambda: None
        self.tracks: dict[str, list[Detection2DArray]] = {camera: [] for camera in cameras}
        self.label_info: dict[str, LabelInfo] = {}
        self.inference_info: dict[str, list[DiagnosticArray]] = {c: [] for c in cameras}
        self.debug_images: dict[str, Image] = {}
        self.diagnostics: dict[str, DiagnosticStatus] = {}
        self._context = Context()
        rclpy.init(context=self._context, domain_id=domain_id)
        self.node = rclpy.create_node(
            'tracker_client', context=self._context, use_global_arguments=False
        )
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        kind = CompressedImage if self._is_compressed else Image
        self._clients: dict[str, Client] = {}
        self._publishers = {
            camera: self.node.create_publisher(kind, self.image_topic(camera), qos.tracks())
            for camera in cameras
        }
        for camera in cameras:
            self._listen(f'{self._base}/{camera}/tracks', Detection2DArray, self._keep_tracks)
            self._listen(
                f'{self._base}/{camera}/label_info', LabelInfo, self._keep_label_info, latched=True
            )
        self._listen('/diagnostics', DiagnosticArray, self._keep_diagnostics)

    def __enter__(self) -> TrackerClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self._context)

    def image_topic(self, camera: str) -> str:
        """Full name of the image topic of a camera."""
        return f'{self._base}/{camera}/image_raw' + ('/compressed' if self._is_compressed else '')

    def watch_debug_image(self, camera: str) -> Callable[[], None]:
        """Subscribe a camera's debug image, which makes the node draw it; returns the way out."""
        return self._listen(f'{self._base}/{camera}/debug_image', Image, self._keep_debug_image)

    def watch_inference_info(self, camera: str) -> Callable[[], None]:
        """Subscribe which network the tracks of a camera come from; returns the way out."""
        topic = f'{self._base}/{camera}/{INFERENCE_INFO}'
        return self._listen(topic, DiagnosticArray, self._keep_inference_info)

    @contextmanager
    def watching(self, check: Callable[[], None]) -> Iterator[None]:
        """Within the context, call `check` wherever there is waiting; what it raises ends that."""
        before, self._check = self._check, check
        try:
            yield
        finally:
            self._check = before

    # --- images in, tracks out

    def send(self, frame: Frame) -> None:
        """Publish a frame as its camera would."""
        self.publish(frame.camera, self._to_message(frame))

    def _to_message(self, frame: Frame) -> Image | CompressedImage:
        header = Header(stamp=conversions.ns_to_stamp(frame.stamp_ns), frame_id=frame.frame_id)
        bgr = frame.image if frame.color_order == 'bgr' else frame.image[..., ::-1]
        if not self._is_compressed:
            return conversions.to_image(bgr, header=header)
        data = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
        return CompressedImage(header=header, format='jpeg', data=data)

    def publish(self, camera: str, message: Image | CompressedImage) -> None:
        """Publish any message on the image topic of a camera."""
        self._publishers[camera].publish(message)

    def insist(
        self,
        camera: str,
        message: Image | CompressedImage,
        *,
        until: Callable[[], bool],
        timeout_s: float,
    ) -> None:
        """Publish a message, again where it was lost on the way, until the condition holds.

        The node does not track a known stamp twice.

        Raises:
            TimeoutError: it does not hold in time.
        """
        end_s = time.monotonic() + timeout_s
        while (left_s := end_s - time.monotonic()) > 0:
            self.publish(camera, message)
            if self.spin_until(until, timeout_s=min(_RESEND_S, left_s)):
                return
        raise TimeoutError(
            f'no tracks on {self._base}/{camera}/tracks for stamp '
            f'{conversions.stamp_to_ns(message.header.stamp)} within {timeout_s} s; {self.hints()}'
        )

    def exchange(self, frame: Frame, *, timeout_s: float = 30.0) -> Detection2DArray:
        """Send a frame and wait for its tracks: lock-step, so that no frame is dropped.

        Raises:
            TimeoutError: no array of this stamp came.
        """
        arrays = self.tracks[frame.camera]
        known = len(arrays)
        stamp = conversions.ns_to_stamp(frame.stamp_ns)

        def answers() -> list[Detection2DArray]:
            return [array for array in arrays[known:] if array.header.stamp == stamp]

        message = self._to_message(frame)
        self.insist(frame.camera, message, until=lambda: bool(answers()), timeout_s=timeout_s)
        return answers()[0]

    # --- the node's state

    def wait_for_node(self, *, timeout_s: float = 60.0) -> None:
        """Wait until the node's services answer.

        Raises:
            TimeoutError: they do not.
        """
        client = self.node.create_client(GetState, f'{self._name}/get_state')
        ready = self.spin_until(client.service_is_ready, timeout_s=timeout_s)
        self.node.destroy_client(client)
        if not ready:
            raise TimeoutError(f'no lifecycle node {self._name} within {timeout_s} s')

    def wait_for_topics(self, *, timeout_s: float = 60.0) -> None:
        """Wait until the configured node hears the images and is heard.

        Raises:
            TimeoutError: it does not.
        """

        def matched() -> bool:
            return all(
                publisher.get_subscription_count() > 0
                and self.node.count_publishers(f'{self._base}/{camera}/tracks') > 0
                and camera in self.label_info
                for camera, publisher in self._publishers.items()
            )

        if not self.spin_until(matched, timeout_s=timeout_s):
            raise TimeoutError(f'{self._name} is not on the image topics; {self.hints()}')

    def state(self, *, timeout_s: float = 30.0) -> str:
        """Label of the lifecycle state: unconfigured, inactive, active or finalized."""
        answer = self._call(GetState, 'get_state', GetState.Request(), timeout_s=timeout_s)
        return str(answer.current_state.label)

    def change_state(self, transition: str, *, timeout_s: float = 120.0) -> bool:
        """Ask for a transition by name; whether the node made it.

        An answer can get lost. So where none comes, the state is asked for, and the request is
        sent again only if the node is still where it was.
        """
        request = ChangeState.Request(transition=Transition(id=_TRANSITIONS[transition]))
        end_s = time.monotonic() + timeout_s
        before = self.state(timeout_s=timeout_s)
        while True:
            future = self._client(ChangeState, 'change_state', timeout_s).call_async(request)
            left_s = end_s - time.monotonic()
            if self.spin_until(future.done, timeout_s=min(_RESEND_S, left_s)):
                return bool(future.result().success)
            after = self.state(timeout_s=max(end_s - time.monotonic(), _RESEND_S))
            if future.done():
                return bool(future.result().success)
            if after != before:
                return True
            if time.monotonic() >= end_s:
                raise TimeoutError(f'{self._name} did not {transition} within {timeout_s} s')

    def set_parameter(self, name: str, value: object) -> str:
        """Set a parameter; '' where the node takes it, else its reason."""
        message = Parameter(name, value=value).to_parameter_msg()
        request = SetParameters.Request(parameters=[message])
        result: SetParametersResult = self._call(SetParameters, 'set_parameters', request).results[
            0
        ]
        return '' if result.successful else result.reason or 'refused without a reason'

    def values(self, task: str) -> dict[str, str]:
        """Keys and values of the last diagnostics of a task: 'node', or a camera."""
        status = self.diagnostics.get(f'{self._name.rpartition("/")[2]}: {task}')
        return {} if status is None else {item.key: item.value for item in status.values}

    def hints(self) -> str:
        """What the node itself says of its state."""
        said = [f'{status.name}: {status.message}' for status in self.diagnostics.values()]
        return '; '.join(said) or 'the node publishes no diagnostics'

    # --- time

    def spin(self, seconds: float) -> None:
        """Receive for a while."""
        self.spin_until(lambda: False, timeout_s=seconds)

    def spin_until(self, condition: Callable[[], bool], *, timeout_s: float) -> bool:
        """Receive until the condition holds; False where it does not in time."""
        end_s = time.monotonic() + timeout_s
        self._check()
        while not condition():
            left_s = end_s - time.monotonic()
            if left_s <= 0:
                return False
            self._executor.spin_once(timeout_sec=min(_POLL_S, left_s))
            self._check()
        return True

    def _call(self, kind: Any, name: str, request: Any, *, timeout_s: float = 30.0) -> Any:
        """The answer to a request that does no harm when it is made twice."""
        client = self._client(kind, name, timeout_s)
        end_s = time.monotonic() + timeout_s
        while (left_s := end_s - time.monotonic()) > 0:
            future = client.call_async(request)
            if self.spin_until(future.done, timeout_s=min(_RESEND_S, left_s)):
                return future.result()
        raise TimeoutError(f'{self._name}/{name} did not answer within {timeout_s} s')

    def _client(self, kind: Any, name: str, timeout_s: float) -> Client:
        """A connected client, kept: the node may lose its answer to one it has just met."""
        if name not in self._clients:
            self._clients[name] = self.node.create_client(kind, f'{self._name}/{name}')
        client = self._clients[name]
        if not self.spin_until(client.service_is_ready, timeout_s=timeout_s):
            raise TimeoutError(f'no service {self._name}/{name} within {timeout_s} s')
        return client

    def _listen(
        self, topic: str, kind: Any, keep: Callable[[str, Any], None], *, latched: bool = False
    ) -> Callable[[], None]:
        def receive(message: Any) -> None:
            keep(topic.removeprefix(f'{self._base}/').rpartition('/')[0], message)
            if self._listener is not None:
                self._listener(topic, message)

        profile = qos.label_info() if latched else qos.diagnostics()
        subscription = self.node.create_subscription(kind, topic, receive, profile)

        def forget() -> None:
            self.node.destroy_subscription(subscription)

        return forget

    def _keep_tracks(self, camera: str, message: Detection2DArray) -> None:
        self.tracks[camera].append(message)

    def _keep_inference_info(self, camera: str, message: DiagnosticArray) -> None:
        self.inference_info[camera].append(message)

    def _keep_label_info(self, camera: str, message: LabelInfo) -> None:
        self.label_info[camera] = message

    def _keep_debug_image(self, camera: str, message: Image) -> None:
        self.debug_images[camera] = message

    def _keep_diagnostics(self, camera: str, message: DiagnosticArray) -> None:
        del camera
        for status in message.status:
            if str(status.name).startswith(f'{self._name.rpartition("/")[2]}: '):
                self.diagnostics[status.name] = status
