"""What a schedule is told of a frame, before a network looked at it and after."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """Which network sees a frame."""

    TEACHER = 'teacher'
    STUDENT = 'student'


@dataclass(frozen=True, kw_only=True)
class FrameFacts:
    """What is known of a frame before a network has looked at it."""

    camera: str
    stamp_ns: int


@dataclass(frozen=True, kw_only=True)
class FrameReport:
    """What came of a frame.

    Attributes:
        camera: whose frame it was.
        stamp_ns: of the frame.
        role: the network whose detections the tracker got.
        network_ms: time that network took for the frame, its share of a batch; 0: not measured.
        total_ms: time the whole step took, up to and with the tracker; 0: not measured.
        step_teacher_ms: time the teacher took in this step, for whichever camera; 0 where it did
            not run. So a camera's step can be foreseen from a step that another's keyframe was in.
        teacher_failed: whether the frame was planned for the teacher, who could not.
        disagreement: how little student and prior fit, 0..1 (`attention.disagreement`); None for
            a teacher's frame, where there was no prior and where `Schedule.compares` is not.
        missed: share of the confirmed tracks that the frame did not show, 0..1; of a teacher's
            frame too.
        born: share of the tracks in the frame that began with it, 0..1.
        turned: how far the camera's motion moved the middle of the image since the last frame, as
            a share of the image's width, at least 0; 0 where it is not known.
    """

    camera: str
    stamp_ns: int
    role: Role
    network_ms: float = 0.0
    total_ms: float = 0.0
    step_teacher_ms: float = 0.0
    teacher_failed: bool = False
    disagreement: float | None = None
    missed: float = 0.0
    born: float = 0.0
    turned: float = 0.0

    @property
    def facts(self) -> FrameFacts:
        """The frame, as it was asked for."""
        return FrameFacts(camera=self.camera, stamp_ns=self.stamp_ns)
