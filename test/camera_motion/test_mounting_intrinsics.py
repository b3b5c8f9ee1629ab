"""Axes, mountings, quaternions and camera matrices, against cases worked out by hand."""

import numpy as np
import pytest

from mot_compress_ros.camera_motion import (
    CameraMotionConfig,
    from_quaternion,
    imu_measures,
    Intrinsics,
    mounting_of,
    OPTICAL_FROM_BODY,
    parse_mountings,
    raw_intrinsics,
)
from mot_compress_ros.errors import InvalidDataError, InvalidOptionError
from mot_compress_ros.options import from_mapping, to_mapping

FORWARD, LEFT, UP = np.eye(3)
DEEP, RIGHT_IN_IMAGE, DOWN_IN_IMAGE = np.array([0, 0, 1.0]), np.array([1.0, 0, 0]), [0, 1.0, 0]


def mounted(text):
    return mounting_of('camera', (f'camera={text}',))


def test_a_forward_camera_sees_forward_deep_left_at_the_left_and_up_at_the_top():
    rotation = mounted('0,0,0')
    np.testing.assert_allclose(rotation @ FORWARD, DEEP, atol=1e-12)
    np.testing.assert_allclose(rotation @ LEFT, -RIGHT_IN_IMAGE, atol=1e-12)
    np.testing.assert_allclose(rotation @ UP, -np.array(DOWN_IN_IMAGE), atol=1e-12)


@pytest.mark.parametrize(
    ('text', 'sees_deep'),
    [
        ('0,0,90', LEFT),  # yaw to the left
        ('0,0,-90', -LEFT),
        ('0,0,180', -FORWARD),
        ('0,90,0', -UP),  # a positive pitch looks down
        ('45,0,0', FORWARD),  # a roll leaves the view where it is
        ('0,90,90', -UP),  # about the vehicle's axes: first down, then turned about the vertical
    ],
)
def test_what_a_turned_camera_looks_at(text, sees_deep):
    np.testing.assert_allclose(mounted(text) @ sees_deep, DEEP, atol=1e-12)


def test_a_camera_rolled_to_its_right_sees_the_left_of_the_vehicle_higher():
    # About x, from y to z: what is left goes up, so the camera's own left side is up.
    rotation = mounted('90,0,0')
    np.testing.assert_allclose(rotation @ UP, -RIGHT_IN_IMAGE, atol=1e-12)


def test_every_mounting_is_a_rotation():
    for text in ('10,20,30', '-170,5,99', '0,0,0'):
        rotation = mounted(text)
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(rotation) == pytest.approx(1)


def test_an_own_entry_goes_before_the_one_for_every_camera():
    entries = ('*=0,0,180', 'left=0,0,90')
    np.testing.assert_allclose(mounting_of('left', entries) @ LEFT, DEEP, atol=1e-12)
    np.testing.assert_allclose(mounting_of('rear', entries) @ -FORWARD, DEEP, atol=1e-12)
    np.testing.assert_allclose(mounting_of('front', ('left=0,0,90',)) @ FORWARD, DEEP, atol=1e-12)


@pytest.mark.parametrize(
    'entries',
    [
        ('front',),
        ('front=1,2',),
        ('front=1,2,x',),
        ('=1,2,3',),
        ('front=0,0,nan',),
        ('a=0,0,0',) * 2,
    ],
)
def test_a_mounting_that_cannot_be_read_is_refused(entries):
    with pytest.raises(InvalidOptionError, match='ROLL,PITCH,YAW'):
        parse_mountings(entries)
    with pytest.raises(InvalidOptionError, match='ROLL,PITCH,YAW'):
        from_mapping(CameraMotionConfig, {'mounting': entries})


def test_options_make_the_round_trip():
    config = CameraMotionConfig(source='imu', mounting=('a=1,2,3',), reach_s=0.2)
    assert from_mapping(CameraMotionConfig, to_mapping(config)) == config


def test_quaternions_by_hand():
    half = np.sqrt(0.5)
    about_z = from_quaternion(x=0, y=0, z=half, w=half)  # a quarter turn to the left
    np.testing.assert_allclose(about_z @ FORWARD, LEFT, atol=1e-12)
    about_x = from_quaternion(x=half, y=0, z=0, w=half)
    np.testing.assert_allclose(about_x @ LEFT, UP, atol=1e-12)
    about_y = from_quaternion(x=0, y=half, z=0, w=half)
    np.testing.assert_allclose(about_y @ UP, FORWARD, atol=1e-12)
    np.testing.assert_allclose(from_quaternion(x=0, y=0, z=3, w=3), about_z, atol=1e-12)


def test_the_quaternion_of_optical_frames_in_tf_is_ours():
    """From tf to optical, as URDFs write it: rpy = -90, 0, -90 degrees, q = -.5, .5, -.5, .5."""
    body_from_optical = from_quaternion(x=-0.5, y=0.5, z=-0.5, w=0.5)
    np.testing.assert_allclose(body_from_optical.T, OPTICAL_FROM_BODY, atol=1e-12)


@pytest.mark.parametrize('w', [0.0, float('nan'), float('inf')])
def test_a_quaternion_nobody_filled_in_is_none(w):
    assert from_quaternion(x=0, y=0, z=0, w=w) is None


MATRIX = [[500.0, 0, 319.5], [0, 510.0, 179.5], [0, 0, 1]]


def test_intrinsics_follow_the_size_of_the_image():
    known = Intrinsics(MATRIX, size_wh=(640, 360))
    assert known.of_size((640, 360)) is known.matrix
    half = known.of_size((320, 180))
    # The middle of the image stays in the middle, counted from the centre of the first pixel.
    np.testing.assert_allclose(half, [[250, 0, 159.5], [0, 255, 89.5], [0, 0, 1]])


@pytest.mark.parametrize(
    'matrix',
    [
        np.zeros((3, 3)),  # what an uncalibrated camera publishes
        np.eye(2),
        np.full((3, 3), np.nan),
        [[-500.0, 0, 1], [0, 500, 1], [0, 0, 1]],
        [[500.0, 0, 1], [0, 500, 1], [0, 0, 0]],
    ],
)
def test_what_is_no_camera_matrix_is_refused(matrix):
    with pytest.raises(InvalidDataError, match='intrinsics'):
        Intrinsics(matrix, size_wh=(640, 360))


def test_an_empty_image_is_refused():
    with pytest.raises(InvalidDataError, match='not empty'):
        Intrinsics(MATRIX, size_wh=(0, 360))


def test_camera_info_with_a_region_of_interest():
    k = np.ravel(MATRIX)
    whole = raw_intrinsics(k, size_wh=(640, 360), region_xywh=(0, 0, 0, 0))
    np.testing.assert_array_equal(whole.matrix, MATRIX)
    assert whole.size_wh == (640, 360)
    part = raw_intrinsics(k, size_wh=(640, 360), region_xywh=(100, 50, 320, 240))
    np.testing.assert_allclose(part.matrix[:2, 2], [219.5, 129.5])
    assert part.size_wh == (320, 240)


def test_an_imu_without_a_gyroscope_says_so():
    assert not imu_measures([-1.0, *[0.0] * 8])
    assert imu_measures([0.0] * 9)
