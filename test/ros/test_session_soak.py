"""A minute of four cameras as fast as they can, with garbage, pauses and changed options."""

from dataclasses import replace
from pathlib import Path
import threading
import time

import numpy as np
import pytest

from mot_compress_ros.pipeline import PipelineConfig

pytest.importorskip('rclpy', reason='rclpy is not installed')
pytest.importorskip('vision_msgs.msg', reason='the ROS interfaces are not built')

import rclpy
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import Header

from mot_compress_ros.ros import conversions
from mot_compress_ros.ros.node import MotTrackerNode
from mot_compress_ros.ros.parameters import NodeOptions
from mot_compress_ros.ros.session import TrackingSession

pytestmark = [pytest.mark.ros, pytest.mark.slow]

CAMERAS = ('front', 'left', 'right', 'rear')
DURATION_S = 60.0
FATES = ('processed', 'duplicates', 'late', 'dropped', 'bad')


def resident_mib():
    pages = int(Path('/proc/self/statm').read_text().split()[1])
    return pages * 4096 / 2**20


def messages(rng):
    """Images without end: most are good, some garbage, some stamps twice, back or far ahead."""
    image = np.full((96, 160, 3), 128, np.uint8)
    image[20:60, 30:60] = (0, 0, 255)
    stamp_ns = 10**9
    while True:
        stamp_ns = max(stamp_ns + int(rng.choice([10**8, 10**8, 10**8, 0, -(10**8), 10**10])), 0)
        header = Header(stamp=conversions.ns_to_stamp(stamp_ns))
        message = conversions.to_image(image, header=header)
        if rng.random() < 0.1:
            message.encoding = 'nonsense'
        yield message


@pytest.fixture
def session(bundle):
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    node = MotTrackerNode()
    session = TrackingSession(node, NodeOptions(cameras=CAMERAS, model=bundle), PipelineConfig())
    yield session
    assert session.stop()
    session.close()
    node.destroy_node()
    rclpy.shutdown()


def test_a_minute_of_load_leaks_nothing_and_loses_count_of_nothing(session):
    stopping = threading.Event()

    def play(seed, camera):
        for message in messages(np.random.default_rng(seed)):
            if stopping.is_set():
                return
            session.receive(camera, message)
            time.sleep(0.002)

    players = [threading.Thread(target=play, args=pair) for pair in enumerate(CAMERAS)]
    for player in players:
        player.start()
    samples = []
    config, end_s = PipelineConfig(), time.monotonic() + DURATION_S
    while time.monotonic() < end_s:
        session.start()
        time.sleep(1.0)
        min_score = 0.3 + 0.6 * (len(samples) % 2)
        session.reconfigure(replace(config, decode=replace(config.decode, min_score=min_score)))
        time.sleep(1.0)
        assert session.is_running
        assert session.stop()
        samples.append(resident_mib())
    stopping.set()
    for player in players:
        player.join()

    for camera in CAMERAS:
        activity = session.ports[camera].monitor.activity()
        fates = {fate: getattr(activity, fate) for fate in FATES}
        assert sum(fates.values()) == activity.received
        assert all(fates.values()), fates
        assert activity.ignored > 0
    assert samples[-1] - samples[len(samples) // 4] < 20, samples
