"""Teacher every K frames, where it fits into the frame period."""

from __future__ import annotations

from collections.abc import Mapping

from mot_compress_ros.keyframe.config import KeyframeConfig
from mot_compress_ros.keyframe.fixed import EveryK
from mot_compress_ros.keyframe.frames import FrameFacts, FrameReport, Role
from mot_compress_ros.keyframe.ledger import Ledger, p95
from mot_compress_ros.keyframe.synchronous import Rule

# A teacher that never runs is never measured again, and one slow second would stop it for good.
_PATIENCE_NS = 10_000_000_000
_DOUBLED_AT_MOST = 3
_SECOND_LOOK_NS = 1_000_000_000  # the first frame of a network is often its slowest


class WithinDeadline:
    """A keyframe that is due by `EveryK` runs only in a step that it will not make late.

    A step is expected to take the overhead, p95 of what this camera's latest 30 steps took
    without the teacher and without its own student, and the teacher's p95 of its latest 30
    frames; `teacher_ms` counts until there is one. That must fit into `deadline_share` of the
    camera's frame period, the median of its latest 30 stamp differences. A keyframe that does not
    fit waits until it does.

    While one of the three is not known, as on the first frame, when nothing waits yet, a keyframe
    runs to learn it. When the teacher has not run for 10 s because it does not fit, for one second
    where that is known from a single frame, one keyframe runs all the same, and its time replaces
    those known before; where it does not fit again the next trial is after 10 s, then 20, then 40,
    then every 80. Those frames may be late.
    """

    compares = False

    def __init__(self, config: KeyframeConfig, ledger: Ledger) -> None:
        self._every_k = EveryK(config, ledger)
        self._share = config.deadline_share
        self._declared_ms = config.teacher_ms
        self._ledger = ledger
        self._trials = 0

    def fits(self, camera: str) -> bool | None:
        """Whether a keyframe of `camera` fits into its period now; None where it is not known."""
        record, period_ms = self._ledger.of(camera), self._ledger.of(camera).period_ms
        teacher_ms = p95(self._ledger.teacher_ms) if self._ledger.teacher_ms else self._declared_ms
        if period_ms is None or not record.overheads_ms or teacher_ms <= 0:
            return None
        return p95(record.overheads_ms) + teacher_ms <= self._share * period_ms

    def demand(self, frame: FrameFacts) -> str:
        """See `Rule`."""
        return self._every_k.demand(frame)

    def allows(self, frame: FrameFacts) -> bool:
        """See `Rule`."""
        return self.fits(frame.camera) is not False or self._may_try(frame)

    def served(self, report: FrameReport) -> None:
        """See `Rule`."""
        if report.role is not Role.TEACHER:
            return
        if self.fits(report.camera) is False:
            self._ledger.teacher_ms.clear()
            self._trials += 1
        else:
            self._trials = 0

    def take_over(self, old: Rule | None) -> None:
        """See `Rule`."""
        if isinstance(old, WithinDeadline):
            self._trials = old._trials

    def diagnostics(self) -> Mapping[str, bool | int | float | str]:
        """See `Rule`; `fits` is there once it is known, and true where it fits every camera."""
        known = [fits for c in self._ledger.cameras if (fits := self.fits(c)) is not None]
        return {'fits': all(known)} if known else {}

    def _may_try(self, frame: FrameFacts) -> bool:
        last_ns = self._ledger.teacher_at_ns or 0
        patience_ns = _PATIENCE_NS << min(max(self._trials - 1, 0), _DOUBLED_AT_MOST)
        if self._ledger.turn == 1:
            patience_ns = _SECOND_LOOK_NS
        return self._ledger.now_ns(frame.camera, frame.stamp_ns) - last_ns >= patience_ns
