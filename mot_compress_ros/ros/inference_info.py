"""`<camera>/inference_info`: which network a tracks message comes from, and what it went by.

A `diagnostic_msgs/DiagnosticArray` with the header of the image and one status of texts, so that a
subscriber needs no message package of ours.
"""

from __future__ import annotations

from dataclasses import dataclass

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from std_msgs.msg import Header

from mot_compress_ros.datatypes import Tracks
from mot_compress_ros.frame_source import TEACHER
from mot_compress_ros.keyframe import TeacherState
from mot_compress_ros.message_fields import status_name
from mot_compress_ros.pipeline import Pipeline

INFERENCE_INFO = 'inference_info'  # the topic, below the camera's
_OK, _WARN = b'\x00', b'\x01'


@dataclass(frozen=True, kw_only=True)
class InferenceInfo:
    """What there is to say of one frame.

    Attributes:
        source: 'teacher' or 'student', whose detections made the frame's tracks.
        model: name of that network's model.
        model_sha256: hash of its weights; '' where it has none.
        prior_age_ms: how old, at this frame, the teacher's latest result for its camera is, by
            stamps; 0 on a frame of the teacher's, None where there is none.
        late_results: results of the teacher that came for an earlier frame, all cameras, so far.
        keyframe_reason: why the teacher has, or was given, this very frame; '' where it was not.
        failed: why the teacher cannot be asked, until it is back from a failure; '' where it can,
            and where it has not failed.
    """

    source: str
    model: str
    model_sha256: str
    prior_age_ms: float | None
    late_results: int
    keyframe_reason: str
    failed: str


def info_of(pipeline: Pipeline, tracks: Tracks, *, camera: str) -> InferenceInfo:
    """What there is to say of the frame that `camera` was tracked at last.

    To be called by the thread that steps the pipeline.
    """
    teacher = pipeline.teacher
    by_teacher = teacher is not None and tracks.source == TEACHER
    manifest = teacher.manifest if teacher and by_teacher else pipeline.student.manifest
    age_s = pipeline.prior_age_s(camera)
    record = pipeline.schedule.ledger.of(camera)
    is_away = teacher is not None and teacher.state is not TeacherState.READY
    return InferenceInfo(
        source=tracks.source,
        model=manifest.name,
        model_sha256=manifest.weights_sha256,
        prior_age_ms=None if age_s is None else 1e3 * age_s,
        late_results=pipeline.health.counters().get('late_results', 0),
        keyframe_reason=record.last_reason if record.keyframe_ns == tracks.stamp_ns else '',
        failed=teacher.reason if teacher and is_away else '',
    )


def to_message(info: InferenceInfo, *, header: Header, node: str, camera: str) -> DiagnosticArray:
    """The message; level WARN, and the reason as its text, while the teacher has failed."""
    age = '' if info.prior_age_ms is None else f'{info.prior_age_ms:.3f}'
    values = {
        'source': info.source,
        'model': info.model,
        'model_sha256': info.model_sha256,
        'prior_age_ms': age,
        'late_results': str(info.late_results),
        'keyframe_reason': info.keyframe_reason,
    }
    status = DiagnosticStatus(
        level=_WARN if info.failed else _OK,
        name=status_name(node=node, task=f'{camera} inference'),
        message=f'teacher failed: {info.failed}' if info.failed else info.source,
        hardware_id=camera,
        values=[KeyValue(key=key, value=value) for key, value in values.items()],
    )
    return DiagnosticArray(header=header, status=[status])


def of_message(message: DiagnosticArray) -> InferenceInfo:
    """The inverse of `to_message`."""
    (status,) = message.status
    values = {item.key: item.value for item in status.values}
    age = values['prior_age_ms']
    return InferenceInfo(
        source=values['source'],
        model=values['model'],
        model_sha256=values['model_sha256'],
        prior_age_ms=float(age) if age else None,
        late_results=int(values['late_results']),
        keyframe_reason=values['keyframe_reason'],
        failed=status.message.removeprefix('teacher failed: ') if status.level == _WARN else '',
    )
