"""A camera that sways and an IMU over real DDS: ids are kept, and what is missing is said."""

import numpy as np
import pytest

from mot_compress_ros.assembly import build_pipeline
from mot_compress_ros.datatypes import Frame
from mot_compress_ros.message_fields import track_number

pytest.importorskip('rclpy', reason='rclpy is not installed')
pytest.importorskip('vision_msgs.msg', reason='the ROS interfaces are not built')

from geometry_msgs.msg import Vector3
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Imu
from std_msgs.msg import Header

from mot_compress_ros.ros import conversions
from mot_compress_ros.ros.client import TrackerClient
from mot_compress_ros.ros.process import NodeProcess

pytestmark = pytest.mark.ros

PATIENCE_S = 60.0
SIZE_WH = (320, 192)
FOCAL_PX = 260.0
K = [FOCAL_PX, 0.0, 159.5, 0.0, FOCAL_PX, 95.5, 0.0, 0.0, 1.0]
PERIOD_NS = 100_000_000
START_NS = 1_000_000_000_000
# Three cars side by side: a turn by the distance of two puts each where its neighbour was.
CARS_RAD = np.array([-0.26, 0.0, 0.26])
SWAY_RAD = 0.26
FRAMES = 16


def heading_rad(t_s):
    """To the left and to the right from one frame to the next."""
    return SWAY_RAD / 2 * np.cos(2 * np.pi * t_s / 0.2)


def rate_rad_s(t_s):
    """Its derivative."""
    return -SWAY_RAD / 2 * 2 * np.pi / 0.2 * np.sin(2 * np.pi * t_s / 0.2)


def frame(n):
    """The cars as the swaying camera sees them."""
    image = np.full((*SIZE_WH[::-1], 3), 128, np.uint8)
    # A camera that turned to the left has what was ahead on its right.
    bearings = CARS_RAD + heading_rad(n * 0.1)
    for u in 159.5 + FOCAL_PX * np.tan(bearings):
        left, right = (round(float(np.clip(u + side, 0, SIZE_WH[0]))) for side in (-22, 22))
        image[80:120, left:right] = (255, 0, 0)
    return Frame(
        image=image, stamp_ns=START_NS + n * PERIOD_NS, camera='camera', frame_id='optical'
    )


@pytest.fixture(scope='module')
def node(bundle):
    parameters = {
        'model': bundle,
        'autostart': True,
        'camera_motion.source': 'imu',
        'diagnostics_period_s': 0.1,
        'stale_after_s': 2.0,
        'qos_overrides./camera/image_raw.subscription.reliability': 'reliable',
    }
    with NodeProcess(parameters) as process:
        yield process


@pytest.fixture
def client(node):
    with TrackerClient(cameras=['camera']) as client:
        client.wait_for_node()
        client.wait_for_topics()
        yield client


def eventually(client, condition):
    assert client.spin_until(condition, timeout_s=PATIENCE_S), client.hints()


def received(client):
    return int(client.values('camera').get('camera_motion_received', 0))


def unknown(client):
    """Frames without compensation so far, as the node says it next."""
    client.diagnostics.clear()
    eventually(client, lambda: 'mot_tracker: node' in client.diagnostics)
    return int(client.values('node')['camera_motion_unknown'])


def says(client, text):
    status = client.diagnostics.get('mot_tracker: camera')
    return status is not None and text in status.message


def offline_ids(bundle):
    pipeline = build_pipeline(cameras=['camera'], model=bundle)
    return [ids_by_place(n, pipeline.step([frame(n)])[0]) for n in range(FRAMES)]


def ids_by_place(n, tracks):
    centres = (tracks.boxes_xyxy_px[:, 0] + tracks.boxes_xyxy_px[:, 2]) / 2
    return by_car(n, centres, tracks.track_ids)


def by_car(n, centres, numbers):
    """The id of each car that is seen, by the car's number."""
    bearings = np.arctan((np.asarray(centres) - 159.5) / FOCAL_PX) - heading_rad(n * 0.1)
    return {
        int(np.abs(CARS_RAD - bearing).argmin()): int(number)
        for bearing, number in zip(bearings, numbers, strict=True)
    }


def changes(rows):
    """How often a car has another id than when it was seen last."""
    known, count = {}, 0
    for row in rows:
        count += sum(known.get(car, number) != number for car, number in row.items())
        known.update(row)
    return count


def test_what_is_missing_is_said_and_then_the_ids_are_kept(client, bundle):
    assert changes(offline_ids(bundle)) > 3, 'without compensation the cars are mixed up'
    measured = client.node.create_publisher(Imu, '/imu', qos_profile_sensor_data)
    information = client.node.create_publisher(
        CameraInfo, '/camera/camera_info', qos_profile_sensor_data
    )
    rows = []

    def measure(start_ms, end_ms):
        for ms in range(start_ms, end_ms, 10):
            header = Header(stamp=conversions.ns_to_stamp(START_NS + ms * 10**6))
            header.frame_id = 'imu_link'
            rate = Vector3(x=0.0, y=0.0, z=float(rate_rad_s(ms / 1e3)))
            measured.publish(Imu(header=header, angular_velocity=rate))

    def inform():
        header = Header(frame_id='optical')
        information.publish(CameraInfo(header=header, width=SIZE_WH[0], height=SIZE_WH[1], k=K))
        return client.values('camera').get('camera_info_known') == 'True'

    eventually(client, lambda: measured.get_subscription_count() == 1)
    eventually(client, lambda: information.get_subscription_count() == 1)
    eventually(client, inform)
    unknown_before = unknown(client)
    for n in range(FRAMES):
        heard = received(client)
        measure(100 * n - 100, 100 * n + 50)
        eventually(client, lambda heard=heard: received(client) > heard + 9)
        message = client.exchange(frame(n))
        centres = [detection.bbox.center.position.x for detection in message.detections]
        rows.append(by_car(n, centres, [track_number(d.id) for d in message.detections]))
    assert [len(row) for row in rows[2:]] == [3] * (FRAMES - 2)
    assert changes(rows) == 0
    assert unknown(client) == unknown_before
    assert float(client.values('node')['latency_camera_motion_p50_ms']) < 5


def test_silence_of_the_imu_is_a_warning_of_the_camera_and_of_the_node(client):
    measured = client.node.create_publisher(Imu, '/imu', qos_profile_sensor_data)
    n = 1000

    def send():
        nonlocal n
        n += 1
        client.exchange(frame(n))

    eventually(client, lambda: (send(), says(client, 'nothing on /imu for'))[1])
    assert client.diagnostics['mot_tracker: camera'].level == b'\x01'
    assert client.values('camera')['camera_motion'] == 'imu'
    client.node.destroy_publisher(measured)
    eventually(client, lambda: (send(), says(client, 'no publisher on /imu'))[1])
    eventually(
        client, lambda: (send(), client.diagnostics['mot_tracker: node'].level == b'\x01')[1]
    )
