"""Everything the node owns between configure and cleanup: the pipeline, its worker, its topics.

The executor only stores messages in the mailbox. One worker thread takes the newest message of
each camera, decodes, tracks and publishes; nobody else touches the pipeline while it runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import threading
import time
import uuid

from rclpy.lifecycle import LifecycleNode

from mot_compress_ros.assembly import build_pipeline
from mot_compress_ros.datatypes import Frame, Tracks
from mot_compress_ros.errors import MotCompressError
from mot_compress_ros.health import Health
from mot_compress_ros.pipeline import PipelineConfig
from mot_compress_ros.ros import conversions
from mot_compress_ros.ros.camera_port import CameraPort, ImageMessage
from mot_compress_ros.ros.inference_info import info_of
from mot_compress_ros.ros.mailbox import Mailbox, Put
from mot_compress_ros.ros.motion_port import MotionPort
from mot_compress_ros.ros.parameters import NodeOptions
from mot_compress_ros.ros.teacher_monitor import KeyframeRatio, LatenessMonitor, TeacherMonitor
from mot_compress_ros.ros.throttled_log import ThrottledLog


@dataclass(frozen=True, kw_only=True)
class Received:
    """An image message and when it came, by the monotonic clock."""

    message: ImageMessage
    arrival_s: float


_LOOK_EVERY_S = 0.005  # between frames, for a result of a teacher beside


class TrackingSession:
    """A loaded, warm pipeline connected to its topics; the gate is closed until `start`.

    Attributes:
        patience_s: how long `stop` waits for the frame in work; a frame that hangs in the teacher
            gets the teacher's time-out on top.
        keyframe_ratio: how often results of the teacher are used.
        schedule_values: what the schedule had to say after the latest step.

    Raises:
        MotCompressError: a model cannot be used; nothing is left behind on the graph.
    """

    patience_s = 10.0

    def __init__(self, node: LifecycleNode, options: NodeOptions, config: PipelineConfig) -> None:
        self._node = node
        self._log = ThrottledLog(node.get_logger())
        self.options = options
        self.health = Health()
        self.pipeline = build_pipeline(
            cameras=options.cameras,
            model=options.model,
            teacher=options.teacher,
            config=config,
            health=self.health,
            live=True,
        )
        # Ids begin at 1 again after a cleanup or a restart; with this they still differ.
        self.identity = uuid.uuid4().hex[:8]
        self._config = self._applied = config  # wanted, and in use by the worker
        self.keyframe_ratio = KeyframeRatio()
        self.schedule_values: Mapping[str, object] = {}
        self._teacher_monitor = TeacherMonitor(timeout_s=config.keyframe.timeout_s)
        self._lateness = LatenessMonitor()
        if self.pipeline.teacher is not None:
            self.patience_s += config.keyframe.timeout_s
        self._mailbox: Mailbox[Received] = Mailbox(options.cameras)
        self._frame_indices = dict.fromkeys(options.cameras, 0)
        self._published: dict[str, Tracks] = {}  # the latest of each camera
        self._worker: threading.Thread | None = None
        self.ports: dict[str, CameraPort] = {}
        self.motion = MotionPort(node, self.pipeline, options.cameras)
        try:
            self.motion.open()
            for camera in options.cameras:
                self.ports[camera] = self._open_port(camera)
            self._take_note()
        except Exception:
            self.close()
            raise

    def _open_port(self, camera: str) -> CameraPort:
        port = CameraPort(
            self._node,
            camera,
            is_compressed=self.options.image_transport == 'compressed',
            class_names=self.pipeline.class_names,
            session=self.identity,
            has_teacher=self.pipeline.teacher is not None,
            receive=self.receive,
        )
        self._publish_label_info(port)
        return port

    def _publish_label_info(self, port: CameraPort) -> None:
        port.publish_label_info(
            conversions.to_label_info(
                self.pipeline.class_names,
                threshold=self._config.decode.min_score,
                stamp=self._node.get_clock().now().to_msg(),
            )
        )

    @property
    def config(self) -> PipelineConfig:
        """The options that are wanted; the worker takes them over with its next frame."""
        return self._config

    @property
    def teacher_trouble(self) -> str:
        """Why what the teacher says is not used; '' where it is, and where it is not wanted."""
        if self._config.keyframe.mode == 'off':
            return ''
        return self._teacher_monitor.trouble or self._lateness.trouble

    @property
    def unused_teacher(self) -> str:
        """That there is a teacher that the options do not ask for; '' where there is none."""
        teacher = self.pipeline.teacher
        if teacher is None or self._config.keyframe.mode != 'off':
            return ''
        trouble = self._teacher_monitor.trouble
        doing = f'would not help ({trouble})' if trouble else 'waits unused'
        return f'teacher {teacher.name} {doing}: keyframe.mode is off'

    @property
    def is_running(self) -> bool:
        """Whether images are tracked."""
        return self._worker is not None and self._worker.is_alive()

    def start(self) -> None:
        """Open the gate; tracks of before a pause are forgotten."""
        for camera, port in self.ports.items():
            if port.monitor.activity().processed:
                self.pipeline.reset(camera)
            port.monitor.begin()
        self._mailbox.open()
        self._worker = threading.Thread(target=self._run, name='tracking', daemon=True)
        self._worker.start()

    def stop(self) -> bool:
        """Close the gate and wait for the frame in work; False where it does not end in time."""
        for camera in self._mailbox.close():
            self._drop(camera)
        if self._worker is not None:
            self._worker.join(self.patience_s)
            if self._worker.is_alive():
                return False
            self._worker = None
        return True

    def reconfigure(self, config: PipelineConfig) -> None:
        """Let the worker take over the live options of `config` with its next frame."""
        self._config = config
        for port in self.ports.values():
            self._publish_label_info(port)

    def close(self) -> None:
        """End all work, take the topics off the graph; the session is of no use after that."""
        try:
            # First of all: a frame that hangs in the teacher is the student's from here on.
            self.pipeline.close()
            self.stop()
            self.pipeline.close()  # it may have come back in between
        finally:
            self.motion.close()
            for port in self.ports.values():
                port.destroy(self._node)

    def receive(self, camera: str, message: ImageMessage) -> None:
        """Keep the newest message of a camera; called by the executor."""
        monitor = self.ports[camera].monitor
        put = self._mailbox.put(camera, Received(message=message, arrival_s=time.monotonic()))
        if put is Put.REFUSED:
            monitor.ignored()
            return
        monitor.arrived(stamp_ns=conversions.stamp_to_ns(message.header.stamp))
        self.health.count('frames_received')
        if put is Put.REPLACED:
            self._drop(camera)

    def _run(self) -> None:
        while (batch := self._mailbox.take(timeout_s=self._pause_s())) != {}:
            try:
                if batch is None:
                    self.pipeline.catch_up()
                else:
                    self._work(batch)
            except Exception as error:  # a dead worker would look like a silent camera
                for camera in batch or self.ports:
                    self._fail(camera, f'{type(error).__name__}: {error}')

    def _pause_s(self) -> float | None:
        """How long to wait for a frame at most: a result of the teacher is used as it comes."""
        return _LOOK_EVERY_S if self.pipeline.awaits_teacher else None

    def _work(self, batch: dict[str, Received]) -> None:
        """Track the newest message of each camera that has one."""
        if self._config is not self._applied:
            self._applied = self._config
            self.pipeline.reconfigure(self._applied)
        frames = [frame for frame in map(self._decode, batch, batch.values()) if frame]
        for frame, tracks in self._track(frames):
            if tracks is None:
                self.ports[frame.camera].monitor.late()
            else:
                self._publish(frame, tracks, batch[frame.camera])
        self._take_note()

    def _take_note(self) -> None:
        """Keep for the diagnostics what only the thread that steps the pipeline may read."""
        self.keyframe_ratio.note(self.health.counters())
        self.schedule_values = dict(self.pipeline.schedule.diagnostics())
        if self.pipeline.teacher is None:
            return
        lateness = self._lateness.note(
            self.health.counters(),
            beside=self.pipeline.schedule.beside,
            tells=self.pipeline.student.takes_prior and self._applied.keyframe.update != 'off',
        )
        for monitor, news in (
            (self._teacher_monitor, self._teacher_monitor.note(self.pipeline.teacher)),
            (self._lateness, lateness),
        ):
            if news and monitor.trouble:
                self._log.warn_of('', news)
            elif news:
                self._node.get_logger().info(news)

    def _decode(self, camera: str, received: Received) -> Frame | None:
        self.health.record_ms('wait', 1e3 * (time.monotonic() - received.arrival_s))
        index = self._frame_indices[camera]
        self._frame_indices[camera] += 1
        try:
            with self.health.stage('convert'):
                return conversions.to_frame(received.message, camera=camera, frame_index=index)
        except MotCompressError as error:
            self._fail(camera, str(error))
        except Exception as error:  # an image that does not fit into the memory, for instance
            self._fail(camera, f'{type(error).__name__}: {error}')
        return None

    def _track(self, frames: Sequence[Frame]) -> list[tuple[Frame, Tracks | None]]:
        """Frames with their tracks, None for a late one; without those that failed."""
        if not frames:
            return []
        try:
            return list(zip(frames, self.pipeline.step(frames), strict=True))
        except Exception as error:  # whatever a runtime may raise, out of memory included
            if len(frames) > 1:
                # One at a time, so that one camera's trouble is not everybody's. A frame that was
                # tracked already has a known stamp and is not tracked twice.
                return [pair for frame in frames for pair in self._track([frame])]
            self._fail(frames[0].camera, f'{type(error).__name__}: {error}')
            return []

    def _publish(self, frame: Frame, tracks: Tracks, received: Received) -> None:
        port = self.ports[frame.camera]
        try:
            with self.health.stage('publish'):
                info = info_of(self.pipeline, tracks, camera=frame.camera)
                port.publish(frame, tracks, info, header=received.message.header)
        except Exception as error:  # a middleware error, for instance
            self._fail(frame.camera, f'cannot publish: {type(error).__name__}: {error}')
            return
        self.health.record_ms('end_to_end', 1e3 * (time.monotonic() - received.arrival_s))
        now_ns = self._node.get_clock().now().nanoseconds
        port.monitor.tracked(
            active_tracks=len(tracks),
            delay_ms=(now_ns - frame.stamp_ns) / 1e6,
            # The pipeline answers a known stamp with the very same tracks.
            is_duplicate=self._published.get(frame.camera) is tracks,
        )
        self._published[frame.camera] = tracks

    def _drop(self, camera: str) -> None:
        self.health.count('frames_dropped')
        self.ports[camera].monitor.dropped()

    def _fail(self, camera: str, reason: str) -> None:
        self.health.count('frames_bad')
        self.ports[camera].monitor.failed(reason)
        self._log.warn_of(camera, reason)
