"""The teacher's own process: real children, really killed."""

import gc
import os
from pathlib import Path
import resource
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest
from troubled_teacher import frame, loader, Trouble

from mot_compress_ros.keyframe.workers import WORKERS, WorkerSetup, WorkerState

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def start(scripted_bundle):
    """Starts one, waits for it, and looks at the end whether anything is left."""
    before = left_behind()
    begun = []

    def begin(*, cores=frozenset()):
        worker = WORKERS['process'](WorkerSetup(load=loader(scripted_bundle), cores=cores))()
        begun.append(worker)
        assert worker.state is WorkerState.STARTING
        assert not worker.submit(frame())
        assert worker.wait_ready(20), worker.failure
        return worker

    yield begin
    for worker in begun:
        pid = worker.pid
        worker.close()
        assert worker.gone
        with pytest.raises(ProcessLookupError):  # a zombie would still be there
            os.kill(pid, 0)
    assert left_behind() == before


def left_behind():
    """Open files and threads of this process."""
    gc.collect()  # what tests before this one have left
    return len(list(Path('/proc/self/fd').iterdir())), threading.active_count()


def is_dead(pid):
    """Whether a process of somebody else has ended; its own parent may not have noticed."""
    try:
        return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] in 'ZX'
    except (FileNotFoundError, ProcessLookupError):
        return True


def dies(pid, *, seconds=5.0):
    end = time.monotonic() + seconds
    while not is_dead(pid) and time.monotonic() < end:
        time.sleep(0.01)
    return is_dead(pid)


def test_the_child_is_a_process_of_its_own_without_torch(start):
    worker = start()
    assert worker.pid != os.getpid()
    assert worker.name == f'process {worker.pid}, scripted'
    maps = Path(f'/proc/{worker.pid}/maps').read_text()
    assert 'numpy' in maps
    assert 'libtorch' not in maps
    assert '/memfd:mot_compress_ros' not in maps
    worker.submit(frame())
    worker.wait(5)
    maps = Path(f'/proc/{worker.pid}/maps').read_text()
    assert '/memfd:mot_compress_ros (deleted)' in maps
    assert '/dev/shm' not in maps, 'memory with a name outlives processes'


def test_every_thread_of_the_child_is_pinned(start):
    worker = start(cores=frozenset({0}))
    threads = [int(task.name) for task in Path(f'/proc/{worker.pid}/task').iterdir()]
    assert {frozenset(os.sched_getaffinity(task)) for task in threads} == {frozenset({0})}


def test_the_kernel_ends_the_child_first_where_memory_runs_out(start):
    adjusted = Path(f'/proc/{start().pid}/oom_score_adj').read_text()
    assert int(adjusted) == 500 > int(Path('/proc/self/oom_score_adj').read_text())


def test_ctrl_c_is_not_for_the_child(start):
    worker = start()
    assert os.getpgid(worker.pid) != os.getpgid(0)
    os.kill(worker.pid, signal.SIGINT)
    worker.submit(frame(3))
    assert worker.wait(5).stamp_ns == 3


@pytest.mark.parametrize(
    ('trouble', 'words'),
    [(Trouble.EXIT, 'ended with exit code 7'), (Trouble.CRASH, 'was ended by SIGABRT')],
)
def test_a_child_that_ends_in_a_frame_says_how(start, capfd, trouble, words):
    worker = start()
    assert worker.submit(frame(0, trouble))
    assert worker.wait(5) is None
    assert worker.state is WorkerState.ENDED
    assert words in worker.failure.reason
    assert not worker.failure.lasting
    assert ('troubled_teacher.py' in capfd.readouterr().err) is (trouble is Trouble.CRASH)


def test_a_child_that_is_killed_in_a_frame_says_so(start):
    worker = start()
    assert worker.submit(frame(0, Trouble.HANG))
    assert worker.wait(0.1) is None
    assert worker.state is WorkerState.WORKING
    os.kill(worker.pid, signal.SIGKILL)
    assert worker.wait(5) is None
    assert worker.failure.reason.endswith('was ended by SIGKILL, out of memory or by hand')


def test_a_child_that_was_killed_before_a_frame_takes_none(start):
    worker = start()
    os.kill(worker.pid, signal.SIGKILL)
    worker.submit(frame())  # the news may be on its way
    assert worker.wait(5) is None
    assert 'SIGKILL' in worker.failure.reason


@pytest.mark.parametrize('how', [Trouble.HANG_IN_C, signal.SIGSTOP])
def test_a_hung_child_is_ended_at_once(start, how):
    worker = start()
    if how is signal.SIGSTOP:
        os.kill(worker.pid, how)
    assert worker.submit(frame(0, how if isinstance(how, Trouble) else Trouble.NONE))
    assert worker.wait(0.1) is None
    begin = time.monotonic()
    worker.abandon()
    assert time.monotonic() - begin < 0.5, 'the caller has frames to track'
    worker.close()
    assert time.monotonic() - begin < 4


def test_an_image_without_room_is_a_failure(start):
    worker = start()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        worker.submit(frame())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert worker.wait(5) is None
    assert 'File too large' in worker.failure.reason


def test_it_can_be_closed_while_it_starts(scripted_bundle):
    before = left_behind()
    for delay_s in (0.0, 0.001, 0.03):
        worker = WORKERS['process'](WorkerSetup(load=loader(scripted_bundle)))()
        time.sleep(delay_s)
        worker.close()
        assert worker.gone
    assert left_behind() == before


def test_what_cannot_be_sent_to_a_child_is_a_failure():
    worker = WORKERS['process'](WorkerSetup(load=lambda: None))()
    assert not worker.wait_ready(20)
    assert 'pickle' in worker.failure.reason
    worker.close()


@pytest.mark.parametrize('how', ['killed', 'returns', 'thread'])
def test_the_child_ends_with_its_parent(scripted_bundle, how):
    """Whatever the child does then: here it hangs with Python's lock held."""
    program = f"""
        import sys, time, threading
        from troubled_teacher import frame, loader, Trouble
        from mot_compress_ros.keyframe.workers import WORKERS, WorkerSetup

        def begin():
            global worker
            worker = WORKERS['process'](WorkerSetup(load=loader({str(scripted_bundle)!r})))()

        begun_by = threading.Thread(target=begin)  # and the child outlives this thread
        begun_by.start()
        begun_by.join()
        assert worker.wait_ready(20)
        time.sleep(0.05)
        assert worker.submit(frame(0, Trouble.NONE))
        assert worker.wait(5) is not None
        assert worker.submit(frame(0, Trouble.HANG_IN_C))
        sys.stdout.write(str(worker.pid) + chr(10))
        sys.stdout.flush()
        if {how!r} == 'killed':
            time.sleep(60)
        if {how!r} == 'thread':
            worker.close()
    """
    parent = subprocess.Popen(
        [sys.executable, '-W', 'error', '-c', textwrap.dedent(program)],
        env={**os.environ, 'PYTHONPATH': os.pathsep.join([str(ROOT), str(Path(__file__).parent)])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with parent:
        pid = int(parent.stdout.readline())
        if how == 'killed':
            assert not is_dead(pid)
            parent.kill()
        assert dies(pid)
        assert parent.stderr.read() == ''
