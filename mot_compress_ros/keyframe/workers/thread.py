"""A thread of this process: for a GPU, where the thread hardly needs Python while it waits."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import cache
from queue import SimpleQueue
import threading

from mot_compress_ros.datatypes import Frame
from mot_compress_ros.inference import DecodeConfig, Detector
from mot_compress_ros.keyframe.workers.contract import (
    Failure,
    StartWorker,
    WorkerSetup,
)
from mot_compress_ros.keyframe.workers.look import failure_of, look
from mot_compress_ros.keyframe.workers.slot import SlotWorker

CLOSE_S = 1.0  # what an ordinary frame takes; a hung one is left behind


class ThreadWorker(SlotWorker):
    """A detector on a thread of its own, on CUDA on a stream of its own.

    A thread cannot be ended from outside: a hung one is left behind, and is `gone` when it comes
    back. It is a daemon, so it does not hold the process up.
    """

    def __init__(self, load: Callable[[], Detector]) -> None:
        self.name = 'thread'
        super().__init__()
        self._jobs: SimpleQueue[tuple[Frame, DecodeConfig | None] | None] = SimpleQueue()
        self._thread = threading.Thread(
            target=self._serve, args=(load,), name='teacher', daemon=True
        )
        self._thread.start()

    @property
    def gone(self) -> bool:
        """Whether the thread has come back."""
        return not self._thread.is_alive()

    def submit(self, frame: Frame) -> bool:
        """Give it a frame."""
        taken = self._slot.begin()
        if taken:
            self._jobs.put((frame, self._decode))
        return taken

    def abandon(self) -> None:
        """Throw away what it may still answer, and let the thread go."""
        self._slot.end(Failure(reason='closed'))
        self._jobs.put(None)

    def close(self) -> None:
        """`abandon`, and wait a little for the frame in work."""
        self.abandon()
        self._thread.join(CLOSE_S)

    def _serve(self, load: Callable[[], Detector]) -> None:
        """The thread."""
        try:
            detector = load()
            detector.work_apart()
            detector.warm_up()
        except Exception as error:  # whatever a runtime raises is the reason
            self._slot.end(failure_of(error))
            return
        self.name = f'thread, {detector.backend.name}'
        self._slot.ready()
        while (job := self._jobs.get()) is not None:
            answer = look(detector, *job)
            del job  # else the image lives as long as no other comes
            if answer.error:
                with suppress(Exception):  # a broken device; the answer says what broke it
                    detector.free_memory()
            self._slot.put(answer)


def start_thread(setup: WorkerSetup) -> StartWorker:
    """Threads over one detector, which the first one loads."""
    load = cache(setup.load)
    return lambda: ThreadWorker(load)
