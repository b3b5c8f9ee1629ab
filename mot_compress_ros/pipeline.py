"""Frames in, tracks out: the only file that knows the order of things."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import auto, Enum

from numpy.typing import ArrayLike

from mot_compress_ros.camera_motion import (
    Added,
    build_camera_motion,
    CameraMotion,
    CameraMotionConfig,
    EVERY_CAMERA,
    Homography,
    parse_mountings,
    Rotation,
    RotationSamples,
    View,
)
from mot_compress_ros.datatypes import Detections, Frame, Tracks
from mot_compress_ros.errors import BundleError, InvalidDataError, InvalidOptionError
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
        'a longer jump between two stamps of a camera, ahead or back, begins new tracks',
        minimum=0.001,
        unit='s',
    )
    runtime: BackendOptions = field(default_factory=BackendOptions)
    decode: DecodeConfig = field(default_factory=DecodeConfig)
    keyframe: KeyframeConfig = field(default_factory=KeyframeConfig)
    camera_motion: CameraMotionConfig = field(default_factory=CameraMotionConfig)
    tracker: TrackerConfig = field(default_factory=TrackerConfig)


# A source that begins anew goes on behind its old stamps; a frame that was overtaken comes alone.
_LATE_AT_MOST = 2


class _Arrival(Enum):
    """What a frame is to the stream of its camera."""

    NEXT = auto()
    DUPLICATE = auto()
    LATE = auto()
    ANEW = auto()


@dataclass
class _Stream:
    """What is remembered of one camera between its frames."""

    tracker: Tracker
    motion: CameraMotion
    view: View | None = None  # of the frame that the tracker saw last
    size_wh: tuple[int, int] | None = None
    latest: Tracks | None = None
    late_in_a_row: int = 0

    def judge(self, frame: Frame, *, max_gap_s: float) -> _Arrival:
        """What `frame` is to this stream; changes nothing."""
        if self.latest is not None:
            ahead_s = (frame.stamp_ns - self.latest.stamp_ns) / 1e9
            if ahead_s == 0:
                return _Arrival.DUPLICATE
            if abs(ahead_s) > max_gap_s:
                return _Arrival.ANEW
            if ahead_s < 0:
                return _Arrival.LATE if self.late_in_a_row < _LATE_AT_MOST else _Arrival.ANEW
        return _Arrival.NEXT if self.size_wh in (None, frame.size_wh) else _Arrival.ANEW


class Pipeline:
    """Tracks the objects of several cameras with a student and, on keyframes, a teacher.

    Not thread-safe: one thread calls `step`. What is known of a camera and of its motion may come
    from another: `observe_rotation`, `set_intrinsics`, `set_mounting`.

    Raises:
        BundleError: teacher and student have different classes.
        InvalidOptionError: `config` states the mounting of a camera that is not there.
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
        self._rotations = RotationSamples()
        self._streams = self._new_streams(cameras)

    def _new_streams(self, cameras: Sequence[str]) -> dict[str, _Stream]:
        config = self.config.camera_motion
        foreign = sorted(set(parse_mountings(config.mounting)) - {*cameras, EVERY_CAMERA})
        if foreign:
            raise InvalidOptionError(
                f'camera_motion.mounting: there is no camera {", ".join(foreign)}, only '
                f'{", ".join(cameras)}'
            )
        return {
            name: _Stream(
                tracker=Tracker(self.config.tracker),
                motion=build_camera_motion(config, camera=name, samples=self._rotations),
            )
            for name in cameras
        }

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names in order of class id."""
        return self.student.class_names

    def step(self, frames: Sequence[Frame]) -> list[Tracks | None]:
        """At most one frame per camera in, the tracks of each frame out, in the same order.

        A frame with the stamp of the one before it is not processed again: its tracks are
        returned anew. A late frame, its stamp behind the latest by `max_gap_s` at most, is not
        processed either: None stands in its place. The third late frame in a row, a jump of more
        than `max_gap_s`, or another image size begins new tracks; their ids are new too.

        A network that fails uses no keyframe up, and the frames can be given again.

        Raises:
            InvalidDataError: a camera is unknown or stands twice.
        """
        with self.health.stage('total'):
            self._check_cameras(frames)
            arrivals = [self._arrival(frame) for frame in frames]
            fresh = [
                frame
                for frame, arrival in zip(frames, arrivals, strict=True)
                if arrival in (_Arrival.NEXT, _Arrival.ANEW)
            ]
            roles = [self.schedule.role(frame.camera) for frame in fresh]
            detections = self._detect(fresh, roles)
            for frame, role, found in zip(fresh, roles, detections, strict=True):
                self._track(frame, role, found)
            return [self._answer(f, a) for f, a in zip(frames, arrivals, strict=True)]

    def reset(self, camera: str) -> None:
        """Forget the tracks of `camera`; ids go on."""
        stream = self._streams[camera]
        stream.tracker.reset()
        stream.latest, stream.view, stream.size_wh, stream.late_in_a_row = None, None, None, 0
        self.schedule.reset(camera)
        self.health.count('tracker_resets')

    def reconfigure(self, config: PipelineConfig) -> None:
        """Take over the options that may change while running: those of decoding."""
        self.config = replace(self.config, decode=config.decode)
        for detector in self._detectors.values():
            detector.config = config.decode

    def observe_rotation(self, *, stamp_ns: int, angular_velocity_rad_s: ArrayLike) -> None:
        """Take in a measured angular velocity of the vehicle, for `odometry` and `imu`.

        Args:
            stamp_ns: time of the measurement, by the clock of the images.
            angular_velocity_rad_s: (3,) about the axes that `set_mounting` names, by default
                the vehicle's: x forward, y left, z up.
        """
        added = self._rotations.add(
            stamp_ns=stamp_ns, angular_velocity_rad_s=angular_velocity_rad_s
        )
        self.health.count('rotations_left_out', added in (Added.LATE, Added.NOT_FINITE))
        self.health.count('rotation_restarts', added is Added.BEGAN_ANEW)

    def set_intrinsics(self, camera: str, matrix: ArrayLike, *, size_wh: tuple[int, int]) -> None:
        """Take in the camera matrix (3, 3) of a camera for images of `size_wh` pixels.

        Raises:
            InvalidDataError: it is no camera matrix.
        """
        self._streams[camera].motion.set_intrinsics(matrix, size_wh=size_wh)

    def set_mounting(self, camera: str, optical_from_sensor: Rotation) -> None:
        """Take in how a camera is mounted, in the place of `camera_motion.mounting`.

        Args:
            camera: its name.
            optical_from_sensor: (3, 3) rotation to the optical axes from those of the angular
                velocities; where the image is the source, from the vehicle's.
        """
        self._streams[camera].motion.set_mounting(optical_from_sensor)

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

    def _arrival(self, frame: Frame) -> _Arrival:
        """What the frame is to its stream, which is forgotten where the frame begins anew."""
        stream = self._streams[frame.camera]
        arrival = stream.judge(frame, max_gap_s=self.config.max_gap_s)
        if arrival is _Arrival.ANEW:
            self.health.count('resolution_changes', stream.size_wh != frame.size_wh)
            self.reset(frame.camera)
        return arrival

    def _detect(self, frames: Sequence[Frame], roles: Sequence[Role]) -> list[Detections]:
        """Detections of each frame, one batch per network."""
        found: dict[int, Detections] = {}
        for role, detector in self._detectors.items():
            chosen = [i for i, r in enumerate(roles) if r is role]
            if chosen:
                seen = detector.observe([frames[i] for i in chosen], self.health)
                found.update(zip(chosen, (one.detections for one in seen), strict=True))
        self.health.count('keyframes', sum(role is Role.TEACHER for role in roles))
        return [found[i] for i in range(len(frames))]

    def _track(self, frame: Frame, role: Role, detections: Detections) -> None:
        stream = self._streams[frame.camera]
        view, moved = self._camera_motion(stream, frame)
        dropped_before = stream.tracker.dropped
        with self.health.stage('track'):
            stream.latest = stream.tracker.update(
                detections,
                stamp_ns=frame.stamp_ns,
                source=role.value,
                camera_motion=moved,
            )
        stream.view, stream.size_wh, stream.late_in_a_row = view, frame.size_wh, 0
        self.schedule.advance(frame.camera)
        self.health.count('frames_processed')
        dropped = stream.tracker.dropped - dropped_before
        self.health.count('detections_dropped', dropped)

    def _camera_motion(
        self, stream: _Stream, frame: Frame
    ) -> tuple[View | None, Homography | None]:
        """What to remember of a frame, and how the camera moved since the last one tracked."""
        if not stream.motion.is_active:
            return None, None
        with self.health.stage('camera_motion'):
            view = stream.motion.look(frame)
            if stream.view is None:
                return view, None
            moved = stream.motion.between(
                stream.view, view, moving_xyxy_px=stream.tracker.store.boxes_xyxy_px
            )
        self.health.count('camera_motion_unknown', moved is None)
        return view, moved

    def _answer(self, frame: Frame, arrival: _Arrival) -> Tracks | None:
        """The tracks of a frame; what was not processed is counted here, when all went well."""
        stream = self._streams[frame.camera]
        if arrival is _Arrival.LATE:
            stream.late_in_a_row += 1
            self.health.count('late_frames')
            return None
        if arrival is _Arrival.DUPLICATE:
            self.health.count('duplicate_stamps')
        return stream.latest


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
