"""What one camera's stream is doing, and what a person should be told about it.

Plain Python: the thresholds and the wording can be tested without a node.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import IntEnum
import threading
import time

WINDOW = 50  # arrivals over which rates are taken: under two seconds of a 30 Hz camera


class Level(IntEnum):
    """Levels of diagnostic_msgs/DiagnosticStatus."""

    OK = 0
    WARN = 1
    ERROR = 2
    STALE = 3


@dataclass(frozen=True, kw_only=True)
class Activity:
    """A snapshot of one camera's stream; rates and ages are by a monotonic clock.

    Attributes:
        received, ignored, lost: counts of messages: taken in, come while inactive, lost in
            transport.
        processed, duplicates, late, dropped, bad: what became of those taken in: tracked, known
            already, older than what was tracked, replaced by a newer one or thrown away at
            deactivation, not decodable or not trackable. They add up to `received`.
        non_increasing: messages whose stamp was not newer than the one before.
        recent_bad: bad messages among the last outcomes.
        recent_non_increasing: non-increasing stamps among the last arrivals.
        recent_lost: messages the middleware lost since the last 50 arrivals.
        silence_s: seconds since the last message, or since activation where none came.
        idle_s: the same for tracked frames.
        frame_rate_node_hz, frame_rate_msg_hz: rate of arrivals, by clock and by stamps.
        delay_ms: stamp to publication by the node's clock; None before the first.
    """

    received: int
    processed: int
    duplicates: int
    late: int
    dropped: int
    bad: int
    ignored: int
    lost: int
    non_increasing: int
    recent_bad: int
    recent_non_increasing: int
    recent_lost: int
    silence_s: float
    idle_s: float
    frame_rate_node_hz: float
    frame_rate_msg_hz: float
    delay_ms: float | None
    active_tracks: int
    last_error: str


_COUNTS = (
    *('received', 'processed', 'duplicates', 'late', 'dropped', 'bad'),
    *('ignored', 'lost', 'non_increasing'),
)


class CameraMonitor:
    """Counts what happens to one camera's messages; called by the executor and the worker."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = dict.fromkeys(_COUNTS, 0)
        self._delay_ms: float | None = None
        self._active_tracks = 0
        self._last_error = ''
        self._begin()

    def _begin(self) -> None:
        now = time.monotonic()
        self._last_arrival = self._last_processed = now
        self._arrivals: deque[tuple[float, int]] = deque(maxlen=WINDOW)  # (seconds, stamp_ns)
        self._non_increasing: deque[bool] = deque(maxlen=WINDOW)
        self._losses: deque[int] = deque([0], maxlen=WINDOW)  # before each arrival
        self._outcomes_bad: deque[bool] = deque(maxlen=WINDOW)

    def begin(self) -> None:
        """Start the rates and the clocks of silence anew, at activation; counts go on."""
        with self._lock:
            self._begin()
            self._active_tracks = 0

    def arrived(self, *, stamp_ns: int) -> None:
        """Count a message that was taken in."""
        with self._lock:
            self._last_arrival = time.monotonic()
            stale = bool(self._arrivals) and stamp_ns <= self._arrivals[-1][1]
            self._arrivals.append((self._last_arrival, stamp_ns))
            self._non_increasing.append(stale)
            self._losses.append(0)
            self._counts['received'] += 1
            self._counts['non_increasing'] += stale

    def dropped(self) -> None:
        """Count a message that nobody looked at: for a newer one, or for a deactivation."""
        with self._lock:
            self._counts['dropped'] += 1

    def late(self) -> None:
        """Count a frame that came after a newer one was tracked."""
        with self._lock:
            self._counts['late'] += 1

    def ignored(self) -> None:
        """Count a message that came while the node was not active."""
        with self._lock:
            self._counts['ignored'] += 1

    def lost(self, n: int) -> None:
        """Count messages the middleware says it lost."""
        with self._lock:
            self._counts['lost'] += n
            self._losses[-1] += n

    def failed(self, reason: str) -> None:
        """Count a message that could not be decoded or tracked."""
        with self._lock:
            self._counts['bad'] += 1
            self._outcomes_bad.append(True)
            self._last_error = reason

    def tracked(self, *, active_tracks: int, delay_ms: float, is_duplicate: bool = False) -> None:
        """Count a frame whose tracks were published; of a duplicate they are known already."""
        with self._lock:
            self._last_processed = time.monotonic()
            self._counts['duplicates' if is_duplicate else 'processed'] += 1
            self._outcomes_bad.append(False)
            self._active_tracks = active_tracks
            self._delay_ms = delay_ms

    def activity(self) -> Activity:
        """The state of the stream now."""
        with self._lock:
            now = time.monotonic()
            rate_node, rate_msg = _rates(self._arrivals, now_s=now)
            return Activity(
                **self._counts,
                recent_bad=sum(self._outcomes_bad),
                recent_non_increasing=sum(self._non_increasing),
                recent_lost=sum(self._losses),
                silence_s=now - self._last_arrival,
                idle_s=now - self._last_processed,
                frame_rate_node_hz=rate_node,
                frame_rate_msg_hz=rate_msg,
                delay_ms=self._delay_ms,
                active_tracks=self._active_tracks,
                last_error=self._last_error,
            )


def _rates(arrivals: deque[tuple[float, int]], *, now_s: float) -> tuple[float, float]:
    """Arrivals per second by clock and by stamps; 0 where there are too few to tell.

    By the clock, silence counts: who has waited a second for an image does not get thirty. Up to
    two periods are left to jitter.
    """
    if len(arrivals) < 2:
        return 0.0, 0.0
    intervals = len(arrivals) - 1
    clock_s = arrivals[-1][0] - arrivals[0][0]
    stamps_s = (arrivals[-1][1] - arrivals[0][1]) / 1e9
    silence_s = now_s - arrivals[-1][0]
    at_most_hz = 2 / silence_s if silence_s > 0 else float('inf')
    return (
        min(intervals / clock_s, at_most_hz) if clock_s > 0 else 0.0,
        intervals / stamps_s if stamps_s > 0 else 0.0,
    )


def assess_camera(
    activity: Activity, *, topic: str, publishers: int, incompatible_qos: str, stale_after_s: float
) -> tuple[Level, str]:
    """Level and advice for the stream of an active node, the gravest reason first.

    Args:
        activity: what the stream is doing.
        topic: full name of the image topic.
        publishers: publishers found on it.
        incompatible_qos: the policy on which a publisher and the node disagree, or ''.
        stale_after_s: silence that is no longer normal.
    """
    if incompatible_qos and activity.silence_s > stale_after_s:
        return Level.ERROR, (
            f'a publisher on {topic} offers another {incompatible_qos}, so nothing comes through; '
            f'set qos_overrides.{topic}.subscription.{incompatible_qos.lower()} or the publisher'
        )
    if publishers == 0:
        return Level.ERROR, f'no publisher on {topic}: is the camera up, is the name remapped?'
    if activity.recent_lost and activity.silence_s > stale_after_s:
        return Level.ERROR, f'no image on {topic}: {_loss(activity, topic)}'
    if activity.received == 0:
        return Level.STALE, f'no image yet on {topic}'
    if activity.silence_s > stale_after_s:
        return Level.STALE, f'no image on {topic} for {activity.silence_s:.1f} s'
    if activity.idle_s > stale_after_s:
        reason = activity.last_error or 'the model is slower than that'
        return Level.ERROR, f'images come, none tracked for {activity.idle_s:.1f} s: {reason}'
    if activity.recent_lost:
        return Level.WARN, _loss(activity, topic)
    if activity.recent_bad:
        return Level.WARN, f'{activity.recent_bad} bad images of late: {activity.last_error}'
    if activity.recent_non_increasing:
        return Level.WARN, (
            f'{activity.recent_non_increasing} stamps of late were not newer than the one before: '
            'a bag that loops, two publishers, or a driver without stamps'
        )
    return Level.OK, f'{activity.active_tracks} tracks'


def _loss(activity: Activity, topic: str) -> str:
    """Best effort over shared memory or UDP loses images of more than about half a megabyte."""
    return (
        f'{activity.recent_lost} images lost in transport of late: too large for best effort? set '
        f'qos_overrides.{topic}.subscription.reliability to reliable if the publisher is, use '
        'compressed images, or see large images in docs/node.md'
    )
