"""Which network a frame's tracks come from, and how many frames ago the teacher last looked.

The node's debug image and the recording both say it, from the same two values per frame: the
network whose detections the tracker got (`Tracks.source`), and the age of what the teacher last
said. A teacher that works beside the student sees frame k and is heard at frame k + d; the age
then falls to that of frame k, though no frame is the teacher's own.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

TEACHER, STUDENT = 'teacher', 'student'
# A result that comes later than so many frames after its own is of no use to any tracker.
_FRAMES_KEPT = 256


@dataclass(frozen=True, kw_only=True)
class FrameSource:
    """What there is to say of one frame.

    Attributes:
        network: 'teacher' or 'student', whose detections made the frame's tracks.
        since_keyframe: frames from the last keyframe whose result is known to this one; 0 on a
            keyframe itself, None before the first.
        heard_stamp_ns: stamp of the keyframe whose result is new with this frame: the frame's own
            on a keyframe, an earlier one's where the result came late; None where none is new.
    """

    network: str
    since_keyframe: int | None
    heard_stamp_ns: int | None = None

    @property
    def is_keyframe(self) -> bool:
        """Whether the teacher's detections made this frame's tracks."""
        return self.network == TEACHER


class SourceLog:
    """Follows the frames of one camera; call `note` for each that was tracked, in their order."""

    def __init__(self) -> None:
        self._stamps_ns: deque[int] = deque(maxlen=_FRAMES_KEPT)
        self._keyframe_ns: int | None = None
        self._since_keyframe: int | None = None
        self._latest: FrameSource | None = None
        self._is_told = False  # whether an age came with the latest frame

    def note(
        self, *, stamp_ns: int, network: str, teacher_age_s: float | None = None
    ) -> FrameSource:
        """What there is to say of the frame at `stamp_ns`.

        Args:
            stamp_ns: of the frame. The stamp of the frame before gives the same answer again; an
                earlier one begins anew.
            network: `Tracks.source` of the frame.
            teacher_age_s: age, at this frame, of what the teacher last said; None where that is
                not known: never told, or forgotten where the stream began anew.
        """
        if self._stamps_ns and stamp_ns <= self._stamps_ns[-1]:
            if stamp_ns == self._stamps_ns[-1] and self._latest is not None:
                return self._latest
            self._forget()
        if teacher_age_s is None and self._is_told:
            self._forget()
        self._is_told = teacher_age_s is not None
        self._stamps_ns.append(stamp_ns)
        heard_ns = stamp_ns if network == TEACHER else self._newly_heard_ns(teacher_age_s)
        if heard_ns is not None:
            self._keyframe_ns = heard_ns
            self._since_keyframe = sum(known_ns > heard_ns for known_ns in self._stamps_ns)
        elif self._since_keyframe is not None:
            self._since_keyframe += 1
        self._latest = FrameSource(
            network=network, since_keyframe=self._since_keyframe, heard_stamp_ns=heard_ns
        )
        return self._latest

    def _forget(self) -> None:
        self._stamps_ns.clear()
        self._keyframe_ns = self._since_keyframe = self._latest = None

    def _newly_heard_ns(self, age_s: float | None) -> int | None:
        """Stamp of the frame that the teacher saw last, where it is later than the last known."""
        if age_s is None:
            return None
        seen_ns = self._stamps_ns[-1] - round(age_s * 1e9)
        nearest_ns = min(self._stamps_ns, key=lambda known_ns: abs(known_ns - seen_ns))
        is_new = self._keyframe_ns is None or nearest_ns > self._keyframe_ns
        return nearest_ns if is_new else None
