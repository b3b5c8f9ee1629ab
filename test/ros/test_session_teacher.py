"""A session whose teacher fails to start, hangs, or is told to work otherwise; without DDS."""

from contextlib import contextmanager
from functools import partial
import threading
import time

import numpy as np
import pytest

from mot_compress_ros import assembly
from mot_compress_ros.errors import BundleError
from mot_compress_ros.inference.backends.scripted import write_scripted_bundle
from mot_compress_ros.keyframe import teacher as teacher_module
from mot_compress_ros.keyframe.workers.look import look

pytest.importorskip('rclpy', reason='rclpy is not installed')
pytest.importorskip('vision_msgs.msg', reason='the ROS interfaces are not built')

import rclpy
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from mot_compress_ros.ros import camera_port, conversions
from mot_compress_ros.ros.node import FAILURE, MotTrackerNode, SUCCESS

pytestmark = pytest.mark.ros


@pytest.fixture
def parameters(tmp_path):
    """A student that takes a prior, and a teacher on a thread, where a test can get at it."""
    return {
        'model': str(write_scripted_bundle(tmp_path / 'small', fusion='concat')),
        'teacher': str(write_scripted_bundle(tmp_path / 'large')),
        'keyframe.worker': 'thread',
        'keyframe.interval': 3,
        'keyframe.retry_s': 0.05,
    }


@pytest.fixture
def make_node(parameters):
    nodes = []
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)

    def make(**changes):
        given = {**parameters, **{f'keyframe.{name}': value for name, value in changes.items()}}
        overrides = [Parameter(name, value=value) for name, value in given.items()]
        nodes.append(MotTrackerNode(parameter_overrides=overrides))
        return nodes[-1]

    yield make
    for node in nodes:
        node.stop()
        node.destroy_node()
    rclpy.shutdown()


@pytest.fixture
def trouble(monkeypatch):
    """Puts a function before each attempt of a worker to load its detector."""
    load = teacher_module.load_detector

    def put_before(act):
        def loading(*arguments):
            act()
            return load(*arguments)

        monkeypatch.setattr(teacher_module, 'load_detector', loading)

    return put_before


class Stream:
    """Frames for a session, handed over one after the other."""

    def __init__(self, node):
        self.session = node._session
        self.monitor = self.session.ports['camera'].monitor
        self.sent = 0

    def send(self):
        self.sent += 1
        image = np.full((96, 160, 3), 128, np.uint8)
        header = Header(stamp=conversions.ns_to_stamp(10**9 + self.sent * 10**8))
        self.session.receive('camera', conversions.to_image(image, header=header))

    def step(self):
        self.send()
        wait_for(lambda: self.monitor.activity().processed == self.sent)


def wait_for(condition):
    end_s = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.002)


@contextmanager
def a_camera(node):
    """Somebody who might send images: without one the node complains of that alone."""
    camera = rclpy.create_node('camera_driver')
    try:
        camera.create_publisher(Image, '/camera/image_raw', 10)
        wait_for(lambda: node.count_publishers('/camera/image_raw') == 1)
        yield
    finally:
        camera.destroy_node()


def node_status(node):
    report = node._diagnostics.report(node._session, stale_after_s=60.0)
    status = report.status[0]
    return status.level[0], status.message, {item.key: item.value for item in status.values}


def test_a_teacher_that_fails_to_start_leaves_the_student_alone_until_it_comes(
    make_node, trouble, capfd
):
    attempts = []

    def fail_twice():
        attempts.append(time.monotonic())
        if len(attempts) < 3:
            raise MemoryError('no room')

    trouble(fail_twice)
    node = make_node()
    assert node.trigger_configure() == SUCCESS
    assert 'teacher failed: MemoryError: no room' in capfd.readouterr().err
    assert node.trigger_activate() == SUCCESS
    stream = Stream(node)
    stream.step()
    assert node_status(node)[2]['teacher_state'] in ('failed', 'starting')
    assert stream.session.teacher_trouble.startswith('teacher failed: MemoryError: no room')
    while stream.session.teacher_trouble:
        stream.step()
        time.sleep(0.01)
    assert len(attempts) == 3
    values = node_status(node)[2]
    assert (values['teacher_state'], values['teacher_reason']) == ('ready', '')
    assert (values['teacher_failures'], values['teacher_restarts']) == ('2', '2')
    assert int(values['keyframes']) > 0
    assert 'teacher is back: thread' in capfd.readouterr().err


def test_a_teacher_that_is_slow_to_start_is_not_waited_for_for_ever(
    make_node, trouble, monkeypatch
):
    loaded = threading.Event()
    trouble(partial(loaded.wait, 30))
    monkeypatch.setattr(assembly, 'LIVE_WAIT_S', 0.1)
    node = make_node()
    try:
        assert node.trigger_configure() == SUCCESS
        assert node.trigger_activate() == SUCCESS
        stream = Stream(node)
        for _ in range(5):
            stream.step()
        assert stream.session.teacher_trouble == 'teacher is starting; student alone'
        assert node_status(node)[2]['keyframes'] == '0'
    finally:
        loaded.set()
    while stream.session.teacher_trouble:
        stream.step()
    values = node_status(node)[2]
    assert (values['teacher_state'], values['teacher_failures']) == ('ready', '0')


def test_a_teacher_that_is_refused_fails_to_configure_with_the_reason(make_node, trouble):
    def refuse():
        raise BundleError('weights of another network')

    trouble(refuse)
    node = make_node()
    before = threading.active_count()
    assert node.trigger_configure() == FAILURE
    assert node_status(node)[:2] == (
        2,
        'cannot be configured: teacher large: weights of another network',
    )
    assert node._session is None
    wait_for(lambda: threading.active_count() <= before)


def test_a_teacher_that_hangs_does_not_hold_up_the_end(make_node, monkeypatch):
    """Not even one whose time-out is far away."""
    hanging, release = threading.Event(), threading.Event()
    node = make_node(timeout_s=600.0)
    assert node.trigger_configure() == SUCCESS
    assert node.trigger_activate() == SUCCESS
    stream = Stream(node)
    stream.step()

    def hang(*arguments):
        hanging.set()
        release.wait(30)
        return look(*arguments)

    monkeypatch.setattr('mot_compress_ros.keyframe.workers.thread.look', hang)
    try:
        for _ in range(2):
            stream.step()
        stream.send()
        assert hanging.wait(20)
        start_s = time.monotonic()
        assert node.trigger_shutdown() == SUCCESS
        assert time.monotonic() - start_s < 5.0
        assert not stream.session.is_running
        assert node._session is None
        activity = stream.monitor.activity()
        assert (activity.processed, activity.bad) == (stream.sent, 0), 'the student took it over'
    finally:
        release.set()


def test_several_changes_at_once_are_taken_or_refused_together(make_node):
    node = make_node()
    assert node.trigger_configure() == SUCCESS
    assert node.trigger_activate() == SUCCESS
    stream = Stream(node)
    schedule = stream.session.pipeline.schedule

    def change(**values):
        return node.set_parameters_atomically(
            [Parameter(f'keyframe.{name}', value=value) for name, value in values.items()]
        )

    for wrong in ({'interval': 0}, {'timeout_s': 1.0}, {'update': 'now'}):
        assert not change(mode='async', **wrong).successful
        stream.step()
        assert node.get_parameter('keyframe.mode').value == 'fixed'
        assert stream.session.pipeline.schedule is schedule
    assert change(mode='async', interval=9, update='still', budget_ms_per_s=50.0).successful
    stream.step()
    config = stream.session.pipeline.config.keyframe
    assert (config.mode, config.interval, config.update) == ('async', 9, 'still')
    assert stream.session.pipeline.schedule.beside
    assert node_status(node)[2]['keyframe_mode'] == 'async'


def test_a_teacher_whose_results_are_never_used_is_no_good_news(make_node, parameters, capfd):
    parameters['tracker.late_frames'] = 0
    node = make_node(mode='async')
    assert node.trigger_configure() == SUCCESS
    assert node.trigger_activate() == SUCCESS
    stream = Stream(node)
    while not stream.session.teacher_trouble:
        stream.step()
        time.sleep(0.005)
        assert stream.sent < 1000
    with a_camera(node):
        level, message, values = node_status(node)
    assert level == 1
    assert message.startswith('results of the teacher come too late')
    assert (values['keyframe_ratio'], values['late_results']) == ('0.00', '0')
    assert 'raise tracker.late_frames' in capfd.readouterr().err


def test_a_teacher_that_waits_for_another_mode_is_said_to(make_node, capfd):
    """It takes memory, and nobody may remember that it was given."""
    node = make_node(mode='off')
    assert node.trigger_configure() == SUCCESS
    assert 'teacher large waits unused: keyframe.mode is off' in capfd.readouterr().err
    assert node.trigger_activate() == SUCCESS
    Stream(node).step()
    with a_camera(node):
        assert node_status(node)[:2] == (
            0,
            'tracking 1 camera(s) with small; teacher large waits unused: keyframe.mode is off',
        )
        node.set_parameters([Parameter('keyframe.mode', value='fixed')])
        assert node_status(node)[:2] == (0, 'tracking 1 camera(s) with small')


def test_a_teacher_that_failed_is_no_warning_where_nobody_wants_it(make_node, trouble):
    """What would be wrong with it is said beside; another mode makes a warning of it."""

    def fail():
        raise MemoryError('no room')

    trouble(fail)
    node = make_node(mode='off', retry_s=60.0)
    assert node.trigger_configure() == SUCCESS
    assert node.trigger_activate() == SUCCESS
    Stream(node).step()
    with a_camera(node):
        level, message, values = node_status(node)
        assert (level, values['teacher_state']) == (0, 'failed')
        assert 'teacher large would not help (teacher failed: MemoryError: no room' in message
        node.set_parameters([Parameter('keyframe.mode', value='fixed')])
        level, message, _ = node_status(node)
    assert level == 1 and message.startswith('teacher failed: MemoryError: no room')


def test_off_is_a_word_in_a_parameter_file(make_node):
    node = make_node(mode=False)  # what YAML makes of it
    assert node.get_parameter('keyframe.mode').value == 'off'


def test_on_is_one_too(make_node, parameters):
    parameters['runtime.sparse_heads'] = True
    assert make_node().get_parameter('runtime.sparse_heads').value == 'on'


def test_the_source_is_put_together_only_while_somebody_listens(make_node, monkeypatch):
    made = []
    monkeypatch.setattr(camera_port, 'to_message', partial(_note, made, camera_port.to_message))
    node = make_node()
    assert node.trigger_configure() == SUCCESS
    assert node.trigger_activate() == SUCCESS
    stream = Stream(node)
    for _ in range(4):
        stream.step()
    assert made == []
    listener = rclpy.create_node('listener')
    try:
        listener.create_subscription(
            camera_port.DiagnosticArray, '/camera/inference_info', made.append, 10
        )
        publisher = stream.session.ports['camera']._inference_info
        wait_for(lambda: publisher.get_subscription_count() == 1)
        for _ in range(4):
            stream.step()
    finally:
        listener.destroy_node()
    assert len(made) == 4


def _note(made, function, *arguments, **named):
    made.append(named)
    return function(*arguments, **named)
