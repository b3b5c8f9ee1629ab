"""The session between configure and cleanup, without DDS in between: failures and freed memory."""

import threading
import time
import weakref

import numpy as np
import pytest

from mot_compress_ros.errors import BundleError, InvalidOptionError
from mot_compress_ros.pipeline import PipelineConfig

pytest.importorskip('rclpy', reason='rclpy is not installed')
pytest.importorskip('vision_msgs.msg', reason='the ROS interfaces are not built')

import rclpy
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import Header

from mot_compress_ros.ros import conversions
from mot_compress_ros.ros.node import MotTrackerNode, SUCCESS
from mot_compress_ros.ros.parameters import NodeOptions
from mot_compress_ros.ros.session import TrackingSession

pytestmark = pytest.mark.ros


@pytest.fixture
def make_node():
    """Makes a node with parameters; everything is taken down afterwards."""
    nodes = []
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)

    def make(**parameters):
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        nodes.append(MotTrackerNode(parameter_overrides=overrides))
        return nodes[-1]

    yield make
    for node in nodes:
        node.stop()
        node.destroy_node()
    rclpy.shutdown()


@pytest.fixture
def session(make_node, bundle):
    options = NodeOptions(cameras=('front', 'rear'), model=bundle)
    session = TrackingSession(make_node(), options, PipelineConfig())
    yield session
    assert session.stop()
    session.close()


def message(n, *, encoding='bgr8'):
    image = np.full((96, 160, 3), 128, np.uint8)
    image[20:60, 30:60] = (0, 0, 255)
    header = Header(stamp=conversions.ns_to_stamp(10**9 + n * 10**8))
    result = conversions.to_image(image, header=header)
    result.encoding = encoding
    return result


def wait_for(condition):
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


class Around:
    """Stands before a pipeline, and lets everything through that it does not do itself."""

    def __init__(self, pipeline):
        self._pipeline = pipeline

    def __getattr__(self, name):
        return getattr(self._pipeline, name)


class Gate(Around):
    """A pipeline that waits in each step until it is opened, as a runtime that hangs."""

    def __init__(self, pipeline):
        super().__init__(pipeline)
        self.entered, self.opened = threading.Event(), threading.Event()

    def step(self, frames):
        self.entered.set()
        assert self.opened.wait(60)
        return self._pipeline.step(frames)


class Always(Around):
    """A pipeline that says the same of every frame."""

    def __init__(self, pipeline, answer):
        super().__init__(pipeline)
        self._answer = answer

    def step(self, frames):
        return [self._answer for _ in frames]


class RearFails(Around):
    """A pipeline whose runtime gives up on batches with the rear camera in them."""

    def step(self, frames):
        if any(frame.camera == 'rear' for frame in frames):
            raise RuntimeError('out of memory')
        return self._pipeline.step(frames)


def test_a_runtime_that_fails_for_one_camera_does_not_stop_the_other(session):
    front, rear = (session.ports[camera].monitor for camera in ('front', 'rear'))
    session.start()
    session.pipeline = RearFails(session.pipeline)
    for n in range(20):
        session.receive('rear', message(n))
        session.receive('front', message(n))
        wait_for(lambda n=n: front.activity().processed == n + 1)
        wait_for(lambda n=n: rear.activity().bad == n + 1)
    assert front.activity().active_tracks == 1
    assert rear.activity().processed == 0
    assert rear.activity().last_error == 'RuntimeError: out of memory'
    assert session.health.counters()['frames_bad'] == 20


def test_a_bad_message_of_one_camera_leaves_the_rest_of_the_batch(session):
    front, rear = (session.ports[camera].monitor for camera in ('front', 'rear'))
    session.pipeline = gate = Gate(session.pipeline)
    session.start()
    session.receive('rear', message(0))
    assert gate.entered.wait(30)
    session.receive('front', message(1, encoding='nonsense'))  # these two wait together
    session.receive('rear', message(1))
    gate.opened.set()
    wait_for(lambda: rear.activity().processed == 2)
    assert (front.activity().bad, front.activity().processed) == (1, 0)
    assert rear.activity().bad == 0


@pytest.mark.parametrize('where', ['decode', 'work'])
def test_an_error_nobody_expects_is_counted_and_the_worker_lives(session, monkeypatch, where):
    def fail(*_, **__):
        raise MemoryError('no room')

    front = session.ports['front'].monitor
    session.start()
    with monkeypatch.context() as patch:
        if where == 'decode':
            patch.setattr(conversions, 'to_frame', fail)
        else:
            patch.setattr(session, '_track', fail)
        session.receive('front', message(0))
        wait_for(lambda: front.activity().bad == 1)
    assert front.activity().last_error == 'MemoryError: no room'
    assert session.is_running
    session.receive('front', message(1))
    wait_for(lambda: front.activity().processed == 1)


def test_a_known_stamp_and_a_late_frame_are_told_from_tracked_ones(session):
    front = session.ports['front'].monitor
    session.start()
    for n in (5, 5, 5):
        session.receive('front', message(n))
        wait_for(
            lambda: (
                front.activity().received
                == front.activity().processed + front.activity().duplicates
            )
        )
    session.pipeline = Always(session.pipeline, None)
    session.receive('front', message(4))
    wait_for(lambda: front.activity().late == 1)
    activity = front.activity()
    assert (activity.processed, activity.duplicates, activity.bad) == (1, 2, 0)
    assert session.health.counters()['frames_processed'] == 1


def test_what_waits_at_deactivation_is_counted_as_dropped(session):
    front = session.ports['front'].monitor
    session.pipeline = gate = Gate(session.pipeline)
    session.start()
    session.receive('front', message(0))
    assert gate.entered.wait(30)
    session.receive('front', message(1))
    threading.Timer(0.1, gate.opened.set).start()
    assert session.stop()
    activity = front.activity()
    assert (activity.received, activity.processed, activity.dropped) == (2, 1, 1)
    assert session.health.counters()['frames_dropped'] == 1


def test_nothing_is_tracked_before_start_and_after_stop(session):
    front = session.ports['front'].monitor
    session.receive('front', message(0))
    session.start()
    session.receive('front', message(1))
    wait_for(lambda: front.activity().processed == 1)
    assert session.stop()
    assert not session.is_running
    session.receive('front', message(2))
    activity = front.activity()
    assert (activity.received, activity.processed, activity.ignored) == (1, 1, 2)


def test_every_message_ends_in_one_counter(session):
    front = session.ports['front'].monitor
    session.start()
    for n in range(300):
        session.receive('front', message(n, encoding='nonsense' if n % 7 == 0 else 'bgr8'))
        time.sleep(0.0005)

    def is_accounted_for():
        a = front.activity()
        return a.received == 300 == a.processed + a.dropped + a.bad

    wait_for(is_accounted_for)
    counters = session.health.counters()
    assert counters['frames_received'] == 300
    assert counters['frames_dropped'] == front.activity().dropped


def test_a_session_that_cannot_be_made_leaves_nothing_on_the_graph(make_node, bundle):
    node = make_node()
    with pytest.raises(BundleError):
        TrackingSession(node, NodeOptions(model=bundle + 'x'), PipelineConfig())
    node = make_node(**{'qos_overrides./rear/tracks.publisher.reliability': 'perhaps'})
    options = NodeOptions(cameras=('front', 'rear'), model=bundle)
    with pytest.raises(RuntimeError, match='perhaps'):
        TrackingSession(node, options, PipelineConfig())
    names = {name for name, _ in node.get_publisher_names_and_types_by_node('mot_tracker', '')}
    assert '/front/tracks' not in names


@pytest.mark.parametrize(
    ('parameters', 'reason'),
    [
        ({'modle': 'x'}, 'unknown parameter modle; did you mean model?'),
        ({'tracker.min_scroe': 0.1}, 'did you mean tracker.min_score?'),
        ({'image_transport': 'theora'}, 'legal: raw, compressed'),
        ({'cameras': ['1st']}, 'cameras: got'),
    ],
)
def test_illegal_parameters_are_found_when_the_node_is_made(make_node, parameters, reason):
    with pytest.raises(InvalidOptionError) as found:
        make_node(**parameters)
    assert reason in str(found.value)


def test_cleanup_frees_the_model(make_node, bundle):
    node = make_node(model=bundle)
    assert node.trigger_configure() == SUCCESS
    pipeline = weakref.ref(node._session.pipeline)
    assert node.trigger_activate() == SUCCESS
    assert node.trigger_deactivate() == SUCCESS
    assert pipeline() is not None
    assert node.trigger_cleanup() == SUCCESS
    assert pipeline() is None


def test_a_hung_runtime_ends_in_unconfigured_and_not_in_a_hang(make_node, bundle):
    node = make_node(model=bundle)
    assert node.trigger_configure() == SUCCESS
    session = node._session
    session.patience_s = 0.1
    session.pipeline = gate = Gate(session.pipeline)
    assert node.trigger_activate() == SUCCESS
    session.receive('camera', message(0))
    assert gate.entered.wait(30)
    assert node.trigger_deactivate() != SUCCESS
    assert node._state_machine.current_state[1] == 'unconfigured'
    assert node._session is None
    assert node.trigger_configure() == SUCCESS
    gate.opened.set()  # it comes back, and finds its topics gone
    session.patience_s = 30.0
    assert session.stop()
    assert session.ports['camera'].monitor.activity().bad == 1
