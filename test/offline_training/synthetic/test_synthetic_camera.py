import numpy as np
import pytest

from offline_training.synthetic.camera import Camera, clip_near, NEAR_M


def _camera(heading_rad: float = np.pi / 2, pitch_rad: float = 0.0) -> Camera:
    return Camera(
        size_wh=(640, 360),
        focal_px=500.0,
        position_m=(3.0, -2.0, 1.5),
        heading_rad=heading_rad,
        pitch_rad=pitch_rad,
    )


def test_a_point_straight_ahead_is_in_the_middle():
    u, v, z = _camera().project(np.array([[3.0, 8.0, 1.5]]))[0]
    assert (u, v, z) == pytest.approx((319.5, 179.5, 10.0))


def test_east_is_to_the_right_and_up_is_up_for_a_camera_that_looks_north():
    u, v, _ = _camera().project(np.array([[5.0, 8.0, 2.5]]))[0]
    assert u == pytest.approx(319.5 + 500 * 2 / 10)
    assert v == pytest.approx(179.5 - 500 * 1 / 10)


@pytest.mark.parametrize('heading', [0.0, 1.0, np.pi / 2, -2.5])
@pytest.mark.parametrize('pitch', [-0.1, 0.0, 0.2])
def test_rotation_is_a_rotation(heading: float, pitch: float):
    rotation = _camera(heading, pitch).rotation
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1.0)


def test_far_ground_approaches_the_horizon():
    camera = _camera(pitch_rad=-0.05)
    _, v, _ = camera.project(np.array([[3.0, 1e6, 0.0]]))[0]
    assert v == pytest.approx(camera.horizon_px, abs=0.01)


def test_plane_homography_agrees_with_projection_and_gives_the_depth():
    camera = _camera(heading_rad=1.4, pitch_rad=-0.03)
    origin, east, north = np.zeros(3), np.array([1.0, 0, 0]), np.array([0, 1.0, 0])
    homography = camera.plane_homography(origin, east, north)
    x, y, z = homography @ np.array([5.0, 20.0, 1.0])
    u, v, depth = camera.project(np.array([[5.0, 20.0, 0.0]]))[0]
    assert (x / z, y / z, z) == pytest.approx((u, v, depth))


def test_clip_near_cuts_at_the_near_plane_and_keeps_what_is_in_front():
    square = np.array([[-1.0, 0, -1], [1, 0, -1], [1, 0, 3], [-1, 0, 3]])
    clipped = clip_near(square)
    assert len(clipped) == 4
    assert clipped[:, 2].min() == pytest.approx(NEAR_M)
    ahead = np.array([0.0, 0.0, 5.0])
    np.testing.assert_array_equal(clip_near(square + ahead), square + ahead)
    assert len(clip_near(square - 2 * ahead)) == 0
