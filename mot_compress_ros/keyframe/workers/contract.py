"""What every worker is: one frame in, one answer out, and nobody waits who did not ask to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from mot_compress_ros.datatypes import Frame
from mot_compress_ros.inference import DecodeConfig, Detector, Observation


@dataclass(frozen=True, eq=False, kw_only=True)
class Answer:
    """What came of a frame that a worker was given.

    Attributes:
        camera: of the frame.
        stamp_ns: of the frame.
        observation: what the network made of it; None where it failed.
        error: why it failed; '' where it did not.
        duration_ms: time the detector took, without the way to it and back.
    """

    camera: str
    stamp_ns: int
    observation: Observation | None = None
    error: str = ''
    duration_ms: float


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a worker has ended.

    Attributes:
        reason: in words.
        lasting: the bundle or an option was refused, so that trying again changes nothing.
    """

    reason: str
    lasting: bool = False


class WorkerState(StrEnum):
    """Life of a worker."""

    STARTING = 'starting'
    IDLE = 'idle'
    WORKING = 'working'
    ANSWERED = 'answered'  # the answer was not taken yet
    ENDED = 'ended'  # for good: another one must be made


class Worker(Protocol):
    """A detector that works beside the caller, on one frame at a time. One thread calls it."""

    @property
    def name(self) -> str:
        """Where it works and on what, for diagnostics: 'process 4711, torch_eager cpu bf16'."""

    @property
    def state(self) -> WorkerState:
        """Where it is in its life; WORKING only while the detector has the frame."""

    @property
    def failure(self) -> Failure | None:
        """Why it has ended; None before."""

    @property
    def gone(self) -> bool:
        """Whether it has ended and nothing of it is left that works or holds memory."""

    def submit(self, frame: Frame) -> bool:
        """Give it a frame, whose image stays as it is until the answer; False: it is not idle."""

    def answers(self) -> list[Answer]:
        """What is ready, oldest first; never blocks."""

    def wait(self, timeout_s: float) -> Answer | None:
        """The answer to the frame it works on; None where it has ended or the time is over."""

    def wait_ready(self, timeout_s: float) -> bool:
        """Wait until it has started; False where it has ended or the time is over."""

    def tell(self, now_ns: int) -> None:
        """How much time has passed by the stamps of the frames: simulated latencies follow it.

        It never goes back, also where a stream begins anew (`Ledger.now_ns`).
        """

    def reconfigure(self, decode: DecodeConfig) -> None:
        """Decode the frames to come so."""

    def abandon(self) -> None:
        """End it at once, without waiting for it; a late answer is thrown away."""

    def close(self) -> None:
        """`abandon`, and wait a little until it is gone."""


@dataclass(frozen=True, kw_only=True)
class WorkerSetup:
    """What a worker needs to know.

    Attributes:
        load: makes the detector; `process` calls it in the child, so it must be picklable.
        cores: CPU cores of a process of its own; empty: those of this process.
        latency_ms: `simulated`: when the answer comes; 0: as long as the detector took.
    """

    load: Callable[[], Detector]
    cores: frozenset[int] = frozenset()
    latency_ms: float = 0.0


StartWorker = Callable[[], Worker]
"""Starts a worker, again and again, each after the one before is gone; returns at once."""
