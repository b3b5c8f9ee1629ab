"""A worker of replays: it works at once, and answers when the stamps say that it would have."""

from __future__ import annotations

from mot_compress_ros.datatypes import Frame
from mot_compress_ros.inference import DecodeConfig, Detector
from mot_compress_ros.keyframe.workers.contract import (
    Answer,
    Failure,
    StartWorker,
    WorkerSetup,
    WorkerState,
)
from mot_compress_ros.keyframe.workers.look import look


class SimulatedWorker:
    """A detector whose answer comes a latency after its frame, by what it is told of the time.

    With a latency given, a run is the same on every machine. It looks at no clock.
    """

    def __init__(self, detector: Detector, *, latency_ms: float) -> None:
        self.name = f'simulated, {detector.backend.name}'
        self._detector = detector
        self._latency_ms = latency_ms
        self._decode: DecodeConfig | None = None
        self._failure: Failure | None = None
        self._answer: Answer | None = None
        self._now_ns = self._due_ns = 0

    @property
    def state(self) -> WorkerState:
        """ANSWERED also while the answer is held back."""
        if self._failure is not None:
            return WorkerState.ENDED
        return WorkerState.IDLE if self._answer is None else WorkerState.ANSWERED

    @property
    def failure(self) -> Failure | None:
        """Why it has ended."""
        return self._failure

    @property
    def gone(self) -> bool:
        """Whether it has ended."""
        return self._failure is not None

    def submit(self, frame: Frame) -> bool:
        """Look at the frame now, in the caller's time."""
        taken = self.state is WorkerState.IDLE
        if taken:
            self._answer = look(self._detector, frame, self._decode)
            latency_ms = self._latency_ms or self._answer.duration_ms
            self._due_ns = self._now_ns + round(latency_ms * 1e6)
        return taken

    def answers(self) -> list[Answer]:
        """The answer, once its time has come."""
        return self._take() if self._now_ns >= self._due_ns else []

    def wait(self, timeout_s: float) -> Answer | None:
        """The answer at once: no simulated time passes while somebody waits."""
        return next(iter(self._take()), None)

    def wait_ready(self, timeout_s: float) -> bool:
        """Evaluate one image, so that the first measured latency is one of many."""
        self._detector.warm_up()
        return self._failure is None

    def tell(self, now_ns: int) -> None:
        """What time it is by the stamps of the frames; it never goes back."""
        self._now_ns = now_ns

    def reconfigure(self, decode: DecodeConfig) -> None:
        """Decode the frames to come so."""
        self._decode = decode

    def abandon(self) -> None:
        """Throw away the answer."""
        self._failure, self._answer = self._failure or Failure(reason='closed'), None

    def close(self) -> None:
        """`abandon`."""
        self.abandon()

    def _take(self) -> list[Answer]:
        answer, self._answer = self._answer, None
        return [] if answer is None else [answer]


def start_simulated(setup: WorkerSetup) -> StartWorker:
    """Workers over one detector, loaded here."""
    detector = setup.load()
    return lambda: SimulatedWorker(detector, latency_ms=setup.latency_ms)
