"""Frames in, tracks out: the only file that knows the order of things."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from mot_compress_ros.datatypes import Detections, Frame, Tracks
from mot_compress_ros.errors import BundleError, InvalidDataError
from mot_compress_ros.health import Health
from mot_compress_ros.inference import (
    BackendOptions,
    build_detector,
    DecodeConfig,
    Detector,
    load_bundle,
)
from mot_compress_ros.keyframe import FixedSchedule, KeyframeConfig, Role
from mot_compress_ros.options import option
from mot_compress_ros.tracking import Tracker, TrackerConfig


@dataclass(frozen=True, kw_only=True)
class PipelineConfig:
    """Options of every stage."""

    max_gap_s: float = option(
        2.0,
        'a longer pause between two stamps of a camera begins new tracks',
        minimum=0.0,
        unit='s',
    )
    runtime: BackendOptions = field(default_factory=BackendOptions)
    decode: DecodeConfig = field(default_factory=DecodeConfig)
    keyframe: KeyframeConfig = field(default_factory=KeyframeConfig)
    tracker: TrackerConfig = field(default_factory=TrackerConfig)


@dataclass
class _Stream:
    """What is remembered of one camera between its frames."""

    tracker: Tracker
    size_wh: tuple[int, int] | None = None
    latest: Tracks | None = None


class Pipeline:
    """Tracks the objects of several cameras with a student and, on keyframes, a teacher.

    Not thread-safe: one thread calls `step`.
    """

    def __init__(
        self,
        *,
        cameras: Sequence[str],
        student: Detector,
        teacher: Detector | None = None,
        config: PipelineConfig | None = None,
        health: Health | None = None,
    ) -> None:
        if teacher is not None and teacher.class_names != student.class_names:
            raise BundleError(
                f'teacher {teacher.name} has the classes {", ".join(teacher.class_names)}, '
                f'student {student.name} has {", ".join(student.class_names)}; '
                f'use two models of the same classes'
            )
        self.config = config or PipelineConfig()
        self.health = health or Health()
        self.student = student
        self.teacher = teacher
        self._detectors: dict[Role, Detector] = {Role.STUDENT: student}
        if teacher is not None:
            self._detectors[Role.TEACHER] = teacher
        self.schedule = FixedSchedule(self.config.keyframe, has_teacher=teacher is not None)
        self._streams = {name: _Stream(Tracker(self.config.tracker)) for name in cameras}

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names in order of class id."""
        return self.student.class_names

    def step(self, frames: Sequence[Frame]) -> list[Tracks]:
        """At most one frame per camera in, the tracks of each frame out, in the same order.

        A frame with the stamp of the one before it is not processed again: its tracks are
        returned anew. A stamp that jumps back or far ahead, or another image size, begins new
        tracks; their ids are new too.

        Raises:
            InvalidDataError: a camera is unknown or stands twice.
        """
        with self.health.stage('total'):
            self._check_cameras(frames)
            fresh = [frame for frame in frames if not self._is_duplicate(frame)]
            for frame in fresh:
                self._reset_on_discontinuity(frame)
            roles = [self.schedule.next_role(frame.camera) for frame in fresh]
            detections = self._detect(fresh, roles)
            for frame, role, found in zip(fresh, roles, detections, strict=True):
                self._track(frame, role, found)
            return [self._latest(frame.camera) for frame in frames]

    def reset(self, camera: str) -> None:
        """Forget the tracks of `camera`; ids go on."""
        stream = self._streams[camera]
        stream.tracker.reset()
        stream.latest = None
        self.schedule.reset(camera)
        self.health.count('tracker_resets')

    def reconfigure(self, config: PipelineConfig) -> None:
        """Take over the options that may change while running: those of decoding."""
        self.config = replace(self.config, decode=config.decode)
        for detector in self._detectors.values():
            detector.config = config.decode

    def warm_up(self) -> None:
        """Make the first frame as fast as the others."""
        for detector in self._detectors.values():
            detector.warm_up()

    def _check_cameras(self, frames: Sequence[Frame]) -> None:
        names = [frame.camera for frame in frames]
        unknown = sorted(set(names) - set(self._streams))
        if unknown or len(set(names)) != len(names):
            raise InvalidDataError(
                f'frames of cameras {names}: expected each at most once out of '
                f'{", ".join(self._streams)}'
            )

    def _is_duplicate(self, frame: Frame) -> bool:
        latest = self._streams[frame.camera].latest
        duplicate = latest is not None and latest.stamp_ns == frame.stamp_ns
        if duplicate:
            self.health.count('duplicate_stamps')
        return duplicate

    def _reset_on_discontinuity(self, frame: Frame) -> None:
        stream = self._streams[frame.camera]
        if stream.size_wh not in (None, frame.size_wh):
            self.health.count('resolution_changes')
            self.reset(frame.camera)
        elif stream.latest is not None:
            gap_ns = frame.stamp_ns - stream.latest.stamp_ns
            if not 0 < gap_ns <= self.config.max_gap_s * 1e9:
                self.reset(frame.camera)
        stream.size_wh = frame.size_wh

    def _detect(self, frames: Sequence[Frame], roles: Sequence[Role]) -> list[Detections]:
        """Detections of each frame, one batch per network."""
        found: dict[int, Detections] = {}
        for role, detector in self._detectors.items():
            chosen = [i for i, r in enumerate(roles) if r is role]
            if chosen:
                results = detector.detect([frames[i] for i in chosen], self.health)
                found.update(zip(chosen, results, strict=True))
        self.health.count('keyframes', sum(role is Role.TEACHER for role in roles))
        return [found[i] for i in range(len(frames))]

    def _track(self, frame: Frame, role: Role, detections: Detections) -> None:
        with self.health.stage('track'):
            stream = self._streams[frame.camera]
            stream.latest = stream.tracker.update(
                detections, stamp_ns=frame.stamp_ns, source=role.value
            )
        self.health.count('frames_processed')

    def _latest(self, camera: str) -> Tracks:
        latest = self._streams[camera].latest
        if latest is None:
            raise InvalidDataError(f'no frame of {camera} was processed yet')
        return latest


def build_pipeline(
    *,
    cameras: Sequence[str],
    model: str,
    teacher: str = '',
    config: PipelineConfig | None = None,
    health: Health | None = None,
) -> Pipeline:
    """Load the bundles, check that they fit each other, and warm up.

    Args:
        cameras: names of the cameras; each has a tracker of its own.
        model: bundle of the student, a folder or a name.
        teacher: bundle of the teacher; '' for none.
        config: options of every stage.
        health: where timings and counters go.

    Raises:
        BundleError: a bundle is missing, damaged, or the two have different classes.
        InvalidOptionError: the runtime cannot be had.
    """
    config = config or PipelineConfig()
    detectors = [
        build_detector(load_bundle(bundle), options=config.runtime, decode=config.decode)
        for bundle in ([model, teacher] if teacher else [model])
    ]
    pipeline = Pipeline(
        cameras=cameras,
        student=detectors[0],
        teacher=detectors[1] if teacher else None,
        config=config,
        health=health,
    )
    pipeline.warm_up()
    return pipeline
