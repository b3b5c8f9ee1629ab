"""The session between configure and cleanup, without DDS in between: failures and freed memory."""

import time
import weakref

import numpy as np
import pytest

from mot_compress_ros.errors import BundleError
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


class RearFails:
    """A pipeline whose runtime gives up on batches with the rear camera in them."""

    def __init__(self, pipeline):
        self._pipeline = pipeline

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
    for camera in session.ports:
        session.pipeline.reset(camera)
    session.start()
    session.receive('front', message(0, encoding='nonsense'))
    session.receive('rear', message(0))
    wait_for(lambda: session.ports['rear'].monitor.activity().processed == 1)
    wait_for(lambda: session.ports['front'].monitor.activity().bad == 1)


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


def test_cleanup_frees_the_model(make_node, bundle):
    node = make_node(model=bundle)
    assert node.trigger_configure() == SUCCESS
    pipeline = weakref.ref(node._session.pipeline)
    assert node.trigger_activate() == SUCCESS
    assert node.trigger_deactivate() == SUCCESS
    assert pipeline() is not None
    assert node.trigger_cleanup() == SUCCESS
    assert pipeline() is None


def test_a_hung_runtime_ends_in_unconfigured_and_not_in_a_hang(make_node, bundle, monkeypatch):
    node = make_node(model=bundle)
    assert node.trigger_configure() == SUCCESS
    assert node.trigger_activate() == SUCCESS
    session = node._session
    monkeypatch.setattr(session, 'stop', lambda: False)
    assert node.trigger_deactivate() != SUCCESS
    assert node._state_machine.current_state[1] == 'unconfigured'
    assert node._session is None
    monkeypatch.undo()
    assert session.stop()
    assert node.trigger_configure() == SUCCESS
