"""What a worker and its caller share: a state, and room for one answer."""

from __future__ import annotations

import threading

from mot_compress_ros.inference import DecodeConfig
from mot_compress_ros.keyframe.workers.contract import Answer, Failure, WorkerState

_UNDECIDED = (WorkerState.STARTING, WorkerState.WORKING)


class Slot:
    """One frame at a time: each call moves the state where it may, and does nothing elsewhere.

    Thread-safe. Nothing leaves ENDED, so what comes after it is thrown away.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._state = WorkerState.STARTING
        self._answer: Answer | None = None
        self._failure: Failure | None = None

    @property
    def state(self) -> WorkerState:
        """Where the worker is in its life."""
        return self._state

    @property
    def failure(self) -> Failure | None:
        """Why it has ended."""
        return self._failure

    def ready(self) -> None:
        """The worker has started."""
        self._move(WorkerState.STARTING, WorkerState.IDLE)

    def begin(self) -> bool:
        """A frame is given; False where the worker is not idle."""
        return self._move(WorkerState.IDLE, WorkerState.WORKING)

    def put(self, answer: Answer) -> None:
        """The frame is answered."""
        self._move(WorkerState.WORKING, WorkerState.ANSWERED, answer=answer)

    def end(self, failure: Failure) -> None:
        """The worker has ended; the first reason stays."""
        with self._changed:
            if self._failure is None:
                self._state, self._failure, self._answer = WorkerState.ENDED, failure, None
                self._changed.notify_all()

    def take(self) -> list[Answer]:
        """The answer, if there is one; the worker is idle then."""
        with self._changed:
            answer = self._answer
            self._move(WorkerState.ANSWERED, WorkerState.IDLE)
            return [] if answer is None else [answer]

    def wait(self, timeout_s: float) -> WorkerState:
        """Wait, up to `timeout_s`, for the end of STARTING or WORKING."""
        with self._changed:
            self._changed.wait_for(lambda: self._state not in _UNDECIDED, timeout_s)
            return self._state

    def _move(self, old: WorkerState, new: WorkerState, *, answer: Answer | None = None) -> bool:
        with self._changed:
            moves = self._state is old
            if moves:
                self._state, self._answer = new, answer
                self._changed.notify_all()
            return moves


class SlotWorker:
    """The part of a `Worker` that its slot answers."""

    def __init__(self) -> None:
        self._slot = Slot()
        self._decode: DecodeConfig | None = None  # None: as the detector was loaded

    @property
    def state(self) -> WorkerState:
        """Where it is in its life."""
        return self._slot.state

    @property
    def failure(self) -> Failure | None:
        """Why it has ended."""
        return self._slot.failure

    def answers(self) -> list[Answer]:
        """What is ready."""
        return self._slot.take()

    def wait(self, timeout_s: float) -> Answer | None:
        """The answer to the frame it works on."""
        self._slot.wait(timeout_s)
        return next(iter(self._slot.take()), None)

    def wait_ready(self, timeout_s: float) -> bool:
        """Wait until the detector is loaded and warm."""
        return self._slot.wait(timeout_s) not in (WorkerState.STARTING, WorkerState.ENDED)

    def tell(self, now_ns: int) -> None:
        """Nothing: this worker takes the time it takes."""

    def reconfigure(self, decode: DecodeConfig) -> None:
        """Decode the frames to come so."""
        self._decode = decode
