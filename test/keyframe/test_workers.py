"""What every worker keeps to, whatever it works on."""

import threading
import time

import numpy as np
import pytest
from troubled_teacher import frame, loader, Trouble, troubled

from mot_compress_ros.errors import BundleError, InvalidOptionError
from mot_compress_ros.inference import DecodeConfig
from mot_compress_ros.keyframe.workers import (
    parse_cores,
    resolve_worker,
    Worker,
    WORKERS,
    WorkerSetup,
    WorkerState,
)

MS = 1_000_000


@pytest.fixture(params=WORKERS)
def kind(request):
    return request.param


@pytest.fixture
def start(scripted_bundle):
    """Starts workers, ready ones, and closes them at the end."""
    begun: list[Worker] = []

    def begin(kind, *, wait=True, **setup):
        begun.append(WORKERS[kind](WorkerSetup(load=loader(scripted_bundle), **setup))())
        assert not wait or begun[-1].wait_ready(20)
        return begun[-1]

    yield begin
    for worker in begun:
        worker.close()
        assert worker.gone


def until(truth, *, seconds=5.0):
    end = time.monotonic() + seconds
    while not truth() and time.monotonic() < end:
        time.sleep(0.002)
    return truth()


def test_an_answer_is_that_of_the_detector_itself(kind, start, scripted_bundle):
    worker = start(kind)
    assert worker.name.startswith(kind)
    assert worker.name.endswith('scripted')
    for given in (frame(1), frame(2, size_wh=(640, 384)), frame(3, size_wh=(200, 150))):
        (expected,) = troubled(scripted_bundle).observe([given])
        assert len(expected.detections) == 1
        assert worker.submit(given)
        answer = worker.wait(5)
        assert (answer.camera, answer.stamp_ns, answer.error) == ('front', given.stamp_ns, '')
        seen = answer.observation
        np.testing.assert_array_equal(
            seen.detections.boxes_xyxy_px, expected.detections.boxes_xyxy_px
        )
        np.testing.assert_array_equal(seen.heatmap, expected.heatmap)
        assert seen.transform == expected.transform
        assert seen.detections.embedding_space == expected.detections.embedding_space
        assert not seen.detections.scores.flags.writeable
        assert 0 < answer.duration_ms < 1000
        assert worker.answers() == []


def test_it_takes_one_frame_at_a_time(kind, start):
    worker = start(kind)
    assert worker.state is WorkerState.IDLE
    assert worker.answers() == []
    assert worker.submit(frame(1))
    assert not worker.submit(frame(2))
    assert until(lambda: worker.state is WorkerState.ANSWERED)
    assert not worker.submit(frame(3)), 'the answer was not taken'
    worker.tell(10_000 * MS)
    assert [a.stamp_ns for a in worker.answers()] == [1]
    assert worker.submit(frame(4))
    assert worker.wait(5).stamp_ns == 4


def test_nobody_waits_for_a_frame_that_was_never_given(kind, start):
    assert start(kind).wait(60) is None


@pytest.mark.parametrize(
    ('trouble', 'words'),
    [(Trouble.RAISE, 'RuntimeError: a layer is missing'), (Trouble.NO_MEMORY, 'MemoryError')],
)
def test_what_the_detector_raises_is_the_answer(kind, start, trouble, words):
    worker = start(kind)
    assert worker.submit(frame(5, trouble))
    answer = worker.wait(5)
    assert (answer.stamp_ns, answer.observation) == (5, None)
    assert words in answer.error
    assert '(troubled_teacher.py, line ' in answer.error
    assert worker.submit(frame(6)), 'it is the caller who gives up'
    assert worker.wait(5).error == ''


def test_decoding_changes_with_the_next_frame(kind, start):
    worker = start(kind)
    counts = []
    for min_score in (0.2, 0.95, 0.2):
        worker.reconfigure(DecodeConfig(min_score=min_score))
        assert worker.submit(frame())
        counts.append(len(worker.wait(5).observation.detections))
    assert counts == [1, 0, 1]


def test_an_abandoned_worker_has_ended(kind, start):
    worker = start(kind)
    worker.submit(frame())
    worker.abandon()
    assert worker.state is WorkerState.ENDED
    assert worker.failure.reason == 'closed'
    assert not worker.submit(frame())
    assert worker.answers() == []
    assert worker.wait(60) is None
    assert until(lambda: worker.gone)


@pytest.mark.parametrize('kind', ['thread', 'process'])
def test_a_bundle_that_is_refused_says_why(kind, tmp_path):
    worker = WORKERS[kind](WorkerSetup(load=loader(tmp_path)))()
    assert not worker.wait_ready(20)
    assert worker.failure.lasting
    assert worker.failure.reason.startswith(f'{tmp_path}: not a model bundle')
    assert until(lambda: worker.gone)


def test_a_simulated_worker_refuses_it_at_once(tmp_path):
    with pytest.raises(BundleError, match='not a model bundle'):
        WORKERS['simulated'](WorkerSetup(load=loader(tmp_path)))


def test_a_simulated_answer_comes_when_the_stamps_say_so(start):
    worker = start('simulated', latency_ms=80.0)
    worker.tell(1000 * MS)
    assert worker.submit(frame(1000 * MS))
    for now_ms in (1000, 1050, 1079.999):
        worker.tell(round(now_ms * MS))
        assert worker.answers() == []
        assert not worker.submit(frame())
    worker.tell(1080 * MS)
    assert [a.stamp_ns for a in worker.answers()] == [1000 * MS]
    assert worker.submit(frame())


def test_a_simulated_latency_may_be_the_measured_one(start):
    worker = start('simulated')
    assert worker.submit(frame())
    assert worker.answers() == []
    worker.tell(60_000 * MS)
    (answer,) = worker.answers()
    worker.submit(frame())
    worker.tell(60_000 * MS + 1)
    assert worker.answers() == [], 'less than what any detector takes'
    assert answer.duration_ms > 1e-3


def test_a_thread_is_one_of_its_own_and_frees_memory_when_it_ran_out(scripted_bundle):
    detector = troubled(scripted_bundle)
    begin = WORKERS['thread'](WorkerSetup(load=lambda: detector))
    first = begin()
    assert first.wait_ready(5)
    assert detector.backend.apart
    first.submit(frame(0, Trouble.NO_MEMORY))
    assert 'MemoryError' in first.wait(5).error
    assert detector.backend.freed == 1
    first.close()
    second = begin()  # over the same detector
    assert second.wait_ready(5)
    second.submit(frame(7))
    assert second.wait(5).stamp_ns == 7
    second.close()
    used = detector.backend.threads
    assert len(used) == 2
    assert threading.current_thread() not in used


def test_a_device_that_cannot_give_back_memory_does_not_hide_why_a_frame_failed(scripted_bundle):
    detector = troubled(scripted_bundle)

    def broken():
        raise RuntimeError('an illegal memory access was encountered')

    detector.backend.free_memory = broken
    worker = WORKERS['thread'](WorkerSetup(load=lambda: detector))()
    assert worker.wait_ready(5)
    worker.submit(frame(0, Trouble.NO_MEMORY))
    answer = worker.wait(2)
    worker.close()
    assert answer is not None
    assert 'MemoryError' in answer.error


@pytest.mark.parametrize(
    ('text', 'cores'),
    [
        ('', set()),
        (' ', set()),
        ('1', {1}),
        ('2-3', {2, 3}),
        ('0, 2', {0, 2}),
        ('1-2,2-3', {1, 2, 3}),
    ],
)
def test_cores_are_written_as_for_taskset(text, cores):
    assert parse_cores(text, n_cores=4) == cores


@pytest.mark.parametrize('text', ['a', '1-', '-1', '3-2', '1;2', '1,', '0x1', '1.5', '1 2'])
def test_what_names_no_cores_is_refused(text):
    with pytest.raises(InvalidOptionError, match="names no cores; write '1', '2-3' or '0,2'"):
        parse_cores(text, n_cores=4)


def test_a_core_that_is_not_there_is_refused():
    with pytest.raises(InvalidOptionError, match="'2-4' names core 4; this machine has 0 to 3"):
        parse_cores('2-4', n_cores=4)


def test_the_device_decides_where_nobody_else_does():
    assert resolve_worker('auto', device='cuda') == 'thread'
    assert resolve_worker('auto', device='cpu') == 'process'
    assert resolve_worker('process', device='cuda') == 'process'
    assert resolve_worker('thread', device='cpu') == 'thread'
