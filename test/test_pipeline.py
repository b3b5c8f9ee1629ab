"""The pipeline on painted images, whose truth is known."""

import contextlib

import cv2
import numpy as np
import pytest

from mot_compress_ros.assembly import build_pipeline, simulated_teacher
from mot_compress_ros.datatypes import Frame
from mot_compress_ros.errors import BundleError, InvalidDataError, InvalidOptionError
from mot_compress_ros.inference import build_detector
from mot_compress_ros.inference.backends.scripted import write_scripted_bundle
from mot_compress_ros.inference.checkpoint import load_bundle, save_bundle
from mot_compress_ros.keyframe import KeyframeConfig
from mot_compress_ros.options import from_mapping
from mot_compress_ros.pipeline import Pipeline, PipelineConfig

FRAME_NS = 33_333_333
RED, GREEN, BLUE = (0, 0, 255), (0, 255, 0), (255, 0, 0)  # BGR


@pytest.fixture
def bundle(tmp_path):
    return str(write_scripted_bundle(tmp_path / 'painted'))


def paint(*rectangles, size_wh=(640, 384)):
    """An image with rectangles (colour, x, y, w, h)."""
    image = np.full((*size_wh[::-1], 3), 90, np.uint8)
    for colour, x, y, w, h in rectangles:
        image[y : y + h, x : x + w] = colour
    return image


def make_frame(index, *, x=None, camera='camera', size_wh=(640, 384), stamp_ns=None):
    rectangle = (BLUE, 100 + 4 * index if x is None else x, 120, 80, 60)
    return Frame(
        image=paint(rectangle, size_wh=size_wh),
        stamp_ns=index * FRAME_NS if stamp_ns is None else stamp_ns,
        camera=camera,
        frame_index=index,
    )


def test_a_moving_object_keeps_its_id_and_its_box_in_source_pixels(bundle):
    pipeline = build_pipeline(cameras=['camera'], model=bundle)
    for index in range(10):
        (tracks,) = pipeline.step([make_frame(index)])
        assert tracks.track_ids.tolist() == [1]
        assert pipeline.class_names[tracks.class_ids[0]] == 'vehicle'
        expected = [100 + 4 * index, 120, 180 + 4 * index, 180]
        assert np.abs(tracks.boxes_xyxy_px[0] - expected).max() < 4
    assert tracks.velocities_px_s[0] == pytest.approx([120, 0], abs=15)
    assert pipeline.health.counters()['frames_processed'] == 10
    stages = {'preprocess', 'infer', 'decode', 'student', 'track', 'total'}
    assert set(pipeline.health.stages()) == stages


def test_classes_are_told_apart(bundle):
    image = paint((RED, 50, 50, 40, 90), (GREEN, 200, 50, 60, 90), (BLUE, 400, 50, 90, 60))
    pipeline = build_pipeline(cameras=['camera'], model=bundle)
    (tracks,) = pipeline.step([Frame(image=image, stamp_ns=0)])
    assert sorted(pipeline.class_names[c] for c in tracks.class_ids) == [
        'cyclist',
        'pedestrian',
        'vehicle',
    ]


def test_an_empty_image_gives_empty_tracks_with_its_stamp(bundle):
    pipeline = build_pipeline(cameras=['camera'], model=bundle)
    (tracks,) = pipeline.step([Frame(image=paint(), stamp_ns=77)])
    assert (len(tracks), tracks.stamp_ns) == (0, 77)


def test_keyframes_are_the_teachers(bundle, tmp_path):
    teacher = str(write_scripted_bundle(tmp_path / 'teacher'))
    config = PipelineConfig(keyframe=KeyframeConfig(interval=3))
    pipeline = build_pipeline(cameras=['camera'], model=bundle, teacher=teacher, config=config)
    outputs = [pipeline.step([make_frame(i)])[0] for i in range(7)]
    assert [o.source for o in outputs] == ['teacher', 'student', 'student'] * 2 + ['teacher']
    assert {tuple(o.track_ids) for o in outputs} == {(1,)}
    assert pipeline.health.counters()['keyframes'] == 3


def test_cameras_have_trackers_of_their_own(bundle):
    pipeline = build_pipeline(cameras=['left', 'right'], model=bundle)
    for index in range(3):
        frames = [make_frame(index, camera='right'), make_frame(index, camera='left')]
        outputs = pipeline.step(frames)
        assert [o.track_ids.tolist() for o in outputs] == [[1], [1]]
    (alone,) = pipeline.step([make_frame(3, camera='left')])
    assert alone.ages.tolist() == [4]


def test_unknown_camera_is_refused(bundle):
    pipeline = build_pipeline(cameras=['left'], model=bundle)
    with pytest.raises(InvalidDataError, match='left'):
        pipeline.step([make_frame(0, camera='rear')])
    with pytest.raises(InvalidDataError, match='at most once'):
        pipeline.step([make_frame(0, camera='left'), make_frame(1, camera='left')])


def test_a_duplicate_stamp_is_not_processed_twice(bundle):
    pipeline = build_pipeline(cameras=['camera'], model=bundle)
    (first,) = pipeline.step([make_frame(0)])
    (again,) = pipeline.step([make_frame(0, x=500)])
    assert again is first
    counters = pipeline.health.counters()
    assert (counters['duplicate_stamps'], counters['frames_processed']) == (1, 1)


@pytest.mark.parametrize('stamp_ns', [-3 * 10**9, 10**12])
def test_a_stamp_that_jumps_begins_new_tracks_with_new_ids(bundle, stamp_ns):
    pipeline = build_pipeline(cameras=['camera'], model=bundle)
    for index in range(5):
        pipeline.step([make_frame(index)])
    (tracks,) = pipeline.step([make_frame(5, stamp_ns=stamp_ns)])
    assert tracks.track_ids.tolist() == [2]
    assert pipeline.health.counters()['tracker_resets'] == 1


def test_a_gap_of_nothing_is_refused():
    with pytest.raises(InvalidOptionError, match=r'max_gap_s: got 0\.0, legal range 0\.001'):
        from_mapping(PipelineConfig, {'max_gap_s': 0})


def test_a_late_frame_is_left_out_and_costs_no_id(bundle):
    pipeline = build_pipeline(cameras=['camera'], model=bundle)
    order = (0, 1, 2, 4, 3, 1, 5, 4, 6)
    seen = [pipeline.step([make_frame(i)])[0] for i in order]
    assert [i for i, tracks in zip(order, seen, strict=True) if tracks is None] == [3, 1, 4]
    assert {tuple(tracks.track_ids) for tracks in seen if tracks is not None} == {(1,)}
    counters = pipeline.health.counters()
    assert (counters['late_frames'], counters['frames_processed']) == (3, 6)
    assert 'tracker_resets' not in counters


def test_the_third_late_frame_in_a_row_is_a_new_stream(bundle):
    pipeline = build_pipeline(cameras=['camera'], model=bundle)
    for index in range(20):
        pipeline.step([make_frame(index)])
    seen = [pipeline.step([make_frame(index)])[0] for index in range(3, 7)]
    assert seen[:2] == [None, None]
    assert [tracks.track_ids.tolist() for tracks in seen[2:]] == [[2], [2]]
    counters = pipeline.health.counters()
    assert (counters['late_frames'], counters['tracker_resets']) == (2, 1)


def test_a_late_frame_of_one_camera_does_not_hold_the_other_up(bundle):
    pipeline = build_pipeline(cameras=['left', 'right'], model=bundle)
    for index in (1, 2):
        pipeline.step([make_frame(index, camera=camera) for camera in ('left', 'right')])
    frames = [make_frame(0, camera='left'), make_frame(3, camera='right')]
    late, fresh = pipeline.step(frames)
    assert late is None
    assert fresh.ages.tolist() == [3]


class FailsFor:
    """A network that gives up on batches with a certain camera in them."""

    def __init__(self, detector, camera):
        self._detector, self._camera = detector, camera

    def __getattr__(self, name):
        return getattr(self._detector, name)

    def observe(self, frames, health=None, *, priors=()):
        if any(frame.camera == self._camera for frame in frames):
            raise RuntimeError('out of memory')
        return self._detector.observe(frames, health, priors=priors)


def test_a_student_that_fails_for_one_camera_uses_up_no_keyframe(bundle, tmp_path):
    """The caller tries one camera at a time where a batch failed."""
    student = build_detector(load_bundle(bundle))
    teacher = build_detector(load_bundle(write_scripted_bundle(tmp_path / 'teacher')))
    config = PipelineConfig(keyframe=KeyframeConfig(interval=4))
    pipeline = Pipeline(
        cameras=['front', 'rear'],
        student=FailsFor(student, 'rear'),
        teacher=simulated_teacher(teacher, config.keyframe),
        config=config,
    )
    front, rear = [], []
    for index in range(9):
        frames = [make_frame(index, camera=camera) for camera in ('front', 'rear')]
        with contextlib.suppress(RuntimeError):
            front_tracks, rear_tracks = pipeline.step(frames)
            front.append(front_tracks.source)
            rear.append(rear_tracks.source)
            continue
        front.append(pipeline.step(frames[:1])[0].source)
        with contextlib.suppress(RuntimeError):
            rear.append(pipeline.step(frames[1:])[0].source)
    assert front == ['teacher', 'student', 'student', 'student'] * 2 + ['teacher']
    assert rear == []
    counters = pipeline.health.counters()
    assert (counters['keyframes'], counters['frames_processed']) == (3, 9)


def test_a_teacher_that_fails_leaves_the_frame_to_the_student(bundle, tmp_path):
    student = build_detector(load_bundle(bundle))
    teacher = build_detector(load_bundle(write_scripted_bundle(tmp_path / 'teacher')))
    config = PipelineConfig(keyframe=KeyframeConfig(interval=4, retry_s=0.0))
    pipeline = Pipeline(
        cameras=['front', 'rear'],
        student=student,
        teacher=simulated_teacher(FailsFor(teacher, 'rear'), config.keyframe),
        config=config,
    )
    sources = []
    for index in range(9):
        frames = [make_frame(index, camera=camera) for camera in ('front', 'rear')]
        sources.append([tracks.source for tracks in pipeline.step(frames)])
    front, rear = zip(*sources, strict=True)
    assert set(rear) == {'student'}
    assert front.count('teacher') >= 2
    assert front[0] == 'teacher'
    assert pipeline.teacher.failures > 0
    assert 'out of memory' in pipeline.teacher.reason or not pipeline.teacher.reason
    assert pipeline.health.counters()['frames_processed'] == 18


def test_nothing_is_counted_twice_when_a_failed_batch_is_given_again(bundle):
    student = build_detector(load_bundle(bundle))
    cameras = ['front', 'rear', 'side']
    pipeline = Pipeline(cameras=cameras, student=FailsFor(student, 'rear'))
    for index in (1, 2):
        pipeline.step([make_frame(index, camera=camera) for camera in ('front', 'side')])
    stamps = {'front': 1, 'rear': 2, 'side': 2}
    frames = [make_frame(index, camera=camera) for camera, index in stamps.items()]
    with pytest.raises(RuntimeError):
        pipeline.step(frames)
    assert pipeline.step(frames[:1]) == [None]
    assert pipeline.step(frames[2:])[0].track_ids.tolist() == [1]
    counters = pipeline.health.counters()
    assert (counters['late_frames'], counters['duplicate_stamps']) == (1, 1)


def test_another_image_size_begins_new_tracks(bundle):
    pipeline = build_pipeline(cameras=['camera'], model=bundle)
    pipeline.step([make_frame(0)])
    (tracks,) = pipeline.step([make_frame(1, size_wh=(1280, 720))])
    assert tracks.track_ids.tolist() == [2]
    counters = pipeline.health.counters()
    assert (counters['resolution_changes'], counters['tracker_resets']) == (1, 1)


def test_dropped_frames_do_not_break_a_track(bundle):
    pipeline = build_pipeline(cameras=['camera'], model=bundle)
    seen = [pipeline.step([make_frame(i)])[0] for i in (0, 1, 2, 3, 4, 8, 12, 13)]
    assert {tuple(t.track_ids) for t in seen} == {(1,)}


def test_classes_of_teacher_and_student_must_agree(bundle, tmp_path):
    other = load_bundle(write_scripted_bundle(tmp_path / 'other'))
    from dataclasses import replace

    save_bundle(other.path, replace(other.manifest, class_names=('a', 'b', 'c')), {})
    with pytest.raises(BundleError, match=r'teacher other has the classes a, b, c'):
        build_pipeline(cameras=['camera'], model=bundle, teacher=str(other.path))


# --- camera motion


WALL = np.random.default_rng(11).normal(128, 45, (96, 200)).clip(0, 250)
K = np.array([[400.0, 0, 319.5], [0, 400.0, 191.5], [0, 0, 1]])


def turning_frame(index, *, shift_px=12, stamp_ns=None):
    """A camera that turns: everything moves to the right, the vehicle too."""
    large = cv2.resize(WALL.astype(np.uint8), (1600, 768), interpolation=cv2.INTER_CUBIC)
    left = 480 - shift_px * index
    image = cv2.cvtColor(large[100:484, left : left + 640], cv2.COLOR_GRAY2BGR)
    x = 60 + shift_px * index
    image[120:180, x : x + 80] = BLUE
    stamp_ns = index * FRAME_NS if stamp_ns is None else stamp_ns
    return Frame(image=image, stamp_ns=stamp_ns, frame_index=index)


def middle(moved):
    """Where the middle of the picture went; None where nobody knows."""
    if moved is None:
        return None
    u, v, w = moved @ [319.5, 191.5, 1]
    return u / w, v / w


class Listening:
    """A tracker that keeps what it is told of the camera's motion."""

    def __init__(self, tracker):
        self._tracker = tracker
        self.motions = []

    def __getattr__(self, name):
        return getattr(self._tracker, name)

    def update(self, detections, *, stamp_ns, source, camera_motion):
        self.motions.append(camera_motion)
        return self._tracker.update(detections, stamp_ns=stamp_ns, source=source)


def listening_pipeline(bundle, **options):
    config = from_mapping(PipelineConfig, {f'camera_motion.{k}': v for k, v in options.items()})
    pipeline = build_pipeline(cameras=['camera'], model=bundle, config=config)
    tracker = Listening(pipeline._streams['camera'].tracker)
    pipeline._streams['camera'].tracker = tracker
    return pipeline, tracker.motions


def turn_at(pipeline, rate_rad_s, *, start_ms=0, end_ms=400):
    for ms in range(start_ms, end_ms, 5):
        pipeline.observe_rotation(
            stamp_ns=ms * 1_000_000, angular_velocity_rad_s=(0, 0, rate_rad_s)
        )


def test_without_a_source_no_motion_is_told_and_nothing_is_timed(bundle):
    pipeline, motions = listening_pipeline(bundle)
    for index in range(3):
        pipeline.step([turning_frame(index)])
    assert motions == [None, None, None]
    assert 'camera_motion' not in pipeline.health.stages()
    assert 'camera_motion_unknown' not in pipeline.health.counters()


def test_the_image_tells_the_tracker_how_the_camera_moved(bundle):
    pipeline, motions = listening_pipeline(bundle, source='image')
    for index in range(5):
        pipeline.step([turning_frame(index)])
    assert motions[0] is None
    for moved in motions[1:]:
        assert middle(moved) == pytest.approx((331.5, 191.5), abs=0.5)
    assert len(pipeline.health.samples_ms('camera_motion')) == 5
    assert pipeline.health.counters()['camera_motion_unknown'] == 0


def test_the_motion_is_from_the_frame_the_tracker_saw_last(bundle):
    """Frames that never came, came late or twice are no frames of the tracker."""
    pipeline, motions = listening_pipeline(bundle, source='image')
    pipeline.step([turning_frame(0)])
    pipeline.step([turning_frame(3)])
    pipeline.step([turning_frame(1)])  # late
    pipeline.step([turning_frame(3)])  # a duplicate
    pipeline.step([turning_frame(4)])
    first, second, third = map(middle, motions)
    assert first is None
    assert second == pytest.approx((319.5 + 36, 191.5), abs=1.5)
    assert third == pytest.approx((319.5 + 12, 191.5), abs=0.5)


def test_a_network_that_fails_leaves_the_motion_whole(bundle):
    pipeline, motions = listening_pipeline(bundle, source='image')
    pipeline.step([turning_frame(0)])
    works = pipeline.student
    pipeline.student = FailsFor(works, 'camera')
    with pytest.raises(RuntimeError, match='out of memory'):
        pipeline.step([turning_frame(1)])
    pipeline.student = works
    pipeline.step([turning_frame(2)])
    assert middle(motions[-1]) == pytest.approx((319.5 + 24, 191.5), abs=1)


def test_a_stream_that_begins_anew_has_no_motion(bundle):
    pipeline, motions = listening_pipeline(bundle, source='image')
    pipeline.step([turning_frame(0)])
    pipeline.step([turning_frame(1, stamp_ns=60 * 10**9)])
    pipeline.reset('camera')
    pipeline.step([turning_frame(2, stamp_ns=61 * 10**9)])
    assert motions == [None, None, None]


def test_what_cannot_be_told_is_counted(bundle):
    pipeline, motions = listening_pipeline(bundle, source='image')
    for index in range(4):
        pipeline.step([make_frame(index, x=100)])  # one rectangle on grey, and that is masked
    assert motions == [None] * 4
    assert pipeline.health.counters()['camera_motion_unknown'] == 3


@pytest.mark.parametrize('source', ['imu', 'odometry'])
def test_measured_turns_become_homographies(bundle, source):
    pipeline, motions = listening_pipeline(bundle, source=source)
    turn_at(pipeline, 0.9)
    pipeline.step([make_frame(0)])
    pipeline.step([make_frame(1)])  # nobody knows the camera yet
    pipeline.set_intrinsics('camera', K, size_wh=(640, 384))
    pipeline.step([make_frame(2)])
    assert motions[:2] == [None, None]
    expected = 319.5 + 400 * np.tan(0.9 * FRAME_NS / 1e9)
    assert middle(motions[2]) == pytest.approx((expected, 191.5))
    pipeline.set_mounting('camera', np.eye(3))  # now the sensor's z axis is the viewing axis
    pipeline.step([make_frame(3)])
    assert middle(motions[3]) == pytest.approx((319.5, 191.5))
    assert pipeline.health.counters()['camera_motion_unknown'] == 1


def test_cameras_have_mountings_and_intrinsics_of_their_own(bundle):
    config = from_mapping(
        PipelineConfig,
        {'camera_motion.source': 'imu', 'camera_motion.mounting': ('rear=0,0,180',)},
    )
    pipeline = build_pipeline(cameras=['front', 'rear'], model=bundle, config=config)
    views = []
    for camera in ('front', 'rear'):
        tracker = Listening(pipeline._streams[camera].tracker)
        pipeline._streams[camera].tracker = tracker
        views.append(tracker.motions)
    pipeline.set_intrinsics('front', K, size_wh=(640, 384))
    for ms in range(0, 100, 5):  # a roll
        pipeline.observe_rotation(stamp_ns=ms * 1_000_000, angular_velocity_rad_s=(1.0, 0, 0))
    for index in range(2):
        pipeline.step([make_frame(index, camera=camera) for camera in ('front', 'rear')])
    front, rear = views
    assert front[1][1, 0] < -0.01
    assert rear[1] is None
    pipeline.set_intrinsics('rear', K, size_wh=(640, 384))
    pipeline.step([make_frame(2, camera=camera) for camera in ('front', 'rear')])
    assert rear[2][1, 0] == pytest.approx(-front[2][1, 0])


def test_bad_measurements_are_counted(bundle):
    pipeline, _ = listening_pipeline(bundle, source='imu')
    turn_at(pipeline, 0.1, start_ms=5000, end_ms=5010)
    pipeline.observe_rotation(stamp_ns=5_100_000_000, angular_velocity_rad_s=(np.nan, 0, 0))
    pipeline.observe_rotation(stamp_ns=5_000_000_000, angular_velocity_rad_s=(0, 0, 0))
    pipeline.observe_rotation(stamp_ns=1_000_000_000, angular_velocity_rad_s=(0, 0, 0))
    counters = pipeline.health.counters()
    assert (counters['rotations_left_out'], counters['rotation_restarts']) == (2, 1)


def test_the_mounting_of_an_unknown_camera_is_refused(bundle):
    config = from_mapping(PipelineConfig, {'camera_motion.mounting': ('fornt=0,0,0',)})
    with pytest.raises(InvalidOptionError, match='no camera fornt, only front, rear'):
        build_pipeline(cameras=['front', 'rear'], model=bundle, config=config)


def test_detections_that_the_tracker_leaves_out_are_counted(bundle):
    pipeline = build_pipeline(cameras=['camera'], model=bundle)

    class Dropping(Listening):
        dropped = 0

        def update(self, detections, *, stamp_ns, source, camera_motion):
            self.dropped += 2
            return super().update(
                detections, stamp_ns=stamp_ns, source=source, camera_motion=camera_motion
            )

    pipeline._streams['camera'].tracker = Dropping(pipeline._streams['camera'].tracker)
    for index in range(3):
        pipeline.step([make_frame(index)])
    assert pipeline.health.counters()['detections_dropped'] == 6
