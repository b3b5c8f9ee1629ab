"""Odometry, IMU, camera_info and tf on their way to the pipeline, without DDS in between."""

import math

import numpy as np
import pytest

from mot_compress_ros.camera_motion import OPTICAL_FROM_BODY
from mot_compress_ros.errors import InvalidDataError
from mot_compress_ros.options import from_mapping
from mot_compress_ros.pipeline import PipelineConfig

pytest.importorskip('rclpy', reason='rclpy is not installed')
pytest.importorskip('vision_msgs.msg', reason='the ROS interfaces are not built')

from geometry_msgs.msg import Vector3
from nav_msgs.msg import Odometry
import rclpy
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CameraInfo, Imu
from std_msgs.msg import Header

from mot_compress_ros.ros import conversions, motion_monitor, transforms
from mot_compress_ros.ros.motion_monitor import MotionMonitor
from mot_compress_ros.ros.node import MotTrackerNode
from mot_compress_ros.ros.parameters import NodeOptions
from mot_compress_ros.ros.session import TrackingSession

pytestmark = pytest.mark.ros

K = [400.0, 0, 159.5, 0, 410.0, 95.5, 0, 0, 1]


def header(ms=0, frame='base_link'):
    return Header(stamp=conversions.ns_to_stamp(10**9 + ms * 10**6), frame_id=frame)


def imu(*velocity, ms=0):
    return Imu(
        header=header(ms, 'imu_link'),
        angular_velocity=Vector3(**dict(zip('xyz', velocity, strict=True))),
    )


def odometry(*velocity, ms=0):
    message = Odometry(header=header(ms, 'odom'), child_frame_id='base_link')
    message.twist.twist.angular = Vector3(**dict(zip('xyz', velocity, strict=True)))
    return message


def camera_info(k=K, size_wh=(320, 192)):
    return CameraInfo(
        header=header(frame='front_optical'), width=size_wh[0], height=size_wh[1], k=k
    )


# --- conversions


def test_angular_velocities_of_both_kinds_of_message():
    assert conversions.to_angular_velocity(imu(0.1, -0.2, 0.3)) == (0.1, -0.2, 0.3)
    assert conversions.measuring_frame(imu(0.0, 0.0, 0.0)) == 'imu_link'
    assert conversions.to_angular_velocity(odometry(0.1, -0.2, 0.3)) == (0.1, -0.2, 0.3)
    # REP 105 and the definition of Odometry: the twist is about the axes of the child frame.
    assert conversions.measuring_frame(odometry(0.0, 0.0, 0.0)) == 'base_link'


def test_an_imu_that_measures_no_rotation():
    message = imu(0.0, 0.0, 0.0)
    message.angular_velocity_covariance = [-1.0, *[0.0] * 8]
    assert conversions.to_angular_velocity(message) is None


def test_camera_info_becomes_intrinsics():
    message = camera_info()
    message.roi.x_offset, message.roi.y_offset = 10, 20
    message.roi.width, message.roi.height = 160, 96
    found = conversions.to_intrinsics(message)
    np.testing.assert_allclose(found.matrix, [[400, 0, 149.5], [0, 410, 75.5], [0, 0, 1]])
    assert found.size_wh == (160, 96)
    with pytest.raises(InvalidDataError):
        conversions.to_intrinsics(CameraInfo(width=320, height=192))


# --- the port


@pytest.fixture
def make_session(bundle):
    """Makes sessions of one node with two cameras."""
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    node = MotTrackerNode()
    sessions = []

    def make(**camera_motion):
        options = NodeOptions(cameras=('front', 'rear'), model=bundle)
        values = {f'camera_motion.{name}': value for name, value in camera_motion.items()}
        config = from_mapping(PipelineConfig, values)
        sessions.append(TrackingSession(node, options, config))
        return sessions[-1]

    yield make
    for session in sessions:
        session.close()
    node.destroy_node()
    rclpy.shutdown()


def heard(session):
    """Topics the node listens to, but for images and what every node has."""
    names = {subscription.topic_name for subscription in session._node.subscriptions}
    return {name for name in names if name.endswith(('camera_info', '/imu', '/odometry'))}


@pytest.mark.parametrize(
    ('source', 'topics'),
    [
        ('none', set()),
        ('image', {'/front/camera_info', '/rear/camera_info'}),
        ('imu', {'/imu', '/front/camera_info', '/rear/camera_info'}),
        ('odometry', {'/odometry', '/front/camera_info', '/rear/camera_info'}),
    ],
)
def test_only_what_the_source_asks_for_is_subscribed(make_session, source, topics):
    session = make_session(source=source)
    assert heard(session) == topics
    session.close()
    assert heard(session) == set()


@pytest.mark.parametrize(('source', 'message'), [('imu', imu), ('odometry', odometry)])
def test_messages_reach_the_pipeline(make_session, source, message):
    session = make_session(source=source)
    told = []
    session.pipeline.observe_rotation = lambda **given: told.append(given)
    session.motion._hear(message(0.0, 0.0, 0.5, ms=3))
    assert told == [{'stamp_ns': 1_003_000_000, 'angular_velocity_rad_s': (0.0, 0.0, 0.5)}]


def test_trouble_is_told_from_the_outside_in(make_session):
    session = make_session(source='imu')
    session._node.count_publishers = lambda topic: 0
    said = session.motion.advice('front', stale_after_s=60)
    assert said == (
        'camera motion is not compensated: no publisher on /imu: is the sensor up, is the name '
        'remapped?'
    )
    session._node.count_publishers = lambda topic: 1
    session.motion._hear(imu(0.0, 0.0, 0.5))
    assert '/front/camera_info: none yet' in session.motion.advice('front', stale_after_s=60)
    session.motion._hear_info('front', CameraInfo(header=header(), width=320, height=192))
    assert 'not calibrated' in session.motion.advice('front', stale_after_s=60)
    session.motion._hear_info('front', camera_info())
    assert session.motion.advice('front', stale_after_s=60) == ''
    assert '/rear/camera_info: none yet' in session.motion.advice('rear', stale_after_s=60)
    assert session.motion.values('front') == {
        'camera_motion': 'imu',
        'camera_motion_topic': '/imu',
        'camera_motion_received': 1,
        'camera_motion_mounting': 'assumed: the entry * of camera_motion.mounting',
        'camera_info_topic': '/front/camera_info',
        'camera_info_known': True,
    }


def test_the_image_alone_has_nothing_to_complain_of(make_session):
    session = make_session(source='image')
    assert session.motion.advice('front', stale_after_s=0) == ''
    assert session.motion.values('front')['camera_info_known'] is False
    session = make_session()
    assert session.motion.advice('front', stale_after_s=0) == ''
    assert session.motion.values('front') == {'camera_motion': 'none'}


def test_an_imu_without_gyroscope_is_complained_of_and_not_used(make_session):
    session = make_session(source='imu')
    session._node.count_publishers = lambda topic: 1
    message = imu(0.0, 0.0, 0.5)
    message.angular_velocity_covariance = [-1.0, *[0.0] * 8]
    session.motion._hear(message)
    assert 'no gyroscope' in session.motion.advice('front', stale_after_s=60)
    assert len(session.pipeline._rotations) == 0


def test_silence_is_complained_of(monkeypatch):
    class Clock:
        now = 10.0

        def monotonic(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(motion_monitor, 'time', clock)
    monitor = MotionMonitor(['front'])
    monitor.measured(frame='imu_link')
    clock.now += 2.5
    assert monitor.sensor_trouble('/imu', publishers=1, stale_after_s=3) == ''
    assert (
        monitor.sensor_trouble('/imu', publishers=1, stale_after_s=2)
        == 'nothing on /imu for 2.5 s'
    )


class Finder:
    """tf that knows one transform after a while."""

    def __init__(self, rotation):
        self.rotation_found, self.asked = rotation, []

    def rotation(self, *, to_frame, from_frame):
        self.asked.append((to_frame, from_frame))
        return self.rotation_found if len(self.asked) > 1 else None

    def close(self):
        self.asked.append('closed')


def test_the_mounting_comes_from_tf_where_nobody_stated_it(make_session):
    session = make_session(source='imu', mounting=('rear=0,0,180',))
    motion = session.motion
    motion._finder = finder = Finder(OPTICAL_FROM_BODY)
    told = []
    session.pipeline.set_mounting = lambda camera, rotation: told.append((camera, rotation))
    motion._hear_info('front', camera_info())
    assert finder.asked == [], 'nobody knows yet in which frame is measured'
    motion._hear(imu(0.0, 0.0, 0.5))
    for _ in range(4):
        motion._hear_info('front', camera_info())
        motion._hear_info('rear', camera_info())
    assert finder.asked == [('front_optical', 'imu_link')] * 2
    assert [(camera, rotation is OPTICAL_FROM_BODY) for camera, rotation in told] == [
        ('front', True)
    ]
    front, rear = (motion.values(c)['camera_motion_mounting'] for c in ('front', 'rear'))
    assert front == 'tf from imu_link to front_optical'
    assert rear == 'camera_motion.mounting'
    session.close()
    assert finder.asked[-1] == 'closed'


@pytest.mark.skipif(not transforms.is_available(), reason='tf2_ros is not installed')
def test_tf_is_looked_up(make_session):
    from geometry_msgs.msg import TransformStamped

    session = make_session(source='imu')
    finder = session.motion._finder
    transform = TransformStamped(header=header(frame='imu_link'), child_frame_id='front_optical')
    rotation = transform.transform.rotation
    rotation.x, rotation.y, rotation.z, rotation.w = -0.5, 0.5, -0.5, 0.5
    finder._buffer.set_transform_static(transform, 'test')
    found = finder.rotation(to_frame='front_optical', from_frame='imu_link')
    np.testing.assert_allclose(found, OPTICAL_FROM_BODY, atol=1e-12)
    assert finder.rotation(to_frame='front_optical', from_frame='elsewhere') is None


def test_a_turn_of_the_vehicle_reaches_the_right_pixels(make_session):
    """Messages in, homography out: 0.5 rad/s to the left for 0.1 s."""
    session = make_session(source='imu')
    session.motion._hear_info('front', camera_info())
    for ms in range(0, 120, 10):
        session.motion._hear(imu(0.0, 0.0, 0.5, ms=ms))
    motion = session.pipeline._streams['front'].motion
    from mot_compress_ros.camera_motion import View

    views = [View(stamp_ns=10**9 + ms * 10**6, size_wh=(320, 192)) for ms in (0, 100)]
    moved = motion.between(*views, moving_xyxy_px=np.zeros((0, 4)))
    u, v, w = moved @ [159.5, 95.5, 1]
    assert (u / w, v / w) == pytest.approx((159.5 + 400 * math.tan(0.05), 95.5))
