"""What every keyframe schedule answers, and what it is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


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
        network_ms: time that network took for the frame, its share of a batch.
        total_ms: time the whole step took, up to and with the tracker.
        disagreement: how little student and prior fit, 0..1 (`attention.disagreement`); None for
            a teacher's frame and where there was no prior.
        missed: share of the confirmed tracks that the frame did not show, 0..1.
        born: share of the tracks in the frame that began with it, 0..1.
        turned: how far the camera's motion moved the middle of the image since the last frame, as
            a share of the image's width; 0 where it is not known.
    """

    camera: str
    stamp_ns: int
    role: Role
    network_ms: float = 0.0
    total_ms: float = 0.0
    disagreement: float | None = None
    missed: float = 0.0
    born: float = 0.0
    turned: float = 0.0


class Schedule(Protocol):
    """When the teacher runs, for all cameras of a pipeline. Time comes from stamps alone."""

    @property
    def beside(self) -> bool:
        """Whether the teacher works beside the student: `plan` never gives it a frame."""

    def plan(self, frames: Sequence[FrameFacts]) -> list[Role]:
        """The role of each frame of a step, at most one of them the teacher's.

        Asking changes nothing: a frame whose network failed may be asked for again.
        """

    def submit(self, frames: Sequence[FrameFacts]) -> int | None:
        """Which of a step's frames an idle teacher beside is to look at; None for none.

        The frame counts as given to the teacher from now on.
        """

    def served(self, report: FrameReport) -> None:
        """A frame was tracked."""

    def teacher_took(self, camera: str, milliseconds: float) -> None:
        """A teacher beside has answered for a frame of `camera`, and how long it worked."""

    def reset(self, camera: str) -> None:
        """The stream of `camera` begins anew; its next frame is a keyframe, where one is due."""
