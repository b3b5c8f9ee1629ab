"""One slot per camera that holds the newest message only; what it replaces is dropped.

The executor's callbacks put, the one worker thread takes. So the tracker always works on the
newest frame, latency does not grow under load, and no camera can push another one out.
"""

from __future__ import annotations

from collections.abc import Sequence
import threading
from typing import Generic, TypeVar

T = TypeVar('T')


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

    def close(self) -> None:
        """Take nothing in any more, throw away what waits and wake the worker."""
        with self._changed:
            self._slots = dict.fromkeys(self._slots)
            self._is_open = False
            self._changed.notify_all()

    @property
    def is_open(self) -> bool:
        """Whether messages are taken in."""
        return self._is_open

    def put(self, camera: str, item: T) -> bool:
        """Leave `item` as the newest of `camera`; True where an older one was dropped for it."""
        with self._changed:
            if not self._is_open:
                return False
            dropped = self._slots[camera] is not None
            self._slots[camera] = item
            self._changed.notify()
            return dropped

    def take(self) -> dict[str, T]:
        """Wait for messages and take all that wait, in the order of the cameras.

        Every camera with a message is in each batch, so none can be starved by a faster one.
        An empty batch says that the mailbox was closed.
        """
        with self._changed:
            while self._is_open:
                batch = {camera: item for camera, item in self._slots.items() if item is not None}
                if batch:
                    self._slots = dict.fromkeys(self._slots)
                    return batch
                self._changed.wait()
            return {}
