"""Plays a source into a node: at the pace of its stamps, or in lock-step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
import queue
import threading
import time
from typing import TypeVar

from mot_compress_ros.ros.client import TrackerClient
from mot_compress_ros.ros.listener import Listener
from mot_compress_ros.ros.outgoing import Outgoing

T = TypeVar('T')
# A longer pause between two stamps is a cut in the recording; nobody wants to sit through it.
_LONGEST_PAUSE_S = 2.0
_SHORTEST_SPIN_S = 0.001
_SETTLE_S = 10.0
# Frames that the node says it will not answer.
_REFUSALS = ('late_frames', 'frames_bad')
_AHEAD = 4


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How fast to play.

    Attributes:
        rate: 1 is as recorded, 2 twice as fast.
        fps_hz: what stamps that do not rise are replaced with.
        lockstep: send a frame only after the tracks of the one before have come.
        answer_timeout_s: how long to wait for them.
    """

    rate: float
    fps_hz: float
    lockstep: bool
    answer_timeout_s: float = 60.0

    def pause_s(self, *, from_ns: int, to_ns: int) -> float:
        """Time between two frames as it is played, seconds."""
        step_s = (to_ns - from_ns) / 1e9
        if not 0 < step_s <= _LONGEST_PAUSE_S:
            step_s = 1 / self.fps_hz
        return step_s / self.rate


class Player:
    """Sends messages to one camera of a node.

    Args:
        client: the other end of the node's topics; it reports to `listener`.
        listener: keeps what comes back.
        camera: name of the camera.
        pace: how fast.
    """

    def __init__(
        self,
        client: TrackerClient,
        listener: Listener,
        *,
        camera: str,
        pace: Pace,
    ) -> None:
        self._client = client
        self._listener = listener
        self._camera = camera
        self._pace = pace
        self._due_s = 0.0
        self._refused = 0
        self._previous_ns: int | None = None

    def play(self, messages: Iterable[Outgoing], *, on_frame: Callable[[], None]) -> None:
        """Send every message, then wait for the last answer.

        Args:
            messages: what to send.
            on_frame: called after each, for a status line.

        Raises:
            TimeoutError: in lock-step, no tracks came.
        """
        with read_ahead(messages) as ready:
            for item in ready:
                if self._pace.lockstep:
                    self._exchange(item)
                else:
                    self._wait_until_due(item.stamp_ns)
                    self._listener.sending(item.stamp_ns)
                    self._client.publish(self._camera, item.message)
                on_frame()
        self._client.spin_until(self._is_settled, timeout_s=_SETTLE_S)
        on_frame()

    def _wait_until_due(self, stamp_ns: int) -> None:
        """Receive until the next frame is due."""
        if self._previous_ns is None:
            self._due_s = time.monotonic()
        else:
            self._due_s += self._pace.pause_s(from_ns=self._previous_ns, to_ns=stamp_ns)
        self._previous_ns = stamp_ns
        self._client.spin(max(self._due_s - time.monotonic(), _SHORTEST_SPIN_S))

    def _exchange(self, item: Outgoing) -> None:
        """Send a frame and receive until its tracks are there, or the node will not track it."""
        self._refused = self._refusals()
        self._listener.sending(item.stamp_ns)
        self._client.insist(
            self._camera,
            item.message,
            until=self._is_settled,
            timeout_s=self._pace.answer_timeout_s,
        )

    def _is_settled(self) -> bool:
        """Whether the last frame has its tracks, or will have none."""
        refused = self._pace.lockstep and self._refusals() > self._refused
        return refused or self._listener.settled()

    def _refusals(self) -> int:
        """Frames of the camera that the node counted without tracks, by its last diagnostics."""
        values = self._client.values('node')
        return sum(int(values.get(name, 0)) for name in _REFUSALS)


@dataclass(frozen=True)
class _Failure:
    error: Exception


@contextmanager
def read_ahead(items: Iterable[T]) -> Iterator[Iterator[T]]:
    """Make the next items in a thread, so that decoding does not delay receiving."""
    ready: queue.Queue[T | _Failure | None] = queue.Queue(maxsize=_AHEAD)
    stopped = threading.Event()

    def put(item: T | _Failure | None) -> None:
        while not stopped.is_set():
            try:
                ready.put(item, timeout=0.1)
                return
            except queue.Full:
                continue

    def read() -> None:
        try:
            for item in items:
                put(item)
                if stopped.is_set():
                    return
            put(None)
        except Exception as error:  # handed over to the reader of `items`
            put(_Failure(error))

    thread = threading.Thread(target=read, name='read_ahead', daemon=True)
    thread.start()
    try:
        yield _drained(ready)
    finally:
        stopped.set()
        thread.join()


def _drained(ready: queue.Queue[T | _Failure | None]) -> Iterator[T]:
    while (item := ready.get()) is not None:
        if isinstance(item, _Failure):
            raise item.error
        yield item
