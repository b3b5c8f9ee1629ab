"""/diagnostics: one status for the node and one per camera.

Key names follow NVIDIA's NITROS and greenwave monitors where they have one, so that their
displays work.
"""

from __future__ import annotations

from collections.abc import Mapping

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.lifecycle import LifecycleNode
from std_msgs.msg import Header

from mot_compress_ros.health import Health
from mot_compress_ros.message_fields import status_name
from mot_compress_ros.ros.camera_port import CameraPort
from mot_compress_ros.ros.monitor import Activity, assess_camera, Level
from mot_compress_ros.ros.session import TrackingSession

# Told from the start, so that a display has them before the first of each.
_EXPECTED = (
    *('frames_bad', 'frames_dropped', 'late_frames', 'tracker_resets', 'resolution_changes'),
    *('detections_dropped', 'camera_motion_unknown', 'rotations_left_out', 'rotation_restarts'),
    *('keyframes', 'late_results', 'late_results_refused', 'late_frames_replayed', 'told_frames'),
)
_GRAVITY = (Level.OK, Level.WARN, Level.STALE, Level.ERROR)


class Diagnostics:
    """Builds the diagnostics of a node.

    Attributes:
        last_error: why the latest configuration failed; '' after one that succeeded.
    """

    def __init__(self, node: LifecycleNode) -> None:
        self._node = node
        self.last_error = ''

    def report(self, session: TrackingSession | None, *, stale_after_s: float) -> DiagnosticArray:
        """The message to publish now."""
        cameras = [
            self._camera_status(port, session, stale_after_s)
            for port in (session.ports.values() if session else ())
            if session
        ]
        now = self._node.get_clock().now().to_msg()
        status = self._node_status(session, cameras, now)
        return DiagnosticArray(header=Header(stamp=now), status=[status, *cameras])

    def _node_status(
        self, session: TrackingSession | None, cameras: list[DiagnosticStatus], now: Time
    ) -> DiagnosticStatus:
        level, message = self._assess_node(session, cameras, now)
        values: dict[str, object] = {'last_error': self.last_error}
        if session is not None:
            values = {**_session_values(session), **values}
        return self._status('node', level, message, self._node.get_fully_qualified_name(), values)

    def _assess_node(
        self, session: TrackingSession | None, cameras: list[DiagnosticStatus], now: Time
    ) -> tuple[Level, str]:
        name = self._node.get_fully_qualified_name()
        if session is None:
            if self.last_error:
                return Level.ERROR, f'cannot be configured: {self.last_error}'
            return Level.WARN, f'not configured: ros2 lifecycle set {name} configure'
        if not session.is_running:
            return Level.WARN, f'not active: ros2 lifecycle set {name} activate'
        if self._node.get_parameter('use_sim_time').value and now == Time():
            return Level.ERROR, 'use_sim_time is on but nobody publishes /clock'
        worst = max(cameras, key=lambda status: _GRAVITY.index(_level(status)))
        if _level(worst) not in (Level.OK, Level.WARN):
            return _level(worst), f'{worst.hardware_id}: {worst.message}'
        warnings = [session.teacher_trouble] if session.teacher_trouble else []
        if _level(worst) is Level.WARN:
            warnings.append(f'{worst.hardware_id}: {worst.message}')
        if warnings:
            return Level.WARN, '; '.join(warnings)
        unused = session.unused_teacher and f'; {session.unused_teacher}'
        name = session.pipeline.student.name
        return Level.OK, f'tracking {len(cameras)} camera(s) with {name}{unused}'

    def _camera_status(
        self, port: CameraPort, session: TrackingSession, stale_after_s: float
    ) -> DiagnosticStatus:
        activity = port.monitor.activity()
        level, message = Level.STALE, 'the node is not active'
        if session.is_running:
            level, message = assess_camera(
                activity,
                topic=port.topic,
                publishers=self._node.count_publishers(port.topic),
                incompatible_qos=port.incompatible_qos,
                stale_after_s=stale_after_s,
            )
            advice = session.motion.advice(port.camera, stale_after_s=stale_after_s)
            if level is Level.OK and advice:
                level, message = Level.WARN, advice
        values = {
            'topic': port.topic,
            **_activity_values(activity),
            'debug_images_drawn': port.debug_images_drawn,
            **session.motion.values(port.camera),
        }
        return self._status(port.camera, level, message, port.camera, values)

    def _status(
        self,
        task: str,
        level: Level,
        message: str,
        hardware_id: str,
        values: Mapping[str, object],
    ) -> DiagnosticStatus:
        return DiagnosticStatus(
            level=bytes([level]),
            name=status_name(node=self._node.get_name(), task=task),
            message=message,
            hardware_id=hardware_id,
            values=[KeyValue(key=key, value=_text(value)) for key, value in values.items()],
        )


def _level(status: DiagnosticStatus) -> Level:
    return Level(status.level[0])


def _text(value: object) -> str:
    return f'{value:.2f}' if isinstance(value, float) else str(value)


def _activity_values(activity: Activity) -> dict[str, object]:
    return {
        'frame_rate_node': activity.frame_rate_node_hz,
        'frame_rate_msg': activity.frame_rate_msg_hz,
        'current_delay_from_realtime_ms': '' if activity.delay_ms is None else activity.delay_ms,
        'total_dropped_frames': activity.dropped + activity.lost,
        'num_non_increasing_msg': activity.non_increasing,
        'received': activity.received,
        'processed': activity.processed,
        'duplicates': activity.duplicates,
        'late': activity.late,
        'dropped': activity.dropped,
        'lost_in_transport': activity.lost,
        'bad': activity.bad,
        'ignored_while_inactive': activity.ignored,
        'silence_s': activity.silence_s,
        'active_tracks': activity.active_tracks,
        'last_error': activity.last_error,
    }


def _session_values(session: TrackingSession) -> dict[str, object]:
    pipeline = session.pipeline
    values: dict[str, object] = {
        'model': pipeline.student.name,
        'model_sha256': pipeline.student.manifest.weights_sha256,
        'backend': pipeline.student.backend.name,
        'backend_reason': pipeline.student.backend_reason,
        'session': session.identity,
        'cameras': ', '.join(session.ports),
        **_teacher_values(session),
    }
    counters = session.health.counters()
    for name in sorted({*counters, *_EXPECTED}):
        values[name] = counters.get(name, 0)
    return {**values, **_latency_values(session.health)}


def _teacher_values(session: TrackingSession) -> dict[str, object]:
    """Of the teacher and of the keyframes; without a teacher its keys are few and empty."""
    teacher = session.pipeline.teacher
    if teacher is None:
        return {'teacher': '', 'teacher_sha256': '', 'keyframe_mode': 'off'}
    return {
        'teacher': teacher.name,
        'teacher_sha256': teacher.manifest.weights_sha256,
        'teacher_state': teacher.state.value,
        'teacher_worker': teacher.worker_name,
        'teacher_failures': teacher.failures,
        'teacher_timeouts': teacher.timeouts,
        'teacher_restarts': teacher.restarts,
        'teacher_reason': teacher.reason,
        'keyframe_mode': session.config.keyframe.mode,
        'keyframe_ratio': session.keyframe_ratio.lately,
        'keyframe_ratio_overall': session.keyframe_ratio.overall,
        **{f'schedule.{name}': value for name, value in session.schedule_values.items()},
    }


def _latency_values(health: Health) -> dict[str, object]:
    values: dict[str, object] = {}
    for stage in health.stages():
        percentiles = health.percentiles_ms(stage)
        if percentiles is not None:
            for name in ('p50', 'p95', 'p99'):
                values[f'latency_{stage}_{name}_ms'] = float(getattr(percentiles, name))
    return values
