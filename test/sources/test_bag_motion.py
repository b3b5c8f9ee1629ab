"""What a bag says of the vehicle's rotation, the camera matrix and the mounting."""

import json

import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin

from mot_compress_ros import replay
from mot_compress_ros.camera_motion import OPTICAL_FROM_BODY
from mot_compress_ros.errors import InputError
from mot_compress_ros.sources import open_motion, open_source, TurningFeed
from mot_compress_ros.sources.bag_motion import Turning
from mot_compress_ros.sources.static_transforms import StaticTransforms

START_NS = 1_700_000_000_000_000_000
K = [400.0, 0, 159.5, 0, 410.0, 95.5, 0, 0, 1]


@pytest.fixture
def storage():
    return StoragePlugin.MCAP


class MotionWriter:
    """Adds the messages of a moving vehicle to a bag."""

    def __init__(self, bag_writer):
        self.bag, self.types = bag_writer, bag_writer.store.types

    def header(self, ms, frame):
        sec, nanosec = divmod(START_NS + ms * 1_000_000, 1_000_000_000)
        stamp = self.types['builtin_interfaces/msg/Time'](sec=sec, nanosec=nanosec)
        return self.types['std_msgs/msg/Header'](stamp=stamp, frame_id=frame)

    def add(self, topic, kind, **fields):
        message = self.types[kind](**fields)
        self.bag.raw(topic, kind, bytes(self.bag.store.serialize_cdr(message, kind)))

    def vector(self, *xyz):
        return self.types['geometry_msgs/msg/Vector3'](*map(float, xyz))

    def quaternion(self, *xyzw):
        return self.types['geometry_msgs/msg/Quaternion'](*map(float, xyzw))

    def imu(self, ms, *velocity, topic='/imu/data', measures=True):
        covariance = np.zeros(9)
        covariance[0] = 0.0 if measures else -1.0
        self.add(
            topic,
            'sensor_msgs/msg/Imu',
            header=self.header(ms, 'imu_link'),
            orientation=self.quaternion(0, 0, 0, 1),
            orientation_covariance=np.zeros(9),
            angular_velocity=self.vector(*velocity),
            angular_velocity_covariance=covariance,
            linear_acceleration=self.vector(0, 0, 9.8),
            linear_acceleration_covariance=np.zeros(9),
        )

    def odometry(self, ms, *velocity, topic='/odom'):
        t = self.types
        self.add(
            topic,
            'nav_msgs/msg/Odometry',
            header=self.header(ms, 'odom'),
            child_frame_id='base_link',
            pose=t['geometry_msgs/msg/PoseWithCovariance'](
                pose=t['geometry_msgs/msg/Pose'](
                    position=t['geometry_msgs/msg/Point'](0.0, 0.0, 0.0),
                    orientation=self.quaternion(0, 0, 0, 1),
                ),
                covariance=np.zeros(36),
            ),
            twist=t['geometry_msgs/msg/TwistWithCovariance'](
                twist=t['geometry_msgs/msg/Twist'](
                    linear=self.vector(9, 0, 0), angular=self.vector(*velocity)
                ),
                covariance=np.zeros(36),
            ),
        )

    def camera_info(self, ms=0, *, topic='/front/camera_info', k=K):
        self.add(
            topic,
            'sensor_msgs/msg/CameraInfo',
            header=self.header(ms, 'front_optical'),
            height=192,
            width=320,
            distortion_model='plumb_bob',
            d=np.zeros(5),
            k=np.array(k, np.float64),
            r=np.eye(3).ravel(),
            p=np.zeros(12),
            binning_x=0,
            binning_y=0,
            roi=self.types['sensor_msgs/msg/RegionOfInterest'](
                x_offset=0, y_offset=0, height=0, width=0, do_rectify=False
            ),
        )

    def transform(self, parent, child, *xyzw):
        t = self.types
        return t['geometry_msgs/msg/TransformStamped'](
            header=self.header(0, parent),
            child_frame_id=child,
            transform=t['geometry_msgs/msg/Transform'](
                translation=self.vector(1, 2, 3), rotation=self.quaternion(*xyzw)
            ),
        )

    def static(self, *transforms):
        self.add('/tf_static', 'tf2_msgs/msg/TFMessage', transforms=list(transforms))


@pytest.fixture
def writer(bag_writer, painted_images):
    for image in painted_images[:2]:
        bag_writer.image(image)
    return MotionWriter(bag_writer)


def opened(writer, tmp_path, storage, motion_source='imu', **given):
    source = open_source(writer.bag.write(tmp_path / 'bag', storage))
    return open_motion(source, motion_source=motion_source, **given)


def test_topics_are_found_by_their_type(writer, tmp_path, storage):
    writer.camera_info()
    for ms in range(0, 50, 10):
        writer.imu(ms, 0.1, 0.2, ms / 100)
        writer.odometry(ms, 0.3, 0.4, ms / 100)
    for kind, topic, first in (
        ('imu', '/imu/data', (0.1, 0.2, 0.0)),
        ('odometry', '/odom', (0.3, 0.4, 0.0)),
    ):
        folder = tmp_path / kind
        folder.mkdir()
        motion = opened(writer, folder, storage, kind)
        assert (motion.topic, motion.info_topic) == (topic, '/front/camera_info')
        assert motion.intrinsics.matrix.ravel().tolist() == K
        assert motion.intrinsics.size_wh == (320, 192)
        assert motion.mounting is None
        turnings = list(motion.turnings())
        assert turnings[0] == Turning(stamp_ns=START_NS, velocity_rad_s=first)
        assert [t.stamp_ns for t in turnings] == [START_NS + ms * 10**6 for ms in range(0, 50, 10)]


def test_nothing_is_opened_for_sources_that_need_nothing(writer, tmp_path, storage):
    source = open_source(writer.bag.write(tmp_path / 'bag', storage))
    assert open_motion(source, motion_source='none') is None
    assert open_motion(source, motion_source='image') is None


def test_the_mounting_is_joined_from_static_transforms(writer, tmp_path, storage):
    writer.imu(0, 0, 0, 0)
    writer.camera_info()
    half = np.sqrt(0.5)
    writer.static(writer.transform('base_link', 'imu_link', 0, 0, half, half))  # turned left
    writer.static(
        writer.transform('base_link', 'front', 0, 0, 0, 1),
        writer.transform('/front', 'front_optical', -0.5, 0.5, -0.5, 0.5),
    )
    motion = opened(writer, tmp_path, storage)
    # What is forward for the IMU is left for the vehicle, and so left in the image.
    np.testing.assert_allclose(motion.mounting @ [1, 0, 0], [-1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(
        motion.mounting, OPTICAL_FROM_BODY @ [[0, -1, 0], [1, 0, 0], [0, 0, 1]], atol=1e-12
    )


def test_frames_that_are_not_joined_have_no_rotation():
    transforms = StaticTransforms()
    assert transforms.rotation(to_frame='a', from_frame='b') is None
    assert transforms.rotation(to_frame='', from_frame='') is None
    np.testing.assert_array_equal(transforms.rotation(to_frame='a', from_frame='a'), np.eye(3))


def test_what_a_bag_does_not_hold_is_said_with_what_it_holds(writer, tmp_path, storage):
    writer.camera_info()
    with pytest.raises(InputError) as found:
        opened(writer, tmp_path, storage)
    text = str(found.value)
    assert 'holds no topic of type sensor_msgs/msg/Imu' in text
    assert '/front/camera_info (sensor_msgs/msg/CameraInfo)' in text
    assert '/front/image_raw (sensor_msgs/msg/Image)' in text


def test_a_bag_without_camera_info_is_refused(writer, tmp_path, storage):
    writer.imu(0, 0, 0, 0)
    with pytest.raises(InputError, match=r'CameraInfo; there are: .*/imu/data'):
        opened(writer, tmp_path, storage)


def test_a_camera_that_is_not_calibrated_is_refused(writer, tmp_path, storage):
    writer.imu(0, 0, 0, 0)
    writer.camera_info(k=np.zeros(9))
    with pytest.raises(InputError, match=r'/front/camera_info: .*calibrate'):
        opened(writer, tmp_path, storage)


def test_one_of_several_topics_is_chosen_by_name(writer, tmp_path, storage):
    for topic in ('/imu/data', '/imu/raw'):
        writer.imu(0, 0, 0, 0, topic=topic)
    for topic in ('/rear/camera_info', '/front/camera_info'):
        writer.camera_info(topic=topic)
    source = open_source(writer.bag.write(tmp_path / 'bag', storage))
    with pytest.raises(InputError, match='--motion-topic: /imu/data, /imu/raw'):
        open_motion(source, motion_source='imu')
    motion = open_motion(source, motion_source='imu', topic='/imu/raw')
    assert (motion.topic, motion.info_topic) == ('/imu/raw', '/front/camera_info')
    named = open_motion(
        source, motion_source='imu', topic='/imu/raw', info_topic='/rear/camera_info'
    )
    assert named.info_topic == '/rear/camera_info'
    with pytest.raises(InputError, match='holds no topic /imu of type'):
        open_motion(source, motion_source='imu', topic='/imu')


def test_an_imu_that_measures_no_rotation_gives_none(writer, tmp_path, storage):
    writer.camera_info()
    writer.imu(0, 1, 1, 1, measures=False)
    assert list(opened(writer, tmp_path, storage).turnings()) == []


def test_other_inputs_cannot_say(painted_sequence):
    source = open_source(painted_sequence)
    with pytest.raises(InputError, match='use image or none for a sequence'):
        open_motion(source, motion_source='odometry')


class Recorded:
    """Turnings with these stamps, in milliseconds."""

    def __init__(self, *stamps_ms):
        self._stamps_ms = stamps_ms

    def turnings(self):
        for ms in self._stamps_ms:
            yield Turning(stamp_ns=ms * 10**6, velocity_rad_s=(0.0, 0.0, 0.0))


def fed(feed, ms):
    return [t.stamp_ns // 10**6 for t in feed.until(ms * 10**6)]


def test_turnings_are_handed_out_once_and_a_little_ahead():
    feed = TurningFeed(Recorded(*range(0, 1000, 50)), lead_s=0.1)
    assert fed(feed, 0) == [0, 50, 100]
    assert fed(feed, 100) == [150, 200]
    assert fed(feed, 100) == []
    assert fed(feed, 5000) == list(range(250, 1000, 50))
    assert fed(feed, 6000) == []


def test_a_clock_that_was_set_back_throws_the_old_turnings_away():
    feed = TurningFeed(Recorded(9000, 9100, 9200, 9300, 0, 100, 200), lead_s=0.1)
    assert fed(feed, 9000) == [9000, 9100]
    assert fed(feed, 50) == [0, 100]
    assert fed(feed, 150) == [200]


# --- what a replay makes of it

CARS_RAD = np.array([-0.26, 0.0, 0.26])


def heading_rad(t_s):
    """To the left and to the right from one frame to the next, as far as the cars are apart."""
    return 0.13 * np.cos(2 * np.pi * t_s / 0.2)


def swaying_bag(bag_writer, folder, storage, *, frames=14):
    writer = MotionWriter(bag_writer)
    writer.camera_info(k=[260, 0, 159.5, 0, 260, 95.5, 0, 0, 1])
    for n in range(frames):
        image = np.full((192, 320, 3), 128, np.uint8)
        for u in 159.5 + 260 * np.tan(CARS_RAD + heading_rad(n * 0.1)):
            left, right = (round(float(np.clip(u + side, 0, 320))) for side in (-20, 20))
            image[80:120, left:right] = (255, 0, 0)
        bag_writer.image(image, stamp_ns=START_NS + n * 100_000_000)
        for ms in range(100 * n, 100 * n + 100, 5):
            rate = -0.13 * 10 * np.pi * np.sin(2 * np.pi * ms / 200)
            writer.imu(ms, 0, 0, rate)
    return bag_writer.write(folder / 'bag', storage)


@pytest.mark.parametrize('motion_source', ['imu', 'none'])
def test_a_replay_takes_the_motion_from_the_bag(
    bag_writer, tmp_path, storage, scripted_bundle, motion_source
):
    bag = swaying_bag(bag_writer, tmp_path, storage)
    texts = []
    for attempt in ('one', 'two'):
        out = tmp_path / attempt
        given = ['--input', bag, '--model', scripted_bundle, '--output', out, '--no-video']
        options = ['--quiet', '--set', f'camera_motion.source={motion_source}']
        assert replay.main([str(a) for a in (*given, *options)]) == 0
        texts.append((out / 'tracks.txt').read_bytes())
    assert texts[0] == texts[1]
    summary = json.loads((out / 'summary.json').read_text())
    if motion_source == 'none':
        assert swaps(texts[0].decode()) > 3, "the cars take each other's places"
    else:
        assert swaps(texts[0].decode()) == 0
        assert summary['tracks']['total'] == 3
        assert summary['counters']['camera_motion_unknown'] == 0


def swaps(text):
    """How often a car has another id than when it was seen last."""
    known, count = {}, 0
    for line in text.splitlines():
        frame, number, x, _, width = (float(value) for value in line.split(',')[:5])
        bearing = np.arctan((x + width / 2 - 159.5) / 260) - heading_rad((frame - 1) * 0.1)
        car = int(np.abs(CARS_RAD - bearing).argmin())
        count += known.get(car, number) != number
        known[car] = number
    return count
