"""What a schedule remembers: the same for every mode, so that one mode can follow another."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
import copy
from dataclasses import dataclass, field
import math
from statistics import fmean, median

from mot_compress_ros.errors import InvalidDataError
from mot_compress_ros.keyframe.frames import FrameReport, Role

# Long enough for a p95 with a frame above it, short enough to follow a change within seconds.
_LATEST = 30
# A frame or two may be dropped on the way; a camera that stopped must not be waited for.
_SILENT_PERIODS = 3


def _latest() -> deque[float]:
    return deque(maxlen=_LATEST)


def p95(values: Sequence[float] | deque[float]) -> float:
    """The nearest-rank 95th percentile of at least one value."""
    return sorted(values)[math.ceil(0.95 * len(values)) - 1]


@dataclass
class CameraRecord:
    """What is remembered of one camera.

    Attributes:
        served: frames since the camera began, or began anew.
        since: frames served after the last keyframe; None where there was none yet.
        keyframe_ns: stamp of the last keyframe, None where there was none yet.
        turn: number of that keyframe among those of all cameras, from 1; 0 for none.
        waiting_since_ns: stamp of the first frame that should have been a keyframe and was not,
            since the last one; None where none waits.
        began_anew: whether it was reset: it no longer waits for its place among the cameras.
        latest_ns: stamp of the last frame; None before it.
        elapsed_ns: time of the ledger at that frame.
        periods_ns: latest differences of its stamps.
        overheads_ms: what the latest steps took beside the teacher and this camera's student.
        last_reason: why its last keyframe was one; '' before it.
    """

    served: int = 0
    since: int | None = None
    keyframe_ns: int | None = None
    turn: int = 0
    waiting_since_ns: int | None = None
    began_anew: bool = False
    latest_ns: int | None = None
    elapsed_ns: int = 0
    periods_ns: deque[float] = field(default_factory=_latest)
    overheads_ms: deque[float] = field(default_factory=_latest)
    last_reason: str = ''

    def waited_ns(self, stamp_ns: int) -> int:
        """How long a keyframe has been waiting at the frame of `stamp_ns`."""
        return 0 if self.waiting_since_ns is None else max(0, stamp_ns - self.waiting_since_ns)

    def is_sending(self, now_ns: int) -> bool:
        """Whether another frame can be expected, at `now_ns` of the ledger's time."""
        if self.latest_ns is None or not self.periods_ns:
            return False
        return now_ns - self.elapsed_ns <= _SILENT_PERIODS * median(self.periods_ns)

    @property
    def period_ms(self) -> float | None:
        """Median of the latest stamp differences; None before the second frame."""
        return median(self.periods_ns) / 1e6 if self.periods_ns else None


class Ledger:
    """What happened to the cameras of a pipeline, and what the teacher cost.

    Its time is the elapsed time of the streams in ns: it goes on with the stamps of whichever
    camera goes on, so cameras with clocks of their own do no harm, and a camera that begins anew
    at other stamps neither turns it back nor makes it jump.
    """

    def __init__(self, cameras: Sequence[str]) -> None:
        self._records = {camera: CameraRecord() for camera in cameras}
        self.turn = 0  # keyframes so far
        self.elapsed_ns = 0
        self.reasons: Counter[str] = Counter()
        self.teacher_ms = _latest()
        self.teacher_at_ns: int | None = None  # time of the last keyframe of any camera
        self.spent_ms = 0.0  # see Budget
        self.spent_at_ns = 0

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names, in the order of their turns."""
        return tuple(self._records)

    @property
    def last_reason(self) -> Mapping[str, str]:
        """Why each camera's last keyframe was one; cameras without any are left out."""
        return {c: r.last_reason for c, r in self._records.items() if r.last_reason}

    def of(self, camera: str) -> CameraRecord:
        """The record of `camera`.

        Raises:
            InvalidDataError: there is no such camera.
        """
        if camera not in self._records:
            raise InvalidDataError(
                f'keyframes of camera {camera!r}: expected one of {", ".join(self._records)}'
            )
        return self._records[camera]

    def now_ns(self, camera: str, stamp_ns: int) -> int:
        """The time that it is at a frame of `camera`."""
        record = self.of(camera)
        if record.latest_ns is None:
            return self.elapsed_ns
        own_ns = record.elapsed_ns + max(0, stamp_ns - record.latest_ns)
        return max(self.elapsed_ns, own_ns)

    def served(self, report: FrameReport, *, reason: str) -> None:
        """Take in a served frame.

        Args:
            report: what came of it.
            reason: why it should have been a keyframe; '' where it should not.
        """
        self._pass_time(report)
        record = self.of(report.camera)
        record.served += 1
        if report.total_ms > 0:
            own_ms = report.network_ms if report.role is Role.STUDENT else 0.0
            teacher_ms = report.step_teacher_ms
            if report.role is Role.TEACHER:
                teacher_ms = max(teacher_ms, report.network_ms)
            record.overheads_ms.append(max(0.0, report.total_ms - teacher_ms - own_ms))
        if report.role is Role.TEACHER:
            self.keyframe(report.camera, report.stamp_ns, reason=reason or 'other')
            self.took(report.network_ms)
            return
        # The frame that a teacher beside has is the keyframe itself, not one after it.
        if record.since is not None and report.stamp_ns != record.keyframe_ns:
            record.since += 1
        if not reason:
            record.waiting_since_ns = None
        elif record.waiting_since_ns is None or report.teacher_failed:
            record.waiting_since_ns = report.stamp_ns  # who has had a try goes behind the others

    def keyframe(self, camera: str, stamp_ns: int, *, reason: str) -> None:
        """The teacher has, or has been given, a frame."""
        record = self.of(camera)
        self.turn += 1
        record.since, record.keyframe_ns, record.turn = 0, stamp_ns, self.turn
        record.waiting_since_ns, record.last_reason = None, reason
        self.teacher_at_ns = self.now_ns(camera, stamp_ns)
        self.reasons[reason] += 1

    def took(self, milliseconds: float) -> None:
        """The teacher worked this long for a frame; 0 says that it was not measured."""
        if milliseconds > 0:
            self.teacher_ms.append(milliseconds)

    def cost_ms(self, declared_ms: float) -> float:
        """What a keyframe costs: as declared, else the latest mean; 0 where nothing is known."""
        if declared_ms > 0:
            return declared_ms
        return fmean(self.teacher_ms) if self.teacher_ms else 0.0

    def reset(self, camera: str) -> None:
        """Forget the keyframes of `camera` and where its stamps were."""
        old = self.of(camera)
        self._records[camera] = CameraRecord(
            began_anew=True,
            periods_ns=old.periods_ns,
            overheads_ms=old.overheads_ms,
            last_reason=old.last_reason,
        )

    def diagnostics(self) -> dict[str, bool | int | float | str]:
        """Keyframes per reason, the last reason per camera, and what the teacher costs."""
        found: dict[str, bool | int | float | str] = {
            f'keyframes.{reason}': n for reason, n in sorted(self.reasons.items())
        }
        found.update((f'last_reason.{c}', reason) for c, reason in self.last_reason.items())
        if self.teacher_ms:
            found['teacher_ms'] = fmean(self.teacher_ms)
        return found

    def adopt(self, old: Ledger) -> None:
        """Become a copy of `old`, for the cameras that are here."""
        copied = copy.deepcopy(old)
        copied._records = {c: copied._records.get(c, own) for c, own in self._records.items()}
        vars(self).update(vars(copied))

    def _pass_time(self, report: FrameReport) -> None:
        record = self.of(report.camera)
        self.elapsed_ns = self.now_ns(report.camera, report.stamp_ns)
        if record.latest_ns is not None and report.stamp_ns > record.latest_ns:
            record.periods_ns.append(report.stamp_ns - record.latest_ns)
        record.latest_ns, record.elapsed_ns = report.stamp_ns, self.elapsed_ns
