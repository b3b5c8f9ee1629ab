"""The teacher as the pipeline knows it: it may fail, and it comes back.

A failure is an exception, running out of memory, a crash or a hang. None of them reaches the
caller: the teacher is FAILED, with the reason, and is started again after a while.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import partial
import time

from mot_compress_ros.datatypes import Frame
from mot_compress_ros.errors import BundleError
from mot_compress_ros.inference import (
    BackendOptions,
    build_detector,
    DecodeConfig,
    Detector,
    device_of,
    load_bundle,
    ModelManifest,
    Observation,
)
from mot_compress_ros.keyframe.config import KeyframeConfig
from mot_compress_ros.keyframe.workers import (
    Answer,
    parse_cores,
    resolve_worker,
    StartWorker,
    WORKERS,
    WorkerSetup,
    WorkerState,
)
from mot_compress_ros.keyframe.workers.look import failure_of

LONGEST_RETRY_S = 60.0
# A network on a slow disk, a busy machine and a cold GPU; a worker that needs longer hangs.
START_LIMIT_S = 120.0


class TeacherState(StrEnum):
    """Whether the teacher can be asked."""

    STARTING = 'starting'
    READY = 'ready'
    FAILED = 'failed'


class Teacher:
    """A supervised worker.

    One thread calls it. Others may read `name`, `state`, `reason`, `worker_name` and the counters.

    Attributes:
        manifest: of the model.
        state: as of the last call.
        reason: of the last failure, until an answer comes; '' for none.
        failures: how often it failed, timeouts counted.
        timeouts: how often it was given up because it took too long.
        restarts: how often it was started again.
    """

    def __init__(
        self,
        manifest: ModelManifest,
        start: StartWorker,
        config: KeyframeConfig,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start the first worker, which is not waited for.

        Args:
            manifest: of the model that the workers load.
            start: starts a worker.
            config: `timeout_s` and `retry_s` are used.
            clock: seconds that never go back, for time-outs and retries.
        """
        self.manifest = manifest
        self.state = TeacherState.STARTING
        self.reason = ''
        self.failures = self.timeouts = self.restarts = 0
        self._start, self._config, self._clock = start, config, clock
        self._decode: DecodeConfig | None = None
        self._good: list[Answer] = []
        self._closed = False
        self._retry_s = config.retry_s
        self._retry_at_s = 0.0
        self._since_s = clock()  # of the state of the worker
        self._worker = start()

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.manifest.name

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names in order of class id."""
        return self.manifest.class_names

    @property
    def worker_name(self) -> str:
        """Where it works and on what, for diagnostics."""
        return self._worker.name

    @property
    def idle(self) -> bool:
        """Whether it would take a frame now."""
        self._attend()
        return self.state is TeacherState.READY and self._worker.state is WorkerState.IDLE

    @property
    def working(self) -> bool:
        """Whether it looks at a frame, or has an answer that nobody has taken."""
        # Read first: a worker that ends in between has its answer fetched, and is not called idle.
        was_working = self._worker.state is WorkerState.WORKING
        self._attend()
        return bool(self._good) or (self.state is TeacherState.READY and was_working)

    def look(self, frames: Sequence[Frame]) -> list[Observation] | None:
        """What it makes of frames, for a caller who waits: `timeout_s` for each at most.

        None where it is not idle or fails: the frames are the student's.
        """
        seen = []
        for frame in frames:
            if not self.submit(frame):
                return None
            answer = self._worker.wait(self._config.timeout_s)
            if answer is None and self._worker.state is WorkerState.WORKING:
                self._time_out(self._config.timeout_s)
            if not self._take([answer] if answer is not None else []):
                self._attend()  # notices that the worker has ended
                return None
            seen += [a.observation for a in self._good if a is answer and a.observation]
            self._good = [a for a in self._good if a is not answer]
        return seen

    def submit(self, frame: Frame) -> bool:
        """Give it a frame, whose image stays as it is until the answer; False: it is not idle."""
        taken = self.idle and self._worker.submit(frame)
        if taken:
            self._since_s = self._clock()
        return taken

    def answers(self) -> list[Answer]:
        """What it has found since the last call, oldest first; never blocks.

        A frame that it failed at is not among them.
        """
        self._attend()
        good, self._good = self._good, []
        return good

    def tell(self, now_ns: int) -> None:
        """How much time has passed by the stamps of the frames; a simulated teacher follows it."""
        self._worker.tell(now_ns)

    def warm_up(self, timeout_s: float = START_LIMIT_S) -> None:
        """Wait until it has started, or failed to.

        Raises:
            BundleError: the bundle or an option was refused, so that no retry can help.
        """
        self._worker.wait_ready(timeout_s)
        failure = self._worker.failure
        if failure is not None and failure.lasting and not self._closed:
            raise BundleError(f'teacher {self.name}: {failure.reason}')
        self._attend()

    def reconfigure(self, decode: DecodeConfig) -> None:
        """Decode the frames to come so."""
        self._decode = decode
        self._worker.reconfigure(decode)

    def close(self) -> None:
        """End its worker, also a hung one; it takes no frame any more."""
        self._closed = True
        self._worker.close()

    def _attend(self) -> None:
        """Look after the worker: take its answer, see what went wrong, start it again."""
        if self._closed:
            return
        if self.state is TeacherState.FAILED:
            self._retry()
            return
        answers = self._worker.answers()
        if answers:
            self._take(answers)
        else:
            self._check()

    def _check(self) -> None:
        """What the state of the worker means for ours."""
        state, waited_s = self._worker.state, self._clock() - self._since_s
        if self._worker.failure is not None:
            self._fail(self._worker.failure.reason)
        elif state is WorkerState.WORKING and waited_s > self._config.timeout_s:
            self._time_out(self._config.timeout_s)
        elif state is WorkerState.STARTING and waited_s > START_LIMIT_S:
            self._time_out(START_LIMIT_S)
        elif state is WorkerState.IDLE and self.state is TeacherState.STARTING:
            self.state = TeacherState.READY

    def _take(self, answers: Sequence[Answer]) -> bool:
        """Keep good answers, fail at a bad one; whether there was a good one."""
        good = [answer for answer in answers if not answer.error]
        self._good += good
        if good:
            self.reason, self._retry_s = '', self._config.retry_s
        for answer in answers:
            if answer.error:
                self._fail(answer.error)
        return bool(good)

    def _time_out(self, limit_s: float) -> None:
        self.timeouts += 1
        doing = 'start' if self._worker.state is WorkerState.STARTING else 'answer'
        self._fail(f'no {doing} within {limit_s:g} s: it hangs, or needs a larger time-out')

    def _fail(self, reason: str) -> None:
        self.failures += 1
        self.state, self.reason = TeacherState.FAILED, reason
        self._worker.abandon()
        self._retry_at_s = self._clock() + self._retry_s
        self._retry_s = max(self._config.retry_s, min(2 * self._retry_s, LONGEST_RETRY_S))

    def _retry(self) -> None:
        """Start a new worker when it is time and nothing is left of the old one."""
        if self._clock() < self._retry_at_s or not self._worker.gone:
            return
        self.restarts += 1
        try:
            self._worker = self._start()
        except Exception as error:  # no more threads, no memory
            self._fail(failure_of(error).reason)
            return
        self.state, self._since_s = TeacherState.STARTING, self._clock()
        if self._decode is not None:
            self._worker.reconfigure(self._decode)
        if self._closed:  # by another thread, in the meantime
            self._worker.close()


def build_teacher(
    model: str,
    *,
    config: KeyframeConfig,
    runtime: BackendOptions,
    decode: DecodeConfig,
    simulated: bool = False,
    clock: Callable[[], float] = time.monotonic,
) -> Teacher:
    """A teacher that is starting; `Teacher.warm_up` waits for it.

    Args:
        model: its bundle, a folder or a name.
        config: worker, cores, time-outs and the latency of a simulated teacher.
        runtime: what the network runs on.
        decode: which peaks become detections.
        simulated: for replays: beside the student in time of the stamps, the same on every
            machine.
        clock: for time-outs and retries.

    Raises:
        BundleError: the bundle is missing or damaged.
        InvalidOptionError: `teacher_cores` or the device is not there.
    """
    bundle = load_bundle(model)
    setup = WorkerSetup(
        load=partial(load_detector, str(bundle.path), runtime, decode),
        cores=parse_cores(config.teacher_cores),
        latency_ms=config.teacher_ms,
    )
    live = resolve_worker(config.worker, device=device_of(bundle, runtime))
    start = WORKERS['simulated' if simulated else live](setup)
    return Teacher(bundle.manifest, start, config, clock=clock)


def load_detector(path: str, runtime: BackendOptions, decode: DecodeConfig) -> Detector:
    """The detector of a bundle, read anew: what a worker starts with, also in a child."""
    return build_detector(load_bundle(path), options=runtime, decode=decode)
