"""Teacher when the scene asks for it, within a budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
import math

from mot_compress_ros.keyframe.budget import Budget
from mot_compress_ros.keyframe.config import KeyframeConfig
from mot_compress_ros.keyframe.frames import FrameFacts, FrameReport, Role
from mot_compress_ros.keyframe.ledger import Ledger
from mot_compress_ros.keyframe.synchronous import Rule

_GAIN = 2 / (4 + 1)  # an exponential mean that weighs as a mean over 4 frames does
_TURN_OF_ONE = 0.25  # a quarter of the image is new, and the prior says nothing of it
_IN_A_ROW = 2
_VERY_BAD = 2.0


@dataclass
class Signals:
    """What speaks for a keyframe of one camera, since its last one.

    Attributes:
        disagreement: exponential mean over about 4 frames, from 0 at the keyframe.
        missed: share of tracks that the last frame did not show, beyond `missed_by_teacher`.
        missed_by_teacher: what the keyframe did not show either; lower where a frame showed more.
        born: share of tracks that began with the last frame.
        turned: sum over the frames; 1 for a quarter of the image's width.
        frames_above: frames in a row, up to the last, whose sum reached the threshold.
    """

    missed_by_teacher: float = 0.0
    disagreement: float = 0.0
    missed: float = 0.0
    born: float = 0.0
    turned: float = 0.0
    frames_above: int = 0

    def add(self, report: FrameReport, *, threshold: float) -> None:
        """Take in a frame of the student."""
        if report.disagreement is not None:
            self.disagreement += _GAIN * (report.disagreement - self.disagreement)
        self.missed_by_teacher = min(self.missed_by_teacher, report.missed)
        self.missed = report.missed - self.missed_by_teacher
        self.born = report.born
        self.turned += report.turned / _TURN_OF_ONE
        self.frames_above = self.frames_above + 1 if self.total >= threshold else 0

    @property
    def parts(self) -> dict[str, float]:
        """What the sum is made of, by its reason."""
        return {
            'disagreement': self.disagreement,
            'missed': self.missed,
            'born': self.born,
            'turned': self.turned,
        }

    @property
    def total(self) -> float:
        """The sum that is held against the threshold."""
        return math.fsum(self.parts.values())

    def reason(self, threshold: float) -> str:
        """The largest part where they ask for a keyframe, else ''."""
        bad = self.frames_above >= _IN_A_ROW or self.total >= _VERY_BAD * threshold
        if bad and self.total > 0:
            return max(self.parts, key=lambda name: self.parts[name])
        return ''


class Adaptive:
    """A keyframe when enough went wrong since the last one, or when that is too old.

    Disagreement, missed tracks, new tracks and turning are added up. The sum must reach
    `threshold` in two frames in a row, or twice the threshold in one: a single bad frame of the
    student, by blur or a damaged image, rights itself in the next, and the teacher could only look
    at that next one; what lasts costs one frame of delay. What the last keyframe did not show
    either, such as a car behind a truck, does not count as missed: another keyframe would not show
    it, and would be asked for over and over.

    Without any of this a keyframe comes when `interval` frames are over; none comes sooner than
    `min_interval` frames after the one before it (`interval`, where that is less). A camera
    without a keyframe asks for one at once, so several cameras begin in steps next to each other.
    What is asked for waits until `Budget` has the milliseconds, and the fuller that is, the less
    it takes to ask.
    """

    compares = True

    def __init__(self, config: KeyframeConfig, ledger: Ledger) -> None:
        self._config = config
        self._ledger = ledger
        self._budget = Budget(config, ledger)
        self._signals = {camera: Signals() for camera in ledger.cameras}

    def signals(self, camera: str) -> Signals:
        """What speaks for a keyframe of `camera`; to be read."""
        return self._signals[camera]

    def demand(self, frame: FrameFacts) -> str:
        """See `Rule`."""
        since, config = self._ledger.of(frame.camera).since, self._config
        if since is None:
            return 'first'
        if since + 1 < min(config.min_interval, config.interval):
            return ''
        now_ns = self._ledger.now_ns(frame.camera, frame.stamp_ns)
        asked = self._signals[frame.camera].reason(self._threshold(now_ns))
        return asked or ('age' if since + 1 >= config.interval else '')

    def allows(self, frame: FrameFacts) -> bool:
        """See `Rule`."""
        return self._budget.affords(self._ledger.now_ns(frame.camera, frame.stamp_ns))

    def served(self, report: FrameReport) -> None:
        """See `Rule`."""
        now_ns = self._ledger.now_ns(report.camera, report.stamp_ns)
        if report.role is Role.STUDENT:
            self._signals[report.camera].add(report, threshold=self._threshold(now_ns))
            return
        self._signals[report.camera] = Signals(missed_by_teacher=report.missed)
        self._budget.charge(self._config.teacher_ms or report.network_ms, now_ns)

    def take_over(self, old: Rule | None) -> None:
        """See `Rule`."""
        self._budget.settle(self._ledger.elapsed_ns)
        if isinstance(old, Adaptive):
            for camera in self._signals.keys() & old._signals.keys():
                self._signals[camera] = replace(old._signals[camera])

    def _threshold(self, now_ns: int) -> float:
        """What the sum is held against: `threshold`, where there is no budget.

        With one it is that at a bucket that is half full. It falls to 0 as the bucket fills, since
        what a full one is given is lost, and rises to twice as much as it empties. So a budget is
        spent, and where most is wrong.
        """
        left = self._budget.left_share(now_ns)
        return self._config.threshold * (1.0 if left is None else 2 * (1 - left))

    def diagnostics(self) -> Mapping[str, bool | int | float | str]:
        """See `Rule`."""
        found: dict[str, bool | int | float | str] = {
            f'signals.{camera}': signals.total for camera, signals in self._signals.items()
        }
        if self._config.budget_ms_per_s > 0:
            found['budget_debt_ms'] = self._budget.debt_ms(self._ledger.elapsed_ns)
        return found
