"""A teacher that fails, and what the pipeline sees of it."""

import os
import signal
import time

import numpy as np
import pytest
from troubled_teacher import frame, loader, RELEASE, Trouble, troubled

from mot_compress_ros.datatypes import Frame
from mot_compress_ros.errors import BundleError, InvalidOptionError
from mot_compress_ros.inference import (
    BackendOptions,
    build_detector,
    DecodeConfig,
    load_bundle,
)
from mot_compress_ros.keyframe import KeyframeConfig
from mot_compress_ros.keyframe.teacher import build_teacher, Teacher, TeacherState
from mot_compress_ros.keyframe.workers import WORKERS, WorkerSetup
from mot_compress_ros.options import from_mapping

MS = 1_000_000
CPU = BackendOptions(device='cpu', precision='fp32', threads=1)
CONFIG = KeyframeConfig(timeout_s=5.0, retry_s=2.0)
STARTING, READY, FAILED = TeacherState.STARTING, TeacherState.READY, TeacherState.FAILED


class Clock:
    now_s = 1000.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def make(scripted_bundle, clock):
    """Makes teachers with a troubled detector, ready ones, and closes them at the end."""
    made = []

    def build(kind, *, config=CONFIG, latency_ms=0.0):
        setup = WorkerSetup(load=loader(scripted_bundle), latency_ms=latency_ms)
        manifest = load_bundle(scripted_bundle).manifest
        made.append(Teacher(manifest, WORKERS[kind](setup), config, clock=clock))
        made[-1].warm_up()
        assert made[-1].state is READY
        return made[-1]

    RELEASE.clear()
    yield build
    RELEASE.set()
    for teacher in made:
        teacher.close()


def counts(teacher):
    return teacher.failures, teacher.timeouts, teacher.restarts


def until_state(teacher, state, *, seconds=10.0):
    """Ask as a pipeline does, frame after frame."""
    end = time.monotonic() + seconds
    while teacher.state is not state and time.monotonic() < end:
        teacher.answers()
        time.sleep(0.002)
    return teacher.state is state


def come_back(teacher, clock, *, after_s):
    """It is not tried before `after_s`, and it is then."""
    clock.now_s += after_s - 0.001
    assert not teacher.idle
    assert teacher.state is FAILED
    clock.now_s += 0.002
    assert until_state(teacher, READY)


@pytest.mark.parametrize('kind', WORKERS)
def test_it_looks_as_its_detector_does(make, scripted_bundle, kind):
    teacher = make(kind)
    assert (teacher.name, teacher.class_names[0]) == ('scripted', 'pedestrian')
    given = [frame(1), frame(2, left=100), frame(3, camera='rear', left=200)]
    for seen, expected in zip(
        teacher.look(given), troubled(scripted_bundle).observe(given), strict=True
    ):
        np.testing.assert_array_equal(
            seen.detections.boxes_xyxy_px, expected.detections.boxes_xyxy_px
        )
    assert teacher.answers() == [], 'they were given back already'
    assert counts(teacher) == (0, 0, 0)


@pytest.mark.parametrize('kind', WORKERS)
def test_an_exception_costs_a_frame_and_a_while(make, clock, kind):
    teacher = make(kind)
    assert teacher.look([frame(1), frame(2, Trouble.RAISE)]) is None
    assert teacher.state is FAILED
    assert teacher.reason.startswith('RuntimeError: a layer is missing')
    assert teacher.look([frame(3)]) is None
    come_back(teacher, clock, after_s=2.0)
    assert teacher.reason != '', 'not proven yet'
    assert len(teacher.look([frame(4)])) == 1
    assert teacher.reason == ''
    assert counts(teacher) == (1, 0, 1)


def test_a_teacher_that_goes_on_failing_is_tried_less_and_less_often(make, clock):
    teacher = make('thread')
    for after_s in (2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0):
        assert teacher.submit(frame(0, Trouble.NO_MEMORY))
        assert until_state(teacher, FAILED)
        assert 'MemoryError' in teacher.reason
        come_back(teacher, clock, after_s=after_s)
    assert teacher.look([frame()]) is not None
    assert teacher.look([frame(0, Trouble.RAISE)]) is None
    come_back(teacher, clock, after_s=2.0)
    assert counts(teacher) == (8, 0, 8)


def test_the_shortest_wait_that_may_be_asked_for_grows_to_a_minute(make, clock):
    """Else a process that fails while it loads would be started on every frame, for ever."""
    with pytest.raises(InvalidOptionError, match='retry_s'):
        from_mapping(KeyframeConfig, {'retry_s': 0.0})
    teacher = make('simulated', config=from_mapping(KeyframeConfig, {'retry_s': 0.01}))
    for attempt in range(15):
        assert teacher.look([frame(0, Trouble.RAISE)]) is None
        come_back(teacher, clock, after_s=min(0.01 * 2**attempt, 60.0))


def test_a_worker_that_cannot_be_started_again_is_a_failure_as_any_other(make, clock, monkeypatch):
    teacher = make('thread')
    begin = teacher._start

    def no_more():
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(teacher, '_start', no_more)
    assert teacher.look([frame(0, Trouble.RAISE)]) is None
    for after_s in (2.1, 4.1):
        clock.now_s += after_s
        wait_until_gone(teacher)
        assert not teacher.idle
        assert teacher.state is FAILED
        assert teacher.reason.startswith("RuntimeError: can't start new thread")
    monkeypatch.setattr(teacher, '_start', begin)
    come_back(teacher, clock, after_s=8.0)
    assert len(teacher.look([frame()])) == 1


def wait_until_gone(teacher):
    end = time.monotonic() + 10
    while not teacher._worker.gone and time.monotonic() < end:
        time.sleep(0.002)


@pytest.mark.parametrize('kind', ['thread', 'process'])
def test_beside_a_failed_frame_has_no_answer(make, kind):
    teacher = make(kind)
    assert teacher.submit(frame(1))
    found = []
    while not found:
        found = teacher.answers()
    assert (found[0].stamp_ns, len(found[0].observation.detections)) == (1, 1)
    assert teacher.submit(frame(3, Trouble.RAISE))
    assert until_state(teacher, FAILED)
    assert teacher.answers() == []
    assert not teacher.submit(frame(4))


@pytest.mark.parametrize('kill', [signal.SIGKILL, signal.SIGSEGV])
def test_a_process_that_is_killed_in_a_frame_comes_back(make, clock, kill, capfd):
    teacher = make('process')
    first = int(teacher.worker_name.split()[1].rstrip(','))
    assert teacher.submit(frame(1, Trouble.HANG))
    os.kill(first, kill)
    assert until_state(teacher, FAILED)
    assert kill.name in teacher.reason
    come_back(teacher, clock, after_s=2.0)
    assert teacher.worker_name.split()[1].rstrip(',') != str(first)
    assert len(teacher.look([frame(2)])) == 1
    assert counts(teacher) == (1, 0, 1)


def test_a_hung_process_is_killed_and_comes_back(make, clock):
    teacher = make('process')
    first = int(teacher.worker_name.split()[1].rstrip(','))
    assert teacher.submit(frame(1, Trouble.HANG_IN_C))
    clock.now_s += 4.999
    assert teacher.answers() == []
    assert teacher.state is READY
    clock.now_s += 0.002
    assert teacher.answers() == []
    assert (teacher.state, counts(teacher)) == (FAILED, (1, 1, 0))
    assert teacher.reason.startswith('no answer within 5 s')
    come_back(teacher, clock, after_s=2.0)
    with pytest.raises(ProcessLookupError):
        os.kill(first, 0)
    assert len(teacher.look([frame(2)])) == 1


def test_a_look_does_not_wait_longer_than_the_time_out(make):
    teacher = make('process', config=KeyframeConfig(timeout_s=0.2))
    begin = time.monotonic()
    assert teacher.look([frame(1, Trouble.HANG)]) is None
    assert 0.2 <= time.monotonic() - begin < 5, 'the detector hangs for a minute'
    assert counts(teacher) == (1, 1, 0)


def test_a_hung_thread_is_left_alone_until_it_comes_back(make, clock):
    teacher = make('thread')
    assert teacher.submit(frame(1, Trouble.HANG))
    clock.now_s += 6
    assert not teacher.idle
    clock.now_s += 100
    assert not teacher.submit(frame(2)), 'two threads in one network'
    assert (teacher.state, counts(teacher)) == (FAILED, (1, 1, 0))
    RELEASE.set()
    assert until_state(teacher, READY)
    assert teacher.answers() == [], 'too late'
    assert len(teacher.look([frame(3)])) == 1


def test_an_answer_that_was_not_fetched_in_time_is_no_hang(make, clock):
    teacher = make('simulated', latency_ms=100.0)
    teacher.tell(1000 * MS)
    assert teacher.submit(frame(1000 * MS))
    clock.now_s += 3600  # somebody looks at a replay, image by image
    assert teacher.answers() == []
    teacher.tell(1100 * MS)
    assert [a.stamp_ns for a in teacher.answers()] == [1000 * MS]
    assert counts(teacher) == (0, 0, 0)


def test_a_start_that_takes_too_long_is_a_hang(scripted_bundle, clock):
    RELEASE.clear()

    def load():
        RELEASE.wait(60)
        return troubled(scripted_bundle)

    begin = WORKERS['thread'](WorkerSetup(load=load))
    teacher = Teacher(load_bundle(scripted_bundle).manifest, begin, CONFIG, clock=clock)
    assert not teacher.submit(frame())
    assert teacher.look([frame()]) is None
    assert teacher.state is STARTING
    clock.now_s += 121
    assert not teacher.idle
    assert teacher.state is FAILED
    assert teacher.reason.startswith('no start within 120 s')
    RELEASE.set()
    clock.now_s += 3
    assert until_state(teacher, READY)
    teacher.close()


def test_how_to_decode_outlives_a_restart(make, clock):
    teacher = make('thread')
    teacher.reconfigure(DecodeConfig(min_score=0.95))
    assert len(teacher.look([frame()])[0].detections) == 0
    assert teacher.look([frame(0, Trouble.RAISE)]) is None
    come_back(teacher, clock, after_s=2.0)
    assert len(teacher.look([frame()])[0].detections) == 0


def test_a_closed_teacher_takes_nothing(make):
    teacher = make('thread')
    teacher.close()
    assert not teacher.submit(frame())
    assert teacher.look([frame()]) is None
    assert teacher.answers() == []
    teacher.close()


@pytest.mark.parametrize(('worker', 'expected'), [('auto', 'process'), ('thread', 'thread')])
def test_a_teacher_is_built_from_options(scripted_bundle, worker, expected):
    config = KeyframeConfig(worker=worker, teacher_cores='0')
    teacher = build_teacher(
        str(scripted_bundle), config=config, runtime=BackendOptions(), decode=DecodeConfig()
    )
    assert teacher.state is STARTING
    teacher.warm_up()
    assert teacher.worker_name.startswith(expected)
    assert len(teacher.look([frame()])[0].detections) == 1
    teacher.close()


def build(model, **config):
    return build_teacher(
        str(model),
        config=KeyframeConfig(**config),
        runtime=CPU,
        decode=DecodeConfig(),
    )


def test_a_simulated_teacher_follows_the_options_too(scripted_bundle):
    teacher = build_teacher(
        str(scripted_bundle),
        config=KeyframeConfig(teacher_ms=50.0),
        runtime=BackendOptions(),
        decode=DecodeConfig(),
        simulated=True,
    )
    teacher.warm_up()
    teacher.tell(10 * MS)
    assert teacher.submit(frame(10 * MS))
    teacher.tell(59 * MS)
    assert teacher.answers() == []
    teacher.tell(60 * MS)
    assert len(teacher.answers()) == 1


def test_what_is_wrong_from_the_beginning_is_said_at_once(tmp_path, scripted_bundle):
    with pytest.raises(BundleError, match='not a model bundle'):
        build(tmp_path)
    with pytest.raises(InvalidOptionError, match='names no cores'):
        build(scripted_bundle, teacher_cores='all')


@pytest.mark.parametrize('worker', ['thread', 'process'])
def test_a_network_on_torch_sees_the_same_anywhere(tmp_path, write_tiny_bundle, worker):
    folder = write_tiny_bundle(tmp_path / 'tiny')
    images = np.random.default_rng(0).integers(0, 256, (2, 200, 300, 3), np.uint8)
    given = [Frame(image=image, stamp_ns=i) for i, image in enumerate(images)]
    direct = build_detector(load_bundle(folder), options=CPU)
    teacher = build(folder, worker=worker)
    teacher.warm_up()
    assert teacher.worker_name.endswith('torch_eager cpu fp32')
    for one in given:
        (expected,) = direct.observe([one])
        (seen,) = teacher.look([one])
        assert len(expected.detections) > 5
        np.testing.assert_allclose(seen.heatmap, expected.heatmap, atol=1e-6)
        for name in ('boxes_xyxy_px', 'scores', 'embeddings'):
            np.testing.assert_allclose(
                getattr(seen.detections, name), getattr(expected.detections, name), atol=1e-3
            )
    teacher.close()


@pytest.mark.parametrize('worker', ['thread', 'process'])
def test_weights_that_do_not_fit_are_refused_when_they_are_loaded(
    tmp_path, write_tiny_bundle, worker
):
    """A network on torch: the bundle is whole, but its architecture is another's."""
    folder = write_tiny_bundle(tmp_path / 'tiny')
    manifest = folder / 'model.json'
    text = manifest.read_text()
    manifest.write_text(text.replace('"width": 0.0625', '"width": 0.125'))
    assert manifest.read_text() != text
    teacher = build(folder, worker=worker)
    with pytest.raises(BundleError, match=r'^teacher tiny: .* tensors do not fit the architec'):
        teacher.warm_up()
    teacher.close()
