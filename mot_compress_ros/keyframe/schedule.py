"""What every keyframe schedule answers, and what it is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeAlias

from mot_compress_ros.keyframe.config import KeyframeConfig
from mot_compress_ros.keyframe.frames import FrameFacts, FrameReport, Role
from mot_compress_ros.keyframe.ledger import Ledger

__all__ = ['FrameFacts', 'FrameReport', 'Role', 'Schedule', 'ScheduleFactory']


class Schedule(Protocol):
    """When the teacher runs, for all cameras of a pipeline. Time comes from stamps alone.

    All but the properties raise InvalidDataError for a camera that the schedule does not have.
    """

    @property
    def beside(self) -> bool:
        """Whether the teacher works beside the student: `plan` never gives it a frame."""

    @property
    def compares(self) -> bool:
        """Whether `FrameReport.disagreement` is read: what nobody reads is not worked out."""

    @property
    def ledger(self) -> Ledger:
        """What happened so far, in the same terms for every mode."""

    def plan(self, frames: Sequence[FrameFacts]) -> list[Role]:
        """The role of each frame of a step, at most one of them the teacher's.

        Asking changes nothing: a frame whose network failed may be asked for again.
        """

    def submit(self, frames: Sequence[FrameFacts]) -> int | None:
        """Which of a step's frames an idle teacher beside is to look at; None for none.

        The frame counts as given to the teacher from now on.
        """

    def served(self, report: FrameReport) -> None:
        """A frame was tracked; once for each frame of a step, in any order.

        A frame planned for the teacher and served by the student leaves the keyframe due.
        """

    def teacher_took(self, camera: str, milliseconds: float) -> None:
        """A teacher beside has answered for a frame of `camera`, and how long it worked."""

    def reset(self, camera: str) -> None:
        """The stream of `camera` begins anew: its next frame is due, the others stay in step."""

    def take_over(self, old: Schedule) -> None:
        """Go on where `old`, of any mode, is now, so that a change of options brings no storm.

        `old` stays as it is. Cameras that it does not have begin anew.
        """

    def diagnostics(self) -> Mapping[str, bool | int | float | str]:
        """What a person may want to know, by name: keyframes per reason, the last reasons."""


ScheduleFactory: TypeAlias = Callable[[KeyframeConfig, Sequence[str]], Schedule]
