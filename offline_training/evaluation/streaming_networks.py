"""The two networks of a node that is played: what they see is real, the time they take is played.

A network looks at each frame once for everything that it is told of it, however many speeds and
modes are tried. The clock stands still while it does, and then goes on by what the latency says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
import hashlib
import time

import numpy as np

from mot_compress_ros.datatypes import Frame
from mot_compress_ros.health import Health
from mot_compress_ros.inference import DecodeConfig, Detector, Observation, Prior
from mot_compress_ros.keyframe import Answer, Role
from mot_compress_ros.keyframe.workers import Failure, WorkerState
from mot_compress_ros.preprocess import letterbox_transform
from offline_training.evaluation.streaming import TeacherRun, TIE_NS
from offline_training.evaluation.streaming_clock import PlayClock, slowed_ns
from offline_training.evaluation.streaming_latency import LatencySource


@dataclass(frozen=True, eq=False, kw_only=True)
class Look:
    """What a network made of a frame, and how long it took here when it really looked."""

    seen: Observation
    needed_ns: int


class OnceDetector(Detector):
    """A detector that looks at each frame of one sequence once and remembers.

    What a network that takes a prior sees depends on the prior too, so it is remembered for both:
    where the tracks went another way, the planes differ and it looks again. Nothing is guessed.

    Args:
        detector: warm.
        keep_heatmaps: whether the heat maps are wanted later, as a teacher's are; they are what
            takes the memory.
    """

    def __init__(self, detector: Detector, *, keep_heatmaps: bool = True) -> None:
        super().__init__(detector.manifest, detector.backend, detector.config)
        self.looks = 0  # how often it really looked
        self._keep_heatmaps = keep_heatmaps
        self._seen: dict[tuple[int, bytes], Look] = {}

    def look(self, frame: Frame, prior: Prior | None = None) -> Look:
        """What it makes of a frame, told of `prior`."""
        key = frame.frame_index, self._told(frame, prior) if self.takes_prior else b''
        if key not in self._seen:
            self.looks += 1
            start_ns = time.perf_counter_ns()
            (seen,) = self.observe([frame], priors=[prior])
            needed_ns = time.perf_counter_ns() - start_ns
            if not self._keep_heatmaps:
                seen = replace(seen, heatmap=np.zeros((0, 0, 0), np.float32))
            self._seen[key] = Look(seen=seen, needed_ns=needed_ns)
        return self._seen[key]

    def _told(self, frame: Frame, prior: Prior | None) -> bytes:
        """A digest of the planes that the network gets."""
        transform = letterbox_transform(frame.size_wh, size_wh=self.manifest.input_size_wh)
        return hashlib.blake2b(self._planes([prior], [transform]).tobytes()).digest()


class PlayedTeacher:
    """A `Worker`: its result is ready when the latency says so, by the clock of the play.

    Stamps do not matter to it: a node that lags behind its camera goes on in its own time. Who
    waits for it lets the time pass. Errors of the network are raised, for this is no vehicle.

    Args:
        network: the teacher's.
        clock: of the play.
        latency: of its runs.
        beside: whether the student goes on in the meantime.
    """

    def __init__(
        self, network: OnceDetector, clock: PlayClock, latency: LatencySource, *, beside: bool
    ) -> None:
        self.name = f'played, {network.backend.name}'
        self.runs: list[TeacherRun] = []
        self._network, self._clock, self._latency = network, clock, latency
        self._beside = beside
        self._answer: Answer | None = None
        self._failure: Failure | None = None

    @property
    def state(self) -> WorkerState:
        """ANSWERED also while the answer is not due."""
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

    @property
    def works_for_ns(self) -> int:
        """How long it will be working from now on."""
        if self._answer is None or not self._beside:
            return 0
        return max(0, self.runs[-1].due_ns - self._clock())

    def submit(self, frame: Frame) -> bool:
        """Look at the frame now; the answer comes when it is due."""
        if self.state is not WorkerState.IDLE:
            return False
        with self._clock.stopped():
            look = self._network.look(frame)
        begun_ns = self._clock()
        took_ns = self._latency.duration_ns(Role.TEACHER, look.needed_ns)
        self._answer = Answer(
            camera=frame.camera,
            stamp_ns=frame.stamp_ns,
            observation=look.seen,
            duration_ms=took_ns / 1e6,
        )
        self.runs.append(
            TeacherRun(
                frame_index=frame.frame_index,
                begun_ns=begun_ns,
                due_ns=begun_ns + took_ns,
                taken_ns=None,
                beside=self._beside,
            )
        )
        return True

    def answers(self) -> list[Answer]:
        """The answer, once it is due."""
        is_due = self._answer is not None and self.runs[-1].due_ns <= self._clock() + TIE_NS
        return self._take() if is_due else []

    def wait(self, timeout_s: float) -> Answer | None:
        """The answer; until it is due the time passes."""
        if self._answer is not None:
            self._clock.advance(max(0, self.runs[-1].due_ns - self._clock()))
        return next(iter(self._take()), None)

    def wait_ready(self, timeout_s: float) -> bool:
        """It is warm."""
        return self._failure is None

    def tell(self, now_ns: int) -> None:
        """Nothing: the clock says what time it is."""

    def reconfigure(self, decode: DecodeConfig) -> None:
        """Decode the frames to come so."""
        self._network.config = decode

    def abandon(self) -> None:
        """Throw away the answer."""
        self._failure, self._answer = self._failure or Failure(reason='closed'), None

    def close(self) -> None:
        """`abandon`."""
        self.abandon()

    def _take(self) -> list[Answer]:
        answer, self._answer = self._answer, None
        if answer is None:
            return []
        self.runs[-1] = replace(self.runs[-1], taken_ns=self._clock())
        return [answer]


class PlayedStudent(Detector):
    """The student, one frame at a time.

    Args:
        network: the student's.
        clock: of the play.
        latency: of its runs.
        teacher: what may work beside it.
        contention: how many times as slow the student is while it does.
    """

    def __init__(
        self,
        network: OnceDetector,
        clock: PlayClock,
        latency: LatencySource,
        *,
        teacher: PlayedTeacher | None,
        contention: float,
    ) -> None:
        super().__init__(network.manifest, network.backend, network.config)
        self._network, self._clock, self._latency = network, clock, latency
        self._teacher, self._contention = teacher, contention

    def observe(
        self,
        frames: Sequence[Frame],
        health: Health | None = None,
        *,
        priors: Sequence[Prior | None] = (),
    ) -> list[Observation]:
        """As `Detector.observe`, of one frame."""
        (frame,) = frames
        with self._clock.stopped():
            look = self._network.look(frame, priors[0] if priors else None)
        took_ns = self._latency.duration_ns(Role.STUDENT, look.needed_ns)
        beside_ns = self._teacher.works_for_ns if self._teacher else 0
        self._clock.advance(slowed_ns(took_ns, beside_ns=beside_ns, contention=self._contention))
        return [look.seen]
