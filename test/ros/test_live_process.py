"""The node as a process: autostart, namespace, compressed images, load, signals, bad starts."""

import array
import os
from pathlib import Path
import signal
import subprocess
import sys

import cv2
import numpy as np
import pytest

from mot_compress_ros.datatypes import Frame

pytest.importorskip('rclpy', reason='rclpy is not installed')
pytest.importorskip('vision_msgs.msg', reason='the ROS interfaces are not built')

import rclpy
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header

from mot_compress_ros.ros import conversions
from mot_compress_ros.ros.client import TrackerClient
from mot_compress_ros.ros.process import NodeProcess

pytestmark = pytest.mark.ros

PATIENCE_S = 60.0


@pytest.fixture(scope='module')
def node(bundle):
    """Autostarted in a namespace, on compressed images, reliable, with a /clock nobody has."""
    parameters = {
        'model': bundle,
        'image_transport': 'compressed',
        'autostart': True,
        'use_sim_time': True,
        'diagnostics_period_s': 0.1,
        'stale_after_s': 1.0,
        'qos_overrides./vehicle/camera/image_raw/compressed.subscription.reliability': 'reliable',
    }
    with NodeProcess(parameters, name='eye', namespace='/vehicle') as process:
        yield process


@pytest.fixture(scope='module')
def module_client(node):
    with TrackerClient(
        cameras=['camera'], node='/vehicle/eye', image_transport='compressed'
    ) as client:
        client.wait_for_node()
        client.wait_for_topics()
        yield client


@pytest.fixture
def client(module_client):
    """A client that has diagnostics from after the test before."""
    for _ in range(2):  # the first may have been under way
        module_client.diagnostics.clear()
        assert module_client.spin_until(
            lambda: 'eye: camera' in module_client.diagnostics, timeout_s=PATIENCE_S
        )
    return module_client


def frame(stamp_ns, *, size_wh=(320, 192)):
    image = np.full((size_wh[1], size_wh[0], 3), 128, np.uint8)
    image[64:128, 40:80] = (0, 0, 255)
    return Frame(image=image, stamp_ns=stamp_ns, camera='camera', frame_id='optical')


def test_autostart_in_a_namespace_tracks_compressed_images(client):
    assert client.state() == 'active'
    for n in range(3):
        message = client.exchange(frame(10**9 + n * 10**8))
    (detection,) = message.detections
    assert message.header.frame_id == 'optical'
    assert detection.bbox.center.position.x == pytest.approx(60, abs=2)
    assert detection.bbox.center.position.y == pytest.approx(96, abs=2)
    assert client.values('camera')['topic'] == '/vehicle/camera/image_raw/compressed'


@pytest.mark.parametrize(
    ('damage', 'start_s'),
    [('truncated', 10), ('empty', 20), ('foreign', 30), ('scrambled', 40)],
)
def test_a_broken_jpeg_is_counted_said_and_survived(client, damage, start_s):
    whole = cv2.imencode('.jpg', frame(0).image)[1].tobytes()
    data = {
        'truncated': whole[: len(whole) // 2],
        'empty': b'',
        'foreign': b'%PDF-1.7' + bytes(500),
        'scrambled': whole[:2] + bytes(len(whole) - 2),
    }[damage]
    client.exchange(frame(start_s * 10**9))
    bad = int(client.values('camera')['bad'])
    message = CompressedImage(
        header=Header(stamp=conversions.ns_to_stamp((start_s + 1) * 10**9)),
        data=array.array('B', data),
    )
    client.publish('camera', message)
    assert client.spin_until(
        lambda: int(client.values('camera')['bad']) == bad + 1, timeout_s=PATIENCE_S
    )
    assert client.diagnostics['eye: camera'].level != b'\x00'
    assert client.values('camera')['last_error']
    assert len(client.exchange(frame((start_s + 2) * 10**9)).detections) == 1


def test_a_flood_is_dropped_to_the_newest_and_every_image_is_accounted_for(client):
    noise = np.random.default_rng(0).integers(0, 255, (720, 1280, 3), np.uint8)  # slow to decode
    data = array.array('B', cv2.imencode('.jpg', noise)[1].tobytes())
    start_ns, n, known = 10**12, 60, len(client.tracks['camera'])
    for k in range(n):
        header = Header(stamp=conversions.ns_to_stamp(start_ns + k * 10**7), frame_id='optical')
        client.publish('camera', CompressedImage(header=header, format='jpeg', data=data))
        client.spin(0.004)  # much faster than the node, not faster than the transport
    newest = conversions.ns_to_stamp(start_ns + (n - 1) * 10**7)

    def newest_is_tracked():
        tracks = client.tracks['camera']
        return len(tracks) > known and tracks[-1].header.stamp == newest

    def is_accounted_for():
        values = client.values('camera')
        return int(values['received']) == sum(int(values[fate]) for fate in fates)

    fates = ('processed', 'duplicates', 'late', 'dropped', 'bad')
    assert client.spin_until(newest_is_tracked, timeout_s=PATIENCE_S), client.hints()
    assert client.spin_until(is_accounted_for, timeout_s=PATIENCE_S), client.values('camera')
    assert int(client.values('camera')['dropped']) > 0
    arrays = client.tracks['camera'][known:]
    stamps = [conversions.stamp_to_ns(array.header.stamp) for array in arrays]
    assert stamps == sorted(stamps)
    assert len(stamps) < n


def test_a_publisher_with_other_qos_is_named_in_diagnostics(client):
    talker = rclpy.create_node('talker', context=client.node.context, use_global_arguments=False)
    try:
        talker.create_publisher(
            CompressedImage, '/vehicle/camera/image_raw/compressed', qos_profile_sensor_data
        )

        def is_named():
            status = client.diagnostics['eye: camera']
            return status.level == b'\x02' and 'RELIABILITY' in status.message

        assert client.spin_until(is_named, timeout_s=PATIENCE_S), client.hints()
        for n in range(200):  # the good publisher is still heard
            client.exchange(frame(5 * 10**12 + n * 10**8))
            if client.spin_until(lambda: not is_named(), timeout_s=0.1):
                break
        assert not is_named()
    finally:
        talker.destroy_node()


def test_a_missing_clock_is_named_and_does_not_silence_the_diagnostics(client):
    status = client.diagnostics['eye: node']
    assert (status.level, status.message) == (
        b'\x02',
        'use_sim_time is on but nobody publishes /clock',
    )


SEND_LARGE_IMAGES = """
import numpy
from mot_compress_ros.datatypes import Frame
from mot_compress_ros.ros.client import TrackerClient
with TrackerClient(cameras=['camera'], node='/receiving') as client:
    client.wait_for_topics()
    image = numpy.zeros((1080, 1920, 3), numpy.uint8)
    for n in range(1, 21):
        client.send(Frame(image=image, stamp_ns=n * 10**8))
        client.spin(0.1)
"""


def test_large_images_come_through_best_effort_with_the_shipped_profile(bundle):
    """Without the profile about three of twenty do."""
    root = Path(__file__).resolve().parents[2]
    profile = root / 'config' / 'vehicle' / 'fastdds_large_images.xml'
    parameters = {'model': bundle, 'autostart': True, 'diagnostics_period_s': 0.1}
    with (
        NodeProcess(parameters, name='receiving'),
        TrackerClient(cameras=[], node='/receiving') as client,
    ):
        client.wait_for_node()
        subprocess.run(
            [sys.executable, '-c', SEND_LARGE_IMAGES],
            check=True,
            cwd=root,
            timeout=PATIENCE_S,
            env={**os.environ, 'FASTRTPS_DEFAULT_PROFILES_FILE': str(profile)},
        )
        enough = client.spin_until(
            lambda: int(client.values('camera').get('received', 0)) >= 15, timeout_s=PATIENCE_S
        )
        assert enough, client.values('camera')


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_signals_end_the_process_cleanly(bundle, number):
    with NodeProcess({'model': bundle, 'autostart': True}, name='ending') as process:
        with TrackerClient(cameras=['camera'], node='/ending') as client:
            client.wait_for_node()
            client.wait_for_topics()
            client.exchange(frame(10**9))
        assert process.stop(signal_number=number) == 0
        assert 'Traceback' not in process.output()


def test_autostart_with_a_bad_model_stays_up_and_can_be_mended(bundle, tmp_path):
    parameters = {'model': str(tmp_path / 'missing'), 'autostart': True}
    with NodeProcess(parameters, name='mended') as process:
        with TrackerClient(cameras=['camera'], node='/mended') as client:
            client.wait_for_node()
            assert client.state() == 'unconfigured'
            assert client.set_parameter('model', bundle) == ''
            assert client.change_state('configure')
            assert client.change_state('activate')
            assert client.change_state('active_shutdown')
            assert client.state() == 'finalized'
        assert process.stop() == 0


@pytest.mark.parametrize(
    ('parameters', 'reason'),
    [
        ({'stale_after_s': -3.0}, 'stale_after_s'),
        ({'keyframe.interval': 'often'}, 'keyframe.interval'),
        ({'modle': 'road_student'}, 'did you mean model?'),
    ],
)
def test_an_illegal_parameter_at_start_ends_the_process_with_the_reason(parameters, reason):
    with NodeProcess(parameters) as process:
        try:
            code = process.wait(timeout_s=PATIENCE_S)
        except subprocess.TimeoutExpired:
            code = None
        assert code == 2
        assert reason in process.output()
        assert 'Traceback' not in process.output()
