"""The student is told what the teacher saw, in time or late, and the teacher may fail."""

import time

import cv2
import numpy as np
import pytest

from mot_compress_ros import stream
from mot_compress_ros.assembly import build_pipeline
from mot_compress_ros.datatypes import Frame
from mot_compress_ros.errors import BundleError
from mot_compress_ros.inference import Detector
from mot_compress_ros.inference.backends.scripted import write_scripted_bundle
from mot_compress_ros.keyframe import disagreement, SCHEDULES
from mot_compress_ros.options import from_mapping
from mot_compress_ros.pipeline import PipelineConfig

SIZE_WH = (640, 384)
PERIOD_NS = 33_333_333
BRIGHT, DIM = (0, 0, 255), (0, 0, 140)  # BGR: a pedestrian that all see, one that is expected


def frame(index, *objects, camera='camera'):
    """A picture with rectangles (x, y, w, h, colour); the first frame is number 0."""
    image = np.full((SIZE_WH[1], SIZE_WH[0], 3), 100, np.uint8)
    for x, y, w, h, colour in objects:
        cv2.rectangle(image, (x, y), (x + w - 1, y + h - 1), colour, -1)
    return Frame(image=image, stamp_ns=index * PERIOD_NS, camera=camera, frame_index=index)


def walker(index, colour):
    return (100 + 4 * index, 100, 96, 200, colour)


@pytest.fixture
def pair(tmp_path):
    """A student that takes a prior, and a teacher of sharp eyes."""
    student = write_scripted_bundle(tmp_path / 'student', fusion='concat')
    teacher = write_scripted_bundle(tmp_path / 'teacher', eyes='sharp')
    return {'model': str(student), 'teacher': str(teacher)}


def made(pair, *, cameras=('camera',), live=False, **keyframe):
    options = {f'keyframe.{name}': value for name, value in keyframe.items()}
    config = from_mapping(PipelineConfig, options)
    return build_pipeline(cameras=cameras, config=config, live=live, **pair)


def shown(pipeline, n):
    """How many tracks each of n frames of a dim walker shows."""
    return [len(pipeline.step([frame(i, walker(i, DIM))])[0]) for i in range(n)]


@pytest.mark.parametrize('update', ['render', 'shift'])
def test_a_dim_object_is_seen_where_the_teacher_says_by_now(pair, update):
    """From the second keyframe on its velocity is known."""
    assert shown(made(pair, interval=6, update=update), 30)[6:] == [1] * 24


def test_a_heat_map_that_is_not_carried_loses_a_dim_object(pair):
    still = shown(made(pair, interval=12, update='still'), 36)[12:]
    assert still[:2] == [1, 1]  # hardly moved yet
    assert still[11] == still[23] == 0


@pytest.mark.parametrize(('update', 'lost'), [('render', True), ('follow', False)])
def test_an_object_that_stops_after_the_keyframe_is_followed_by_its_track(pair, update, lost):
    """It runs until its second keyframe, at frame 12, and stands from then on."""
    pipeline = made(pair, interval=12, update=update)
    seen = []
    for index in range(24):
        where = walker(min(index, 12), BRIGHT if index < 12 else DIM)
        seen.append(len(pipeline.step([frame(index, where)])[0]))
    assert seen[:14] == [1] * 14
    assert (0 in seen[14:]) is lost


def test_without_the_prior_a_dim_object_is_the_teachers_alone(pair):
    assert shown(made(pair, interval=6, update='off'), 18) == [1, 0, 0, 0, 0, 0] * 3


def test_a_late_result_shows_a_dim_object_to_the_student(pair):
    """The teacher beside answers three frames later; its first result begins the track."""
    pipeline = made(pair, mode='async', teacher_ms=100.0)
    ids, lengths = set(), []
    for index in range(40):
        (tracks,) = pipeline.step([frame(index, walker(index, DIM))])
        lengths.append(len(tracks))
        ids.update(tracks.track_ids.tolist())
        assert tracks.source == 'student'
    counters = pipeline.health.counters()
    assert lengths[:3] == [0, 0, 0]
    assert lengths[12:] == [1] * 28
    assert ids == {1}
    assert counters['late_results'] == counters['keyframes'] >= 9
    assert counters.get('late_results_refused', 0) == 0


def test_beside_the_old_way_a_late_result_alone_shows_nothing_dim(pair):
    """Without a prior the tracks go on by late results, but no frame shows them."""
    assert not any(shown(made(pair, mode='async', teacher_ms=100.0, update='off'), 30))


def test_between_frames_a_result_is_taken_in_as_it_comes(pair):
    """The next frame finds it done; one that comes while nobody looks is still found by `step`."""
    pipeline = made(pair, live=True, mode='async', worker='thread')
    pipeline.warm_up()
    assert not pipeline.awaits_teacher
    pipeline.catch_up()  # finds nothing
    for index in range(3):
        pipeline.step([frame(index, walker(index, BRIGHT))])
        assert pipeline.awaits_teacher
        end_s = time.monotonic() + 10
        while pipeline.awaits_teacher and time.monotonic() < end_s:
            pipeline.catch_up()
        assert pipeline.health.counters()['late_results'] == index + 1
    samples = len(pipeline.health.samples_ms('late_result'))
    pipeline.step([frame(3, walker(3, BRIGHT))])
    assert len(pipeline.health.samples_ms('late_result')) in (samples, samples + 1)
    pipeline.close()


def test_nobody_waits_for_a_teacher_that_works_in_turn(pair):
    pipeline = made(pair, mode='fixed', interval=2)
    pipeline.step([frame(0, walker(0, BRIGHT))])
    assert not pipeline.awaits_teacher
    assert not build_pipeline(
        cameras=['camera'], config=PipelineConfig(), model=pair['model'], teacher=''
    ).awaits_teacher


def test_a_late_result_of_before_a_reset_is_refused(pair):
    pipeline = made(pair, mode='async', teacher_ms=100.0)
    for index in range(3):
        pipeline.step([frame(index, walker(index, BRIGHT))])
    pipeline.reset('camera')
    for index in range(3, 6):
        pipeline.step([frame(index, walker(index, DIM))])
    assert pipeline.health.counters()['late_results_refused'] == 1
    assert pipeline.prior_age_s('camera') is None


def test_a_late_result_is_not_taken_for_that_of_a_new_stream_with_the_same_stamps(pair):
    """As where a simulation begins anew: what was seen at 0 s was there in the last run."""
    pipeline = made(pair, mode='async', teacher_ms=100.0)
    for index in range(3):
        pipeline.step([frame(index, walker(index, BRIGHT))])
    pipeline.reset('camera')
    for index in range(8):
        pipeline.step([frame(index)])
    assert len(pipeline._streams['camera'].tracker.store) == 0
    assert pipeline.health.counters()['late_results_refused'] == 1


def test_a_simulated_latency_holds_for_cameras_whose_clocks_are_far_apart(pair):
    """They take turns; at 33 ms from one frame to the next of each, 100 ms are three or four."""
    pipeline = made(pair, cameras=('front', 'rear'), mode='async', teacher_ms=100.0)
    delays = []
    for index in range(40):
        for camera, ahead in (('front', 0), ('rear', 30_000_000)):
            pipeline.step([frame(index + ahead, walker(index, BRIGHT), camera=camera)])
            age_s = pipeline.prior_age_s(camera)
            if age_s is not None:
                delays.append(age_s)
    assert len(delays) > 40
    assert min(delays) > 0.08
    assert pipeline.health.counters()['late_results'] in range(8, 14)


def test_a_late_result_comes_through_a_switch_to_a_mode_in_turn(pair):
    """The teacher is busy with frame 4; in turn it begins when that answer is there."""
    pipeline = made(pair, mode='async', interval=3, teacher_ms=100.0)
    sources = []
    for index in range(14):
        if index == 6:
            changed = {'keyframe.mode': 'fixed', 'keyframe.interval': 3}
            pipeline.reconfigure(from_mapping(PipelineConfig, changed))
        sources.append(pipeline.step([frame(index, walker(index, BRIGHT))])[0].source)
    assert [i for i, source in enumerate(sources) if source == 'teacher'] == [8, 11]
    counters = pipeline.health.counters()
    assert (counters['late_results'], counters.get('late_results_refused', 0)) == (2, 0)
    assert counters['keyframes'] == 4


def test_the_time_of_a_teacher_that_fails_is_not_taken_for_the_students(pair, monkeypatch):
    """A time-out is seconds; `deadline` would think that no keyframe fits any more."""
    pipeline = made(pair, interval=2)
    reports = []
    monkeypatch.setattr(pipeline.schedule, 'served', reports.append)

    def hang(frames):
        time.sleep(0.2)

    monkeypatch.setattr(pipeline.teacher, 'look', hang)
    pipeline.step([frame(0, walker(0, BRIGHT))])
    (report,) = reports
    assert report.teacher_failed
    assert report.total_ms > 200
    assert report.total_ms - report.step_teacher_ms < 100


@pytest.mark.parametrize('mode', sorted(SCHEDULES))
def test_student_and_teacher_are_compared_where_the_mode_asks_for_it_alone(
    pair, mode, monkeypatch
):
    """It costs tenths of a millisecond for each camera and frame."""
    compared = []

    def compare(prior, detections):
        compared.append(disagreement(prior, detections))
        return compared[-1]

    monkeypatch.setattr(stream, 'disagreement', compare)
    pipeline = made(pair, mode=mode, interval=4, teacher_ms=40.0)
    for index in range(8):
        pipeline.step([frame(index, walker(index, BRIGHT))])
    assert bool(compared) is (mode == 'adaptive')


def test_live_the_student_goes_first_on_the_device_in_every_mode(pair, monkeypatch):
    """The mode may become `async` while running."""
    asked = []
    monkeypatch.setattr(
        Detector, 'work_apart', lambda self, *, urgent=False: asked.append((self.name, urgent))
    )
    made(pair, live=True, mode='fixed', worker='thread').close()
    assert ('student', True) in asked
    asked.clear()
    build_pipeline(cameras=['camera'], model=pair['model'], live=True).close()
    assert asked == [], 'there is nobody beside'


def test_cameras_that_come_together_never_share_a_keyframe(pair):
    cameras = ('front', 'left', 'right')
    pipeline = made(pair, cameras=cameras, interval=6)
    turns = []
    for index in range(24):
        found = pipeline.step([frame(index, camera=camera) for camera in cameras])
        turns.append([tracks.source == 'teacher' for tracks in found])
    turns = np.array(turns)
    assert turns.sum(axis=1).max() == 1
    np.testing.assert_array_equal(turns.sum(axis=0), [4, 4, 4])


def test_options_of_keyframes_change_while_running(pair):
    pipeline = made(pair, interval=4)
    sources = []
    for index in range(20):
        if index == 8:
            changed = from_mapping(PipelineConfig, {'keyframe.mode': 'off'})
            pipeline.reconfigure(changed)
        if index == 14:
            pipeline.reconfigure(from_mapping(PipelineConfig, {'keyframe.interval': 2}))
        sources.append(pipeline.step([frame(index, walker(index, BRIGHT))])[0].source)
    assert [i for i, source in enumerate(sources) if source == 'teacher'] == [0, 4, 14, 16, 18]


def test_a_teacher_of_its_own_thread_works_as_one_in_turn(pair):
    pipelines = [made(pair, live=live, interval=3) for live in (False, True)]
    for index in range(9):
        one, other = (p.step([frame(index, walker(index, BRIGHT))])[0] for p in pipelines)
        assert one.source == other.source
        np.testing.assert_array_equal(one.boxes_xyxy_px, other.boxes_xyxy_px)
    for pipeline in pipelines:
        pipeline.close()


def test_a_pair_of_other_classes_is_refused_and_nothing_is_left_behind(pair, tmp_path):
    other = write_scripted_bundle(tmp_path / 'other')
    manifest = (other / 'model.json').read_text().replace('"cyclist"', '"rider"')
    (other / 'model.json').write_text(manifest)
    with pytest.raises(BundleError, match='use two models of the same classes'):
        build_pipeline(cameras=['camera'], model=pair['model'], teacher=str(other))
