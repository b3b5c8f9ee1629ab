"""Frames in, tracks out: the only file that knows the order of things."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from numpy.typing import ArrayLike

from mot_compress_ros.camera_motion import (
    Added,
    build_camera_motion,
    CameraMotionConfig,
    EVERY_CAMERA,
    Homography,
    parse_mountings,
    Rotation,
    RotationSamples,
    View,
)
from mot_compress_ros.datatypes import Frame, Tracks
from mot_compress_ros.errors import InvalidDataError, InvalidOptionError
from mot_compress_ros.health import Health, Lap
from mot_compress_ros.inference import (
    BackendOptions,
    check_pair,
    DecodeConfig,
    Detector,
)
from mot_compress_ros.keyframe import (
    Answer,
    Attention,
    build_schedule,
    KeyframeConfig,
    Role,
    START_LIMIT_S,
    Teacher,
)
from mot_compress_ros.options import option
from mot_compress_ros.stream import Arrival, facts_of, Look, Stream
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


class Pipeline:
    """Tracks the objects of several cameras with a student and, on keyframes, a teacher.

    Not thread-safe: one thread calls `step`. What is known of a camera and of its motion may come
    from another: `observe_rotation`, `set_intrinsics`, `set_mounting`.

    Raises:
        BundleError: teacher and student do not fit each other.
        InvalidOptionError: `config` states the mounting of a camera that is not there.
    """

    def __init__(
        self,
        *,
        cameras: Sequence[str],
        student: Detector,
        teacher: Teacher | None = None,
        config: PipelineConfig | None = None,
        health: Health | None = None,
    ) -> None:
        if teacher is not None:
            check_pair(student.manifest, teacher.manifest)
        self.config = config or PipelineConfig()
        self.health = health or Health()
        self.student = student
        self.teacher = teacher
        self.schedule = build_schedule(
            self.config.keyframe, cameras=cameras, has_teacher=teacher is not None
        )
        self._rotations = RotationSamples()
        self._streams = self._new_streams(cameras)

    def _new_streams(self, cameras: Sequence[str]) -> dict[str, Stream]:
        config = self.config.camera_motion
        foreign = sorted(set(parse_mountings(config.mounting)) - {*cameras, EVERY_CAMERA})
        if foreign:
            raise InvalidOptionError(
                f'camera_motion.mounting: there is no camera {", ".join(foreign)}, only '
                f'{", ".join(cameras)}'
            )
        return {
            name: Stream(
                tracker=Tracker(self.config.tracker),
                motion=build_camera_motion(config, camera=name, samples=self._rotations),
                attention=Attention(self.config.keyframe),
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

        A teacher that fails leaves the frame to the student. Where the student fails, no keyframe
        is used up (but one that a teacher beside has by then), and the frames can be given again.

        Raises:
            InvalidDataError: a camera is unknown or stands twice.
        """
        with self.health.stage('total') as lap:
            self._check_cameras(frames)
            arrivals = [self._arrival(frame) for frame in frames]
            fresh = [
                frame
                for frame, arrival in zip(frames, arrivals, strict=True)
                if arrival in (Arrival.NEXT, Arrival.ANEW)
            ]
            self._take_in_late_answers(fresh)
            self._hand_to_teacher(fresh)
            looks = self._observe([self._look_at(frame) for frame in fresh])
            for look in looks:
                self._track(look)
            self._report(looks, lap)
            return [self._answer(f, a) for f, a in zip(frames, arrivals, strict=True)]

    @property
    def awaits_teacher(self) -> bool:
        """Whether a teacher beside is at work, so that `catch_up` may find something soon."""
        return self.teacher is not None and self.schedule.beside and self.teacher.working

    def catch_up(self) -> None:
        """Take in what a teacher beside has found by now.

        `step` does so too. Where frames leave time between them, no frame then has to wait for it.
        """
        for answer in self.teacher.answers() if self.teacher is not None else ():
            with self.health.stage('late_result'):
                self._take_in(answer)

    def reset(self, camera: str) -> None:
        """Forget the tracks of `camera`; ids go on."""
        self._streams[camera].forget()
        self.schedule.reset(camera)
        self.health.count('tracker_resets')

    def reconfigure(self, config: PipelineConfig) -> None:
        """Take over the options that may change while running: of decoding and of keyframes."""
        if config.keyframe != self.config.keyframe:
            self.schedule = build_schedule(
                config.keyframe,
                cameras=tuple(self._streams),
                has_teacher=self.teacher is not None,
                after=self.schedule,
            )
            for stream in self._streams.values():
                stream.attention.config = config.keyframe
        self.config = replace(self.config, decode=config.decode, keyframe=config.keyframe)
        self.student.config = config.decode
        if self.teacher is not None:
            self.teacher.reconfigure(config.decode)

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

    def prior_age_s(self, camera: str) -> float | None:
        """How old the teacher's latest result is at the latest frame; None where there is none."""
        stream = self._streams[camera]
        latest = stream.latest
        return None if latest is None else stream.attention.age_s(latest.stamp_ns)

    def warm_up(self, *, teacher_wait_s: float = START_LIMIT_S) -> None:
        """Make the first frame as fast as the others.

        A teacher that is not there after `teacher_wait_s` joins in when it is.

        Raises:
            BundleError: the teacher's bundle or one of its options was refused.
        """
        self.student.warm_up()
        if self.teacher is not None:
            self.teacher.warm_up(teacher_wait_s)

    def close(self) -> None:
        """End what works beside this thread; the pipeline is of no use after that."""
        if self.teacher is not None:
            self.teacher.close()

    def _check_cameras(self, frames: Sequence[Frame]) -> None:
        names = [frame.camera for frame in frames]
        unknown = sorted(set(names) - set(self._streams))
        if unknown or len(set(names)) != len(names):
            raise InvalidDataError(
                f'frames of cameras {names}: expected each at most once out of '
                f'{", ".join(self._streams)}'
            )

    def _arrival(self, frame: Frame) -> Arrival:
        """What the frame is to its stream, which is forgotten where the frame begins anew."""
        stream = self._streams[frame.camera]
        arrival = stream.judge(frame, max_gap_s=self.config.max_gap_s)
        if arrival is Arrival.ANEW:
            self.health.count('resolution_changes', stream.size_wh != frame.size_wh)
            self.reset(frame.camera)
        return arrival

    def _take_in_late_answers(self, frames: Sequence[Frame]) -> None:
        """What a teacher beside has said by now of earlier frames is applied where it belongs."""
        if self.teacher is None:
            return
        # Not the stamps themselves: cameras may have clocks of their own.
        for frame in frames:
            self.teacher.tell(self.schedule.ledger.now_ns(frame.camera, frame.stamp_ns))
        self.catch_up()

    def _take_in(self, answer: Answer) -> None:
        self.health.record_ms('teacher', answer.duration_ms)
        self.schedule.teacher_took(answer.camera, answer.duration_ms)
        stream, seen = self._streams[answer.camera], answer.observation
        assert seen is not None, 'failures are kept by the teacher'
        # Of a stream that ended nothing is known any more, though another may have its stamps.
        if answer.stamp_ns in stream.given_ns:
            outcome = stream.tracker.update_late(seen.detections, stamp_ns=answer.stamp_ns)
            if outcome.applied:
                stream.learn(seen, stamp_ns=answer.stamp_ns)
                self.health.count('keyframes')
                self.health.count('late_results')
                self.health.count('late_frames_replayed', outcome.frames)
                return
        self.health.count('late_results_refused')

    def _hand_to_teacher(self, frames: Sequence[Frame]) -> None:
        """Give a teacher beside its next frame, before the student begins with the same ones."""
        if self.teacher is None or not self.schedule.beside or not self.teacher.idle:
            return
        chosen = self.schedule.submit([facts_of(frame) for frame in frames])
        if chosen is not None and self.teacher.submit(frames[chosen]):
            self._streams[frames[chosen].camera].given_ns.append(frames[chosen].stamp_ns)

    def _look_at(self, frame: Frame) -> Look:
        """What is known of a frame before a network looks at it; changes nothing."""
        stream = self._streams[frame.camera]
        view, moved = self._camera_motion(stream, frame)
        prior = None
        if self.student.takes_prior or self.schedule.compares:
            with self.health.stage('prior'):
                prior = stream.prior(stamp_ns=frame.stamp_ns, camera_motion=moved)
        return Look(frame=frame, view=view, camera_motion=moved, prior=prior)

    def _observe(self, looks: Sequence[Look]) -> list[Look]:
        """The frames with what the networks made of them, one batch per network."""
        roles = self.schedule.plan([facts_of(look.frame) for look in looks])
        looks = [
            self._with_teacher(look) if role is Role.TEACHER else look
            for look, role in zip(looks, roles, strict=True)
        ]
        left = [look for look in looks if look.seen is None]
        if not left:
            return list(looks)
        if self.student.takes_prior:
            self.health.count('told_frames', sum(look.prior is not None for look in left))
        with self.health.stage('student') as lap:
            seen = self.student.observe(
                [look.frame for look in left], self.health, priors=[look.prior for look in left]
            )
        by_camera = {
            look.frame.camera: replace(look, seen=one, network_ms=lap.ms / len(left))
            for look, one in zip(left, seen, strict=True)
        }
        return [by_camera.get(look.frame.camera, look) for look in looks]

    def _with_teacher(self, look: Look) -> Look:
        """The frame as the teacher sees it; the student's where the teacher cannot."""
        assert self.teacher is not None, 'there are no keyframes without a teacher'
        if not self.teacher.idle:
            return replace(look, teacher_failed=True)
        self._streams[look.frame.camera].given_ns.append(look.frame.stamp_ns)
        with self.health.stage('teacher') as lap:
            seen = self.teacher.look([look.frame])
        if seen is None:
            return replace(look, teacher_failed=True, teacher_ms=lap.ms)
        ms = lap.ms
        return replace(look, seen=seen[0], role=Role.TEACHER, network_ms=ms, teacher_ms=ms)

    def _track(self, look: Look) -> None:
        frame, stream, seen = look.frame, self._streams[look.frame.camera], look.seen
        assert seen is not None, 'every frame has been looked at'
        dropped_before = stream.tracker.dropped
        with self.health.stage('track'):
            stream.latest = stream.tracker.update(
                seen.detections,
                stamp_ns=frame.stamp_ns,
                source=look.role.value,
                camera_motion=look.camera_motion,
            )
        if look.view is not None and stream.view is not None:
            self.health.count('camera_motion_unknown', look.camera_motion is None)
        stream.view, stream.size_wh, stream.late_in_a_row = look.view, frame.size_wh, 0
        stream.attention.moved(look.camera_motion, stamp_ns=frame.stamp_ns)
        if look.role is Role.TEACHER:
            stream.learn(seen, stamp_ns=frame.stamp_ns)
        self.health.count('keyframes', look.role is Role.TEACHER)
        self.health.count('frames_processed')
        self.health.count('detections_dropped', stream.tracker.dropped - dropped_before)

    def _report(self, looks: Sequence[Look], lap: Lap) -> None:
        """Tell the schedule what came of the frames."""
        teacher_ms = sum(look.teacher_ms for look in looks)
        for look in looks:
            tracks = self._streams[look.frame.camera].tracker.store
            differs = look.disagreement() if self.schedule.compares else None
            self.schedule.served(
                look.report(tracks, differs, total_ms=lap.ms, step_teacher_ms=teacher_ms)
            )

    def _camera_motion(
        self, stream: Stream, frame: Frame
    ) -> tuple[View | None, Homography | None]:
        """What to remember of a frame, and how the camera moved since the last one tracked."""
        if not stream.motion.is_active:
            return None, None
        with self.health.stage('camera_motion'):
            view = stream.motion.look(frame)
            if stream.view is None:
                return view, None
            moving = stream.tracker.store.boxes_xyxy_px
            return view, stream.motion.between(stream.view, view, moving_xyxy_px=moving)

    def _answer(self, frame: Frame, arrival: Arrival) -> Tracks | None:
        """The tracks of a frame; what was not processed is counted here, when all went well."""
        stream = self._streams[frame.camera]
        if arrival is Arrival.LATE:
            stream.late_in_a_row += 1
            self.health.count('late_frames')
            return None
        if arrival is Arrival.DUPLICATE:
            self.health.count('duplicate_stamps')
        return stream.latest
