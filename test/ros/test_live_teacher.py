"""A real node with a teacher in its own process, which is killed, stopped and interrupted.

Every fault is made with a signal, so nothing in the node knows that it is a test. The measured
times are logged: `--log-cli-level=INFO` shows them.
"""

from collections import Counter
import contextlib
import itertools
import logging
import os
from pathlib import Path
import signal
import time

import numpy as np
import pytest

from mot_compress_ros.datatypes import Frame
from mot_compress_ros.inference.backends.scripted import write_scripted_bundle
from mot_compress_ros.inference.checkpoint import ModelManifest, save_bundle

pytest.importorskip('rclpy', reason='rclpy is not installed')
pytest.importorskip('vision_msgs.msg', reason='the ROS interfaces are not built')

from mot_compress_ros.ros.client import TrackerClient
from mot_compress_ros.ros.inference_info import of_message
from mot_compress_ros.ros.process import NodeProcess

pytestmark = pytest.mark.ros

LOG = logging.getLogger(__name__)

PERIOD_NS = 100_000_000
PATIENCE_S = 30.0
WARN_WITHIN_S = 3.0
TIMEOUT_S = 1.0
OK, WARN, ERROR = b'\x00', b'\x01', b'\x02'


@pytest.fixture(scope='module')
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp('models')
    return {
        'model': str(write_scripted_bundle(folder / 'small', fusion='concat')),
        'teacher': str(write_scripted_bundle(folder / 'large')),
    }


@pytest.fixture(scope='module')
def parameters(models):
    return {
        'cameras': ['front'],
        'autostart': True,
        'diagnostics_period_s': 0.1,
        'keyframe.interval': 3,
        'keyframe.timeout_s': TIMEOUT_S,
        'keyframe.retry_s': 0.3,
        **models,
    }


@pytest.fixture(scope='module')
def node(parameters):
    with NodeProcess(parameters) as process:
        yield process
        code = process.stop()
    assert code == 0, process.output()


@pytest.fixture(scope='module')
def module_client(node):
    with TrackerClient(cameras=['front']) as client:
        client.wait_for_topics()
        client.watch_inference_info('front')
        yield client


class Drive:
    """Frames in lock-step, each 100 ms after the one before by its stamp."""

    clock_ns = itertools.count(10**12, 600 * 10**9)

    def __init__(self, client, camera='front'):
        self.client, self.camera = client, camera
        self.stamp_ns = next(self.clock_ns)
        self.worst_s = 0.0
        self.frames = 0

    def frame(self):
        self.stamp_ns += PERIOD_NS
        image = np.full((192, 320, 3), 128, np.uint8)
        image[60:120, 40:100] = (0, 0, 255)
        return Frame(image=image, stamp_ns=self.stamp_ns, camera=self.camera, frame_id='optical')

    def step(self, pause_s=0.02):
        """One frame; raises where its tracks do not come."""
        start_s = time.monotonic()
        message = self.client.exchange(self.frame())
        self.worst_s = max(self.worst_s, time.monotonic() - start_s)
        self.frames += 1
        self.client.spin(pause_s)
        return message

    def until(self, condition, *, timeout_s=PATIENCE_S):
        """Drive on until the condition holds; the seconds that took."""
        start_s = time.monotonic()
        while not condition():
            assert time.monotonic() - start_s < timeout_s, self.client.hints()
            self.step()
        return time.monotonic() - start_s


@pytest.fixture
def drive(module_client):
    """The active node with a teacher that works, and frames for it, in the mode `fixed`."""
    client = module_client
    if client.state() == 'unconfigured':
        assert client.change_state('configure')
    if client.state() == 'inactive':
        assert client.change_state('activate')
    client.wait_for_topics()
    assert client.set_parameter('keyframe.mode', 'fixed') == ''
    drive = Drive(client)
    for _ in range(2):  # the first may have been under way
        client.diagnostics.clear()
        drive.until(lambda: level(client) == OK and says(client, 'tracking 1 camera'))
    drive.worst_s = 0.0
    client.inference_info['front'].clear()
    client.tracks['front'].clear()
    return drive


def level(client):
    status = client.diagnostics.get('mot_tracker: node')
    return None if status is None else status.level


def says(client, text):
    return text in client.diagnostics['mot_tracker: node'].message


def node_count(client, key):
    return int(client.values('node').get(key, 0))


def children(process):
    """Process ids of the children of a node."""
    tasks = Path(f'/proc/{process.pid}/task').iterdir()
    return [int(pid) for task in tasks for pid in (task / 'children').read_text().split()]


def teacher_pid(client, process):
    """Process id of the child that the diagnostics name."""
    pid = int(client.values('node')['teacher_worker'].split()[1].rstrip(','))
    assert children(process) == [pid]
    return pid


def shared_memories(process):
    """How many pieces of memory the node shares with teachers."""
    found = set()
    for fd in Path(f'/proc/{process.pid}/fd').iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed in between
            if 'memfd:mot_compress_ros' in str(fd.readlink()):
                found.add(fd.stat().st_ino)
    return len(found)


def is_gone(pid):
    """Dead and buried; a zombie would still be there."""
    return not Path(f'/proc/{pid}').exists()


def infos(client, camera='front'):
    return [of_message(message) for message in client.inference_info[camera]]


# --- where a message comes from


def test_a_subscriber_learns_the_source_of_every_message(drive, models):
    client = drive.client
    for _ in range(12):
        drive.step()
    assert client.spin_until(lambda: len(infos(client)) == 12, timeout_s=PATIENCE_S)
    assert [m.header for m in client.inference_info['front']] == [
        m.header for m in client.tracks['front']
    ]
    found = infos(client)
    first = next(i for i, info in enumerate(found) if info.source == 'teacher')
    for i, info in enumerate(found[first:]):
        assert info.source == ('teacher' if i % 3 == 0 else 'student')
        assert info.model == ('large' if i % 3 == 0 else 'small')
        assert info.prior_age_ms == 100 * (i % 3)
        assert bool(info.keyframe_reason) == (i % 3 == 0)
        assert not info.failed
    names = {m.status[0].name for m in client.inference_info['front']}
    assert names == {'mot_tracker: front inference'}


# --- changes while running


def test_every_mode_takes_over_from_every_other_without_a_gap_or_a_storm(drive):
    client, process_name = drive.client, drive.client.values('node')['teacher_worker']
    for mode in ('async', 'adaptive', 'deadline', 'off', 'async', 'fixed', 'off', 'fixed'):
        client.inference_info['front'].clear()
        assert client.set_parameter('keyframe.mode', mode) == ''
        for _ in range(7):
            drive.step()
        assert client.spin_until(lambda: len(infos(client)) == 7, timeout_s=PATIENCE_S)
        by_teacher = Counter(info.source for info in infos(client))['teacher']
        most = {'async': 0, 'off': 0}.get(mode, 3)
        assert by_teacher <= most, mode
        assert by_teacher >= (2 if mode == 'fixed' else 0), mode
        drive.until(lambda mode=mode: client.values('node')['keyframe_mode'] == mode)
    assert client.values('node')['teacher_worker'] == process_name, 'the one made at configure'
    assert drive.worst_s < TIMEOUT_S


def test_what_yaml_makes_of_the_word_off_is_meant(drive):
    assert drive.client.set_parameter('keyframe.mode', value=False) == ''
    drive.until(lambda: drive.client.values('node')['keyframe_mode'] == 'off')
    assert 'Wrong parameter type' in drive.client.set_parameter('keyframe.update', value=True)


def test_what_cannot_change_while_running_is_refused_with_the_reason(drive):
    client = drive.client
    for name, value in (('keyframe.timeout_s', 1.0), ('keyframe.worker', 'thread')):
        assert f'{name}: read when the node is configured' in client.set_parameter(name, value)
    assert 'keyframe.interval' in client.set_parameter('keyframe.interval', 0)
    assert 'legal: fixed, adaptive' in client.set_parameter('keyframe.mode', 'often')
    drive.step()


# --- faults


def test_beside_the_student_a_teacher_that_is_killed_costs_no_frame_and_comes_back(drive, node):
    client = drive.client
    assert client.set_parameter('keyframe.mode', 'async') == ''
    late = node_count(client, 'late_results')
    drive.until(lambda: node_count(client, 'late_results') > late + 2)
    restarts = node_count(client, 'teacher_restarts')
    drive.worst_s, frames, known = 0.0, drive.frames, len(client.tracks['front'])
    pid = teacher_pid(client, node)
    os.kill(pid, signal.SIGKILL)
    to_warn_s = drive.until(lambda: level(client) == WARN)
    assert says(client, 'teacher failed: the process of the teacher was ended by SIGKILL')
    assert says(client, '; student alone')
    back_s = drive.until(lambda: level(client) == OK)
    LOG.info('warn: %.3f s', to_warn_s)
    LOG.info('back: %.3f s', back_s)
    LOG.info('longest_exchange: %.3f s', drive.worst_s)
    assert to_warn_s < WARN_WITHIN_S
    assert len(client.tracks['front']) - known == drive.frames - frames > 5
    assert drive.worst_s < TIMEOUT_S
    assert node_count(client, 'teacher_restarts') == restarts + 1
    assert teacher_pid(client, node) != pid
    assert is_gone(pid)
    assert any(info.failed for info in infos(client))
    assert not infos(client)[-1].failed
    log = node.output()
    assert '[WARN]' in log.partition('teacher failed: the process')[0].splitlines()[-1]
    assert 'teacher is back: process' in log


def test_in_turn_with_the_student_a_hung_teacher_costs_its_time_out_once(drive, node):
    client = drive.client
    drive.step()
    timeouts = node_count(client, 'teacher_timeouts')
    drive.worst_s = 0.0
    os.kill(teacher_pid(client, node), signal.SIGSTOP)
    to_warn_s = drive.until(lambda: level(client) == WARN)
    worst_s, drive.worst_s = drive.worst_s, 0.0
    assert says(client, f'teacher failed: no answer within {TIMEOUT_S:g} s')
    back_s = drive.until(lambda: level(client) == OK)
    LOG.info('warn: %.3f s', to_warn_s)
    LOG.info('back: %.3f s', back_s)
    LOG.info('longest_exchange: %.3f s', worst_s)
    LOG.info('longest_exchange_after: %.3f s', drive.worst_s)
    assert to_warn_s < TIMEOUT_S + 1.0
    assert TIMEOUT_S <= worst_s < 2 * TIMEOUT_S
    assert drive.worst_s < 2 * TIMEOUT_S  # a busy machine starts its process again meanwhile
    assert node_count(client, 'teacher_timeouts') == timeouts + 1


@pytest.mark.parametrize('mode', ['fixed', 'async'])
def test_deactivating_while_the_teacher_hangs_leaves_nothing_behind(drive, node, mode):
    client = drive.client
    assert client.set_parameter('keyframe.mode', mode) == ''
    drive.step()
    pid = teacher_pid(client, node)
    assert shared_memories(node) == 1
    os.kill(pid, signal.SIGSTOP)
    for _ in range(3):  # one of them is the teacher's
        client.send(drive.frame())
        client.spin(0.03)
    start_s = time.monotonic()
    assert client.change_state('deactivate')
    assert client.change_state('cleanup')
    assert time.monotonic() - start_s < TIMEOUT_S + 2.0
    assert is_gone(pid)
    assert children(node) == []
    assert shared_memories(node) == 0


def test_cleaning_up_while_the_teacher_starts_again_leaves_nothing_behind(drive, node):
    client = drive.client
    first = teacher_pid(client, node)
    threads = len(list(Path(f'/proc/{node.pid}/task').iterdir()))
    os.kill(first, signal.SIGKILL)
    drive.until(lambda: [pid for pid in children(node) if pid != first])
    (second,) = children(node)
    os.kill(second, signal.SIGSTOP)  # it will never be ready
    drive.until(lambda: client.values('node')['teacher_state'] == 'starting')
    assert level(client) == WARN
    assert client.change_state('deactivate')
    assert client.change_state('cleanup')
    assert is_gone(second)
    assert children(node) == []
    assert shared_memories(node) == 0
    assert len(list(Path(f'/proc/{node.pid}/task').iterdir())) < threads


def test_shutdown_while_the_teacher_hangs_does_not_wait_for_it(parameters, record_property):
    changed = {'keyframe.mode': 'fixed', 'keyframe.timeout_s': 60.0}
    with NodeProcess({**parameters, **changed}, name='ending', namespace='/alone') as process:
        with TrackerClient(cameras=['front'], node='/alone/ending') as client:
            client.wait_for_topics()
            drive = Drive(client)
            drive.step()
            (pid,) = children(process)
            os.kill(pid, signal.SIGSTOP)
            for _ in range(4):
                client.send(drive.frame())
                client.spin(0.03)
        start_s = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C in a terminal
        assert process.wait(timeout_s=PATIENCE_S) == 0
        took_s = time.monotonic() - start_s
        LOG.info('end: %.3f s', took_s)
        assert took_s < 5.0
        assert is_gone(pid)
        assert 'Traceback' not in process.output()


def test_an_interrupt_is_the_business_of_the_node_alone(drive, node):
    pid = teacher_pid(drive.client, node)
    os.kill(pid, signal.SIGINT)
    for _ in range(6):
        drive.step()
    assert teacher_pid(drive.client, node) == pid
    assert level(drive.client) == OK


def test_a_node_that_is_killed_takes_its_teacher_along(parameters):
    with NodeProcess(parameters, name='killed', namespace='/alone') as process:
        with TrackerClient(cameras=['front'], node='/alone/killed') as client:
            client.wait_for_topics()
        (pid,) = children(process)
        assert process.stop(signal_number=signal.SIGKILL) == -signal.SIGKILL
        end_s = time.monotonic() + PATIENCE_S
        while Path(f'/proc/{pid}/exe').exists():  # whoever adopts it may leave a zombie
            assert time.monotonic() < end_s
            time.sleep(0.01)


# --- two cameras


def test_keyframes_of_two_cameras_never_fall_together(parameters):
    changed = {'cameras': ['front', 'rear'], 'keyframe.interval': 4}
    with (
        NodeProcess({**parameters, **changed}, name='pair', namespace='/two') as process,
        TrackerClient(cameras=['front', 'rear'], node='/two/pair') as client,
    ):
        client.wait_for_topics()
        for camera in ('front', 'rear'):
            client.watch_inference_info(camera)
        drives = [Drive(client, camera) for camera in ('front', 'rear')]
        drives[1].stamp_ns = drives[0].stamp_ns
        for _ in range(5):  # until discovery has told the node of the subscriptions
            for drive in drives:
                drive.step()
        for seen in client.inference_info.values():
            seen.clear()
        for _ in range(16):
            rear = drives[1].frame()
            client.send(rear)
            drives[0].step(pause_s=0)
            client.exchange(rear)  # answered anew where it came through the first time
            client.spin(0.01)
        sources = {
            camera: {
                message.header.stamp.sec * 10**9 + message.header.stamp.nanosec: of_message(
                    message
                )
                for message in client.inference_info[camera]
            }
            for camera in ('front', 'rear')
        }
        assert set(sources['front']) == set(sources['rear'])
        assert len(sources['front']) == 16
        keyframes = {
            camera: {stamp for stamp, info in seen.items() if info.source == 'teacher'}
            for camera, seen in sources.items()
        }
        assert {len(found) for found in keyframes.values()} == {4}
        assert not keyframes['front'] & keyframes['rear']
        assert client.spin_until(
            lambda: client.values('node')['frames_processed'] == '42', timeout_s=PATIENCE_S
        )
        values = client.values('node')
        by_reason = [int(v) for k, v in values.items() if k.startswith('schedule.keyframes.')]
        assert int(values['keyframes']) == sum(by_reason)
        ratio = float(values['keyframe_ratio'])
        assert ratio == pytest.approx(int(values['keyframes']) / 42, abs=0.006)
        assert ratio == pytest.approx(1 / 4, abs=0.05)
        assert values['keyframe_ratio_overall'] == values['keyframe_ratio']
        for network in ('teacher', 'student'):
            p50, p95, p99 = (
                float(values[f'latency_{network}_{p}_ms']) for p in ('p50', 'p95', 'p99')
            )
            assert 0 < p50 <= p95 <= p99
        assert process.stop() == 0


# --- bundles that do not fit


def test_a_teacher_that_does_not_fit_is_refused_with_the_reason(models, parameters, tmp_path):
    manifest = ModelManifest(
        name='signs',
        architecture={'name': 'scripted'},
        class_names=('stop', 'yield', 'speed'),
        input_size_wh=(320, 192),
        embedding_dim=4,
    )
    save_bundle(tmp_path / 'signs', manifest, {})
    reason = 'teacher signs has the classes stop, yield, speed, student small has pedestrian'
    wrong = {**parameters, 'teacher': str(tmp_path / 'signs')}
    with NodeProcess(wrong, name='mismatched', namespace='/alone') as process:
        with TrackerClient(cameras=['front'], node='/alone/mismatched') as client:
            client.wait_for_node()

            def is_told():
                status = client.diagnostics.get('mismatched: node')
                return status is not None and reason in status.message

            assert client.spin_until(is_told, timeout_s=PATIENCE_S), client.hints()
            assert client.diagnostics['mismatched: node'].level == ERROR
            assert client.state() == 'unconfigured'
            assert children(process) == []
            assert client.set_parameter('teacher', models['teacher']) == ''
            assert client.change_state('configure')
            assert client.change_state('activate')
            assert len(children(process)) == 1
        assert process.stop() == 0
        assert reason in process.output()
