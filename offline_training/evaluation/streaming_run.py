"""Run the pipeline on a sequence as a live node would.

The networks look at each frame once, however many speeds and modes are tried, and only the
tracker, which depends on what was dropped, runs anew (`streaming_networks`). Nothing in a play
looks at the wall clock but a latency that is measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from mot_compress_ros.datatypes import Frame, Tracks
from mot_compress_ros.health import Health
from mot_compress_ros.inference import Detector
from mot_compress_ros.keyframe import build_schedule, KeyframeConfig, Teacher
from mot_compress_ros.pipeline import Pipeline, PipelineConfig
from offline_training.datasets.records import LabelledSequence
from offline_training.evaluation.inference import CAMERA, sequence_frames
from offline_training.evaluation.streaming import in_time, Output, simulate, TeacherRun
from offline_training.evaluation.streaming_clock import PlayClock
from offline_training.evaluation.streaming_latency import LatencySource
from offline_training.evaluation.streaming_networks import (
    OnceDetector,
    PlayedStudent,
    PlayedTeacher,
)


@dataclass(frozen=True, eq=False, kw_only=True)
class Played:
    """What a node published, and what its teacher did for it; counters as of `Health`."""

    outputs: Sequence[Output]
    teacher_runs: Sequence[TeacherRun]
    counters: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class PlayOptions:
    """How a sequence is played.

    Attributes:
        offline: no frame is dropped and every output counts at its frame; what works beside the
            student is as late as the latency says.
        shrinking_tail: see `simulate`.
        contention: how many times as slow the student is while a teacher works beside it.
    """

    offline: bool = False
    shrinking_tail: bool = False
    contention: float = 1.0


class StreamedSequence:
    """One sequence that can be played at any speed and in any mode.

    Args:
        sequence: frames and ground truth.
        student: warm.
        teacher: warm; sees the keyframes among the frames that are not dropped.
        config: of the pipeline.
    """

    def __init__(
        self,
        sequence: LabelledSequence,
        *,
        student: Detector,
        teacher: Detector | None,
        config: PipelineConfig,
    ) -> None:
        self.sequence = sequence
        self.known_classes = range(len(student.class_names))
        self._student = OnceDetector(student, keep_heatmaps=False)
        self._teacher = OnceDetector(teacher) if teacher else None
        self._config = config

    def play(
        self,
        latency: LatencySource,
        options: PlayOptions | None = None,
        *,
        config: PipelineConfig | None = None,
        progress: Callable[[int], None] = lambda done: None,
    ) -> Played:
        """What a node with such a latency would have published, with a new tracker.

        Args:
            latency: of the networks, at its beginning.
            options: how it is played.
            config: in the place of the one given to the constructor; decoding must be the same.
            progress: called with the number of frames that came.
        """
        options, config = options or PlayOptions(), config or self._config
        clock = PlayClock(wall_rate=latency.wall_rate)
        teacher = self._played_teacher(config.keyframe, clock, latency)
        student = PlayedStudent(
            self._student, clock, latency, teacher=teacher, contention=options.contention
        )
        pipeline = Pipeline(
            cameras=[CAMERA],
            student=student,
            teacher=_supervised(teacher, self._teacher, config.keyframe),
            config=config,
            health=Health(clock=clock),
        )
        frames = iter(sequence_frames(self.sequence))

        def process(index: int, begun_ns: int) -> tuple[Tracks, int]:
            frame = _frame_at(frames, index)
            clock.set(begun_ns)
            (tracks,) = pipeline.step([frame])
            assert tracks is not None, 'the frames of a sequence come in order'
            took_ns = clock() - begun_ns
            progress(index + 1)
            return tracks, took_ns

        n, fps = len(self.sequence), self.sequence.fps
        if options.offline:
            outputs = in_time(n, fps, process)
        else:
            outputs = simulate(n, fps, process, shrinking_tail=options.shrinking_tail)
        return Played(
            outputs=outputs,
            teacher_runs=tuple(teacher.runs) if teacher else (),
            counters=pipeline.health.counters(),
        )

    def _played_teacher(
        self, keyframe: KeyframeConfig, clock: PlayClock, latency: LatencySource
    ) -> PlayedTeacher | None:
        if self._teacher is None:
            return None
        beside = build_schedule(keyframe, cameras=[CAMERA], has_teacher=True).beside
        source = latency.beside() if beside else latency
        return PlayedTeacher(self._teacher, clock, source, beside=beside)


def _supervised(
    worker: PlayedTeacher | None, network: OnceDetector | None, keyframe: KeyframeConfig
) -> Teacher | None:
    if worker is None or network is None:
        return None
    return Teacher(network.manifest, lambda: worker, keyframe)


def _frame_at(frames: Iterator[Frame], index: int) -> Frame:
    """Frame `index` of a stream that is not beyond it yet."""
    return next(frame for frame in frames if frame.frame_index == index)
