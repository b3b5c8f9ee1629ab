"""Teacher beside the student, which never waits for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mot_compress_ros.keyframe.budget import Budget
from mot_compress_ros.keyframe.config import KeyframeConfig
from mot_compress_ros.keyframe.frames import FrameFacts, FrameReport, Role
from mot_compress_ros.keyframe.ledger import Ledger
from mot_compress_ros.keyframe.schedule import Schedule

_ROUNDS = 2


class AsynchronousSchedule:
    """The student sees every frame; an idle teacher gets the newest one of the next camera.

    The cameras take turns: the one goes first whose last frame for the teacher is the oldest, one
    without any before all, also after a reset. No frame is given twice. Cameras that never come
    in the same step could starve each other, by the accident of who comes when the teacher gets
    idle; so one that was passed over for two rounds, and still sends, is waited for.

    A frame is given only while `Budget` has the milliseconds; it is charged what a frame costs so
    far, and the difference to what it took when the answer comes.
    """

    beside = True
    compares = False

    def __init__(self, config: KeyframeConfig, cameras: Sequence[str]) -> None:
        self.ledger = Ledger(cameras)
        self._declared_ms = config.teacher_ms
        self._budget = Budget(config, self.ledger)
        self._charged_ms: dict[str, float] = {}  # for the frames that are not answered yet

    def plan(self, frames: Sequence[FrameFacts]) -> list[Role]:
        """See `Schedule`."""
        for frame in frames:
            self.ledger.of(frame.camera)
        return [Role.STUDENT] * len(frames)

    def submit(self, frames: Sequence[FrameFacts]) -> int | None:
        """See `Schedule`."""
        fresh = [i for i, frame in enumerate(frames) if self._is_fresh(frame)]
        if not fresh:
            return None
        order = {camera: i for i, camera in enumerate(self.ledger.cameras)}
        chosen = min(
            fresh, key=lambda i: (self.ledger.of(frames[i].camera).turn, order[frames[i].camera])
        )
        camera, stamp_ns = frames[chosen].camera, frames[chosen].stamp_ns
        now_ns = self.ledger.now_ns(camera, stamp_ns)
        if not self._budget.affords(now_ns):
            return None
        if self._is_another_ones_turn(frames, self.ledger.of(camera).turn, now_ns):
            return None
        self._charged_ms[camera] = self._budget.cost_ms
        self._budget.charge(self._charged_ms[camera], now_ns)
        first = self.ledger.of(camera).keyframe_ns is None
        self.ledger.keyframe(camera, stamp_ns, reason='first' if first else 'idle')
        return chosen

    def served(self, report: FrameReport) -> None:
        """See `Schedule`."""
        self.ledger.served(report, reason='')

    def teacher_took(self, camera: str, milliseconds: float) -> None:
        """See `Schedule`."""
        self.ledger.of(camera)
        charged_ms = self._charged_ms.pop(camera, None)
        self.ledger.took(milliseconds)
        if self._declared_ms == 0 and charged_ms is not None:
            self._budget.charge(milliseconds - charged_ms, self.ledger.elapsed_ns)

    def reset(self, camera: str) -> None:
        """See `Schedule`."""
        self.ledger.reset(camera)

    def take_over(self, old: Schedule) -> None:
        """See `Schedule`."""
        self.ledger.adopt(old.ledger)
        self._budget.settle(self.ledger.elapsed_ns)
        if isinstance(old, AsynchronousSchedule):
            self._charged_ms = dict(old._charged_ms)

    def diagnostics(self) -> Mapping[str, bool | int | float | str]:
        """See `Schedule`."""
        return self.ledger.diagnostics()

    def _is_another_ones_turn(self, frames: Sequence[FrameFacts], turn: int, now_ns: int) -> bool:
        """Whether a camera without a frame in this step was passed over and will soon have one."""
        there = {frame.camera for frame in frames}
        passed_over = min(turn - 1, self.ledger.turn - _ROUNDS * len(self.ledger.cameras))
        absent = (self.ledger.of(c) for c in self.ledger.cameras if c not in there)
        return any(r.turn <= passed_over and r.is_sending(now_ns) for r in absent)

    def _is_fresh(self, frame: FrameFacts) -> bool:
        given_ns = self.ledger.of(frame.camera).keyframe_ns
        return given_ns is None or frame.stamp_ns > given_ns
