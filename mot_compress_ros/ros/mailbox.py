"""One slot per camera that holds the newest message only; what it replaces is dropped.

The executor's callbacks put, the one worker thread takes. So the tracker always works on the
newest frame, latency does not grow under load, and no camera can push another one out.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
import threading
from typing import Generic, TypeVar

T = TypeVar('T')


class Put(Enum):
    """What became of an item that was put."""

    KEPT = 'kept'
    REPLACED = 'replaced'  # it was kept, and an older one dropped for it
    REFUSED = 'refused'


class Mailbox(Generic[T]):
    """A closed mailbox takes nothing in and wakes whoever waits; it begins closed."""

    def __init__(self, cameras: Sequence[str]) -> None:
        self._slots: dict[str, T | None] = dict.fromkeys(cameras)
        self._changed = threading.Condition()
        self._is_open = False

    def open(self) -> None:
        """Take messages in from now on; nothing from before is kept."""
        with self._changed:
            self._slots = dict.fromkeys(self._slots)
            self._is_open = True

    def close(self) -> list[str]:
        """Take nothing in any more and wake the worker; the cameras whose item is thrown away."""
        with self._changed:
            waiting = [camera for camera, item in self._slots.items() if item is not None]
            self._slots = dict.fromkeys(self._slots)
            self._is_open = False
            self._changed.notify_all()
            return waiting

    def put(self, camera: str, item: T) -> Put:
        """Leave `item` as the newest of `camera`; refused where the mailbox is closed."""
        with self._changed:
            if not self._is_open:
                return Put.REFUSED
            replaced = self._slots[camera] is not None
            self._slots[camera] = item
            self._changed.notify()
            return Put.REPLACED if replaced else Put.KEPT

    def take(self, *, timeout_s: float | None = None) -> dict[str, T] | None:
        """Wait for messages and take all that wait, in the order of the cameras.

        Every camera with a message is in each batch, so none can be starved by a faster one.
        An empty batch says that the mailbox was closed, None that nothing came in time.
        """
        with self._changed:
            while self._is_open:
                batch = {camera: item for camera, item in self._slots.items() if item is not None}
                if batch:
                    self._slots = dict.fromkeys(self._slots)
                    return batch
                if not self._changed.wait(timeout_s):
                    return None
            return {}
