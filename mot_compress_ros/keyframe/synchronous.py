"""Teacher and student take turns: what is common to every rule of when."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from mot_compress_ros.keyframe.config import KeyframeConfig
from mot_compress_ros.keyframe.frames import FrameFacts, FrameReport, Role
from mot_compress_ros.keyframe.ledger import Ledger
from mot_compress_ros.keyframe.schedule import Schedule
from mot_compress_ros.keyframe.stagger import longest_waiting


class Rule(Protocol):
    """When a keyframe is due; built from the options and the ledger that it may read.

    A camera that begins anew is one without a keyframe in the ledger; there is no more to forget.
    """

    @property
    def compares(self) -> bool:
        """See `Schedule`."""

    def demand(self, frame: FrameFacts) -> str:
        """Why this next frame of its camera should be a keyframe; '' where it should not."""

    def allows(self, frame: FrameFacts) -> bool:
        """Whether the keyframe that is due may run now; it waits where not."""

    def served(self, report: FrameReport) -> None:
        """A frame was tracked; the ledger has not been told yet."""

    def take_over(self, old: Rule | None) -> None:
        """Go on after `old`, None for a schedule without rules; the ledger is taken over."""

    def diagnostics(self) -> Mapping[str, bool | int | float | str]:
        """What there is to say beside the ledger."""


class SynchronousSchedule:
    """At most one keyframe a step, to the camera that has been waiting for it longest.

    Args of the constructor:
        rule: class of the rule.
        config: the options.
        cameras: names; their order decides between equals.
    """

    beside = False

    def __init__(
        self,
        rule: Callable[[KeyframeConfig, Ledger], Rule],
        config: KeyframeConfig,
        cameras: Sequence[str],
    ) -> None:
        self.ledger = Ledger(cameras)
        self.rule = rule(config, self.ledger)

    @property
    def compares(self) -> bool:
        """See `Schedule`."""
        return self.rule.compares

    def plan(self, frames: Sequence[FrameFacts]) -> list[Role]:
        """See `Schedule`."""
        due = [i for i, f in enumerate(frames) if self._demand(f) and self.rule.allows(f)]
        chosen = longest_waiting(frames, due, self.ledger)
        return [Role.TEACHER if i == chosen else Role.STUDENT for i in range(len(frames))]

    def submit(self, frames: Sequence[FrameFacts]) -> int | None:
        """See `Schedule`; nothing is beside."""
        for frame in frames:
            self.ledger.of(frame.camera)
        return None

    def served(self, report: FrameReport) -> None:
        """See `Schedule`."""
        reason = self._demand(report.facts)
        self.rule.served(report)
        self.ledger.served(report, reason=reason)

    def teacher_took(self, camera: str, milliseconds: float) -> None:
        """See `Schedule`; the late answer of a teacher that was beside before."""
        self.ledger.of(camera)
        self.ledger.took(milliseconds)

    def reset(self, camera: str) -> None:
        """See `Schedule`."""
        self.ledger.reset(camera)

    def take_over(self, old: Schedule) -> None:
        """See `Schedule`."""
        self.ledger.adopt(old.ledger)
        self.rule.take_over(old.rule if isinstance(old, SynchronousSchedule) else None)

    def diagnostics(self) -> Mapping[str, bool | int | float | str]:
        """See `Schedule`."""
        return {**self.ledger.diagnostics(), **self.rule.diagnostics()}

    def _demand(self, frame: FrameFacts) -> str:
        self.ledger.of(frame.camera)
        return self.rule.demand(frame)
