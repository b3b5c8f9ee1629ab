"""What a person should be told of the teacher, and how often its results are used.

Plain Python: the wording and the windows can be tested without a node. The thread that steps the
pipeline notes, the executor reads.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
import time
from typing import Protocol

from mot_compress_ros.keyframe import TeacherState

WINDOW_FRAMES = 300  # as many as the latencies are over
# A teacher that has come back may fail at its next frame; it has proved nothing until it answers
# one, or, where no keyframe is asked for, has stood this much longer than a frame may take.
TRUST_S = 3.0
# One is refused wherever a stream begins anew.
TOO_LATE_IN_A_ROW = 3


class TeacherLike(Protocol):
    """What is read of `keyframe.Teacher`."""

    @property
    def state(self) -> TeacherState:
        """Whether it can be asked."""

    @property
    def reason(self) -> str:
        """Of the last failure, until an answer comes."""

    @property
    def worker_name(self) -> str:
        """Where it works."""


class TeacherMonitor:
    """Follows one teacher from step to step.

    Args:
        timeout_s: how long it may take for a frame.
        clock: seconds that never go back.

    Attributes:
        trouble: why the student is alone, in words; '' where it is not.
    """

    def __init__(self, *, timeout_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.trouble = ''
        self._trust_s = timeout_s + TRUST_S
        self._clock = clock
        self._ready_since_s: float | None = None

    def note(self, teacher: TeacherLike) -> str:
        """Take in how the teacher is now; '' where nothing changed, else what to log of it.

        What begins with 'teacher failed' or 'teacher is starting' is a warning, the rest is good
        news.
        """
        before, self.trouble = self.trouble, self._assess(teacher)
        if self.trouble == before:
            return ''
        return self.trouble or f'teacher is back: {teacher.worker_name}'

    def _assess(self, teacher: TeacherLike) -> str:
        state, reason = teacher.state, teacher.reason
        if state is not TeacherState.READY:
            self._ready_since_s = None
            if reason:
                return f'teacher failed: {reason}; student alone'
            return 'teacher is starting; student alone'
        if self._ready_since_s is None:
            self._ready_since_s = self._clock()
        proven = not reason or self._clock() - self._ready_since_s > self._trust_s
        return '' if proven or not self.trouble else self.trouble


class LatenessMonitor:
    """Notices a teacher beside whose results come too late, one after the other.

    Too late for the tracks, or to tell the student. It works in vain then, and nothing else would
    show it.

    Attributes:
        trouble: what is wrong and what to do; '' where it is not.
    """

    def __init__(self) -> None:
        self.trouble = ''
        self._used = self._refused = 0
        self._told = self._used_at_told = 0

    def note(self, counters: Mapping[str, int], *, beside: bool, tells: bool = False) -> str:
        """Take in the counters of the pipeline after a step; what to log, '' for nothing.

        Args:
            counters: of `Health`.
            beside: whether the teacher works beside the student now.
            tells: whether the student is to be told of its results.
        """
        before = self.trouble
        used, refused = counters.get('late_results', 0), counters.get('late_results_refused', 0)
        told = counters.get('told_frames', 0)
        if told != self._told or not (beside and tells):
            self._told, self._used_at_told = told, used
        if used != self._used or not beside:
            self._used, self._refused, self.trouble = used, refused, ''
        if refused - self._refused >= TOO_LATE_IN_A_ROW:
            self.trouble = (
                'results of the teacher come too late to be used: raise tracker.late_frames, '
                'or take a faster teacher'
            )
        elif used - self._used_at_told >= TOO_LATE_IN_A_ROW:
            self.trouble = (
                'results of the teacher are older than keyframe.max_age_s when they come, the '
                'student is not told of them: raise it, or take a faster teacher'
            )
        if self.trouble == before:
            return ''
        return self.trouble or 'results of the teacher come in time again'


class KeyframeRatio:
    """Share of the tracked frames for which a result of the teacher was used.

    Attributes:
        lately: over about the last `WINDOW_FRAMES` frames.
        overall: since the beginning.
    """

    def __init__(self, *, window_frames: int = WINDOW_FRAMES) -> None:
        self.lately = self.overall = 0.0
        self._window_frames = window_frames
        self._totals: deque[tuple[int, int]] = deque([(0, 0)])  # frames, keyframes

    def note(self, counters: Mapping[str, int]) -> None:
        """Take in the counters of the pipeline after a step."""
        frames, keyframes = counters.get('frames_processed', 0), counters.get('keyframes', 0)
        if frames == self._totals[-1][0]:
            return
        self._totals.append((frames, keyframes))
        while len(self._totals) > 2 and frames - self._totals[1][0] >= self._window_frames:
            self._totals.popleft()
        first_frames, first_keyframes = self._totals[0]
        self.lately = (keyframes - first_keyframes) / (frames - first_frames)
        self.overall = keyframes / frames
