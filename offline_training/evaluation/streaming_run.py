"""Run the pipeline on a sequence as a live node would.

A network looks at each frame once, however many speeds are tried: its detections and the time they
took are kept, and only the tracker, which depends on what was dropped, runs anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
import time

from mot_compress_ros.assembly import simulated_teacher
from mot_compress_ros.datatypes import Frame, Tracks
from mot_compress_ros.health import Health
from mot_compress_ros.inference import Detector, Observation, Prior
from mot_compress_ros.pipeline import Pipeline, PipelineConfig
from offline_training.datasets.records import LabelledSequence
from offline_training.evaluation.inference import CAMERA, sequence_frames
from offline_training.evaluation.streaming import Output, simulate
from offline_training.evaluation.streaming_latency import LatencySource


class OnceDetector(Detector):
    """A detector that looks at each frame of one sequence once and remembers.

    `saved_ns` is how much longer its calls would have taken had it looked every time.
    """

    def __init__(self, detector: Detector) -> None:
        super().__init__(detector.manifest, detector.backend, detector.config)
        self.saved_ns = 0
        self._seen: dict[int, tuple[Observation, int]] = {}

    def observe(
        self,
        frames: Sequence[Frame],
        health: Health | None = None,
        *,
        priors: Sequence[Prior | None] = (),
    ) -> list[Observation]:
        """As `Detector.observe`, of one frame."""
        (frame,) = frames
        start_ns = time.perf_counter_ns()
        if self.takes_prior:  # what it sees depends on what it is told
            return super().observe(frames, health, priors=priors)
        if frame.frame_index not in self._seen:
            (found,) = super().observe(frames, health)
            self._seen[frame.frame_index] = found, time.perf_counter_ns() - start_ns
        found, needed_ns = self._seen[frame.frame_index]
        self.saved_ns += needed_ns - (time.perf_counter_ns() - start_ns)
        return [found]


class StreamedSequence:
    """One sequence that can be played at any speed.

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
        self._student = OnceDetector(student)
        self._teacher = OnceDetector(teacher) if teacher else None
        self._config = config

    def play(
        self,
        latency: LatencySource,
        *,
        shrinking_tail: bool = False,
        progress: Callable[[int], None] = lambda done: None,
    ) -> list[Output]:
        """What a node with such a latency would have published, with a new tracker."""
        teacher, keyframe = self._teacher, self._config.keyframe
        pipeline = Pipeline(
            cameras=[CAMERA],
            student=self._student,
            teacher=simulated_teacher(teacher, keyframe) if teacher else None,
            config=self._config,
        )
        frames = iter(sequence_frames(self.sequence))

        def process(index: int) -> tuple[Tracks, int]:
            tracks, measured_ns = self._timed_step(pipeline, _frame_at(frames, index))
            progress(index + 1)
            return tracks, latency.duration_ns(tracks.source, measured_ns)

        return simulate(
            len(self.sequence), self.sequence.fps, process, shrinking_tail=shrinking_tail
        )

    def _timed_step(self, pipeline: Pipeline, frame: Frame) -> tuple[Tracks, int]:
        """The tracks of a frame, and what the step takes where the networks really look."""
        saved_before_ns = self._saved_ns()
        start_ns = time.perf_counter_ns()
        (tracks,) = pipeline.step([frame])
        spent_ns = time.perf_counter_ns() - start_ns
        assert tracks is not None, 'the frames of a sequence come in order'
        return tracks, max(spent_ns + self._saved_ns() - saved_before_ns, 0)

    def _saved_ns(self) -> int:
        return self._student.saved_ns + (self._teacher.saved_ns if self._teacher else 0)


def _frame_at(frames: Iterator[Frame], index: int) -> Frame:
    """Frame `index` of a stream that is not beyond it yet."""
    return next(frame for frame in frames if frame.frame_index == index)
