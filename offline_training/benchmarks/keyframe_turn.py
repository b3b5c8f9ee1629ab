"""One turn of `benchmark keyframe`: a clip played to a pipeline in real time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
import math
import time
from typing import Any

import numpy as np

from mot_compress_ros.datatypes import Frame
from mot_compress_ros.errors import MotCompressError
from mot_compress_ros.keyframe import Teacher
from mot_compress_ros.pipeline import Pipeline

PERCENTILES = (50, 95, 99)
STEP = 'step_ms'  # of each measured frame
_DRAIN_S = 30.0
_LOOK_EVERY_S = 0.005  # between frames, as the node does
_LATE = 'late_results'


class TeacherFailedError(MotCompressError):
    """The teacher failed in a turn, whose times mean nothing then."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of the pipeline; times in seconds since the turn began."""

    frame: int
    begun_s: float
    took_ms: float


@dataclass
class Turn:
    """What happened in a turn.

    Attributes:
        frames: that came.
        steps: that were made; the other frames were dropped.
        late_ms: from the step that gave a frame to a teacher beside, to that of its result.
        late_frames: the same in frames of the camera.
        heard: late results until the latest step.
    """

    frames: int
    steps: list[Step] = field(default_factory=list)
    late_ms: list[float] = field(default_factory=list)
    late_frames: list[int] = field(default_factory=list)
    heard: int = 0


def play_turn(
    pipeline: Pipeline, frames: Sequence[Frame], *, camera: str, fps: float, warm_up: int
) -> dict[str, Any]:
    """Feed the frames, and say what each step took.

    Args:
        pipeline: at its beginning; its teacher is idle.
        frames: stamped by the camera's rate.
        camera: of the frames.
        fps: frames come at this rate, and those that came while a step went on are dropped but
            for the newest; 0: each is there when it is wanted.
        warm_up: frames that are not measured.

    Raises:
        TeacherFailedError: the teacher failed.
    """
    teacher = pipeline.teacher
    failures = teacher.failures if teacher else 0
    turn, index = Turn(frames=len(frames) - warm_up), 0
    given: dict[int, tuple[int, float]] = {}  # stamp -> frame, begin of its step
    begin_s = time.perf_counter()
    while index < len(frames):
        if fps:
            index = _newest(pipeline, index, len(frames), begin_s, fps)
        if index >= warm_up and not turn.steps:
            pipeline.health.clear()
            turn.heard = 0
        _step(pipeline, frames[index], camera, turn, given, begin_s, measured=index >= warm_up)
        index += 1
    if teacher and teacher.failures > failures:
        raise TeacherFailedError(f'the teacher failed while it was measured: {teacher.reason}')
    return _summary(pipeline, turn, seconds=time.perf_counter() - begin_s)


def _newest(pipeline: Pipeline, index: int, n_frames: int, begin_s: float, fps: float) -> int:
    """Wait for frame `index` as the live node does, and return the newest one that is there."""
    while (wait_s := begin_s + index / fps - time.perf_counter()) > 0:
        if pipeline.awaits_teacher and wait_s > _LOOK_EVERY_S:
            time.sleep(_LOOK_EVERY_S)
            pipeline.catch_up()
        else:
            time.sleep(wait_s)
    there = math.floor((time.perf_counter() - begin_s) * fps)
    return min(max(index, there), n_frames - 1)


def _step(
    pipeline: Pipeline,
    frame: Frame,
    camera: str,
    turn: Turn,
    given: dict[int, tuple[int, float]],
    begin_s: float,
    *,
    measured: bool,
) -> None:
    """One step, and which late result it used."""
    record, index = pipeline.schedule.ledger.of(camera), frame.frame_index
    in_work = record.keyframe_ns
    begun_s = time.perf_counter() - begin_s
    pipeline.step([frame])
    took_ms = 1e3 * (time.perf_counter() - begin_s - begun_s)
    heard, turn.heard = turn.heard, pipeline.health.counters().get(_LATE, 0)
    if turn.heard > heard and in_work in given and measured:
        since, since_s = given[in_work]
        turn.late_ms.append(1e3 * (begun_s - since_s))
        turn.late_frames.append(index - since)
    if record.keyframe_ns is not None and record.keyframe_ns != in_work:
        given[record.keyframe_ns] = index, begun_s
    if measured:
        turn.steps.append(Step(frame=index, begun_s=begun_s, took_ms=took_ms))


def _summary(pipeline: Pipeline, turn: Turn, *, seconds: float) -> dict[str, Any]:
    health, took_ms = pipeline.health, [step.took_ms for step in turn.steps]
    measured_s = seconds - turn.steps[0].begun_s
    teacher_ms = health.samples_ms('teacher')
    return {
        **{f'p{q}_ms': float(np.percentile(took_ms, q)) for q in PERCENTILES},
        'max_ms': max(took_ms),
        'student_p50_ms': _median(health.samples_ms('student')),
        'teacher_p50_ms': _median(teacher_ms),
        'teacher_share': sum(teacher_ms) / 1e3 / measured_s,
        'keyframes_per_s': health.counters().get('keyframes', 0) / measured_s,
        'dropped': turn.frames - len(turn.steps),
        'late_p50_ms': _median(turn.late_ms),
        'late_max_ms': max(turn.late_ms, default=None),
        'late_p50_frames': _median(turn.late_frames),
        'late_result_p50_ms': _median(health.samples_ms('late_result')),
        'late_result_max_ms': max(health.samples_ms('late_result'), default=None),
        'refused': health.counters().get('late_results_refused', 0),
        STEP: [round(ms, 3) for ms in took_ms],
    }


def _median(values: Sequence[float]) -> float | None:
    return float(np.median(values)) if len(values) else None


def drain(teacher: Teacher) -> None:
    """Wait until the teacher is idle, and forget what it found.

    Raises:
        TeacherFailedError: it does not get idle.
    """
    until_s = time.monotonic() + _DRAIN_S
    while not teacher.idle:
        if time.monotonic() > until_s:
            raise TeacherFailedError(f'the teacher is not idle after {_DRAIN_S:g} s')
        time.sleep(0.001)
    teacher.answers()


def median_turn(turns: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The median of each number over the turns that have it; the turns stay with it."""
    keys = [key for key in turns[0] if key != STEP]
    return {
        **{key: _median([t[key] for t in turns if t[key] is not None]) for key in keys},
        'turns': list(turns),
    }
