"""Rotations from angular velocities, against closed forms and cases worked out by hand."""

import threading

import numpy as np
import pytest

from mot_compress_ros.camera_motion import (
    Added,
    CameraMotionConfig,
    RotationMotion,
    RotationSamples,
    View,
)
from mot_compress_ros.camera_motion.rotation import scene_rotation

SIZE_WH = (640, 360)
K = np.array([[500.0, 0, 319.5], [0, 500.0, 179.5], [0, 0, 1]])
MS = 1_000_000
NOTHING = np.zeros((0, 4))


def make(samples=None, **options):
    samples = RotationSamples() if samples is None else samples
    motion = RotationMotion(CameraMotionConfig(source='imu', **options), 'camera', samples)
    motion.set_intrinsics(K, size_wh=SIZE_WH)
    return motion, samples


def feed(samples, velocity, *, start_ms=0, end_ms=200, step_ms=10):
    for ms in range(start_ms, end_ms + 1, step_ms):
        value = velocity(ms / 1e3) if callable(velocity) else velocity
        samples.add(stamp_ns=ms * MS, angular_velocity_rad_s=value)


def view(ms, size_wh=SIZE_WH):
    return View(stamp_ns=ms * MS, size_wh=size_wh)


def between(motion, start_ms, end_ms, **sizes):
    return motion.between(view(start_ms), view(end_ms, **sizes), moving_xyxy_px=NOTHING)


def moved(homography, x, y):
    u, v, w = homography @ [x, y, 1]
    return np.array([u / w, v / w])


# --- which way things go


@pytest.mark.parametrize(
    ('velocity', 'pixel', 'expected'),
    [
        # 0.1 rad to the left in 0.1 s: the middle goes right by 500 tan(0.1).
        ((0, 0, 1.0), (319.5, 179.5), (319.5 + 500 * np.tan(0.1), 179.5)),
        # Pitch down (positive about y): the scene goes up in the image.
        ((0, 1.0, 0), (319.5, 179.5), (319.5, 179.5 - 500 * np.tan(0.1))),
        # Roll about the viewing axis to the right side: the scene turns to the left in the image.
        (
            (1.0, 0, 0),
            (419.5, 179.5),
            (319.5 + 100 * np.cos(0.1), 179.5 - 100 * np.sin(0.1)),
        ),
    ],
)
def test_a_turn_of_the_vehicle_moves_pixels_the_right_way(velocity, pixel, expected):
    motion, samples = make()
    feed(samples, velocity)
    np.testing.assert_allclose(moved(between(motion, 0, 100), *pixel), expected, atol=1e-6)


def test_a_camera_that_looks_back_sees_a_yaw_alike_and_a_roll_turned_over():
    motion, samples = make(mounting=('camera=0,0,180',))
    feed(samples, (0, 0, 1.0))
    assert moved(between(motion, 0, 100), 319.5, 179.5)[0] > 319.5 + 50
    motion, samples = make(mounting=('camera=0,0,180',))
    feed(samples, (1.0, 0, 0))
    assert moved(between(motion, 0, 100), 419.5, 179.5)[1] > 179.5 + 9


def test_a_camera_at_the_left_sees_a_pitch_of_the_vehicle_as_a_roll():
    motion, samples = make(mounting=('camera=0,0,90',))
    feed(samples, (0, 1.0, 0))  # about its viewing axis
    np.testing.assert_allclose(
        moved(between(motion, 0, 100), 419.5, 179.5),
        (319.5 + 100 * np.cos(0.1), 179.5 - 100 * np.sin(0.1)),
        atol=1e-6,
    )


def test_a_mounting_that_is_set_replaces_the_one_of_the_options():
    motion, samples = make(mounting=('camera=0,0,180',))
    motion.set_mounting(np.eye(3))  # an IMU inside the camera, with optical axes
    feed(samples, (0, 1.0, 0))  # about the optical y axis, which points down: to the right
    assert moved(between(motion, 0, 100), 319.5, 179.5)[0] == pytest.approx(
        319.5 - 500 * np.tan(0.1)
    )


def test_the_homography_agrees_with_projected_points():
    """An independent way: points in the world, seen by two cameras of known orientation."""
    yaw, pitch = 0.08, -0.03
    rng = np.random.default_rng(0)
    directions = rng.normal(0, 0.3, (20, 3)) + np.array([1, 0, 0])  # body
    cy, sy, cp, sp = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
    world_from_body = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]]) @ np.array(
        [[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]]
    )

    def project(points):
        optical = np.stack([-points[:, 1], -points[:, 2], points[:, 0]], axis=1)
        pixels = optical @ K.T
        return pixels[:, :2] / pixels[:, 2:]

    before, after = project(directions), project(directions @ world_from_body)
    motion, samples = make(max_turn_deg=80)
    # First the yaw about the vehicle's z axis, then the pitch about its new y axis.
    feed(samples, (0, 0, yaw / 0.1), end_ms=99, step_ms=1)
    feed(samples, (0, pitch / 0.1, 0), start_ms=101, end_ms=200, step_ms=1)
    homography = between(motion, 0, 200)
    found = np.array([moved(homography, *pixel) for pixel in before])
    np.testing.assert_allclose(found, after, atol=0.05)


def test_there_and_back_is_no_motion():
    motion, samples = make()
    feed(samples, lambda t: (0, 0, np.sin(2 * np.pi * t / 0.2)))
    np.testing.assert_allclose(between(motion, 0, 200), np.eye(3), atol=1e-9)
    assert moved(between(motion, 0, 100), 319.5, 179.5)[0] > 319.5 + 20


def test_an_interval_is_the_product_of_its_parts():
    motion, samples = make()
    feed(samples, lambda t: (np.sin(9 * t), 0.5 * np.cos(5 * t), t), step_ms=5)
    first, second, whole = (between(motion, *ms) for ms in ((3, 71), (71, 187), (3, 187)))
    product = second @ first
    np.testing.assert_allclose(product / product[2, 2], whole / whole[2, 2], atol=2e-3)


def test_a_changing_rate_is_integrated_and_the_edges_interpolated():
    motion, samples = make()
    feed(samples, lambda t: (0, 0, 10 * t))  # angle 5 t^2
    angle = 5 * (0.153**2 - 0.027**2)  # neither stamp has a sample; linear is exact
    expected = 319.5 + 500 * np.tan(angle)
    assert moved(between(motion, 27, 153), 319.5, 179.5)[0] == pytest.approx(expected, abs=1e-6)


def test_no_time_is_no_motion():
    motion, samples = make()
    feed(samples, (0, 0, 1.0))
    np.testing.assert_allclose(between(motion, 50, 50), np.eye(3), atol=1e-12)


def test_the_product_of_many_steps_keeps_their_order():
    rng = np.random.default_rng(1)
    for steps in (1, 2, 3, 7, 8):
        times = np.cumsum(np.r_[0, rng.uniform(0.01, 0.1, steps)])
        velocities = rng.normal(0, 2, (steps + 1, 3))
        expected = np.eye(3)
        for i in range(steps):
            vector = -(velocities[i] + velocities[i + 1]) / 2 * (times[i + 1] - times[i])
            expected = rodrigues(vector) @ expected
        found = scene_rotation(times, velocities, optical_from_sensor=np.eye(3))
        np.testing.assert_allclose(found, expected, atol=1e-12)


def rodrigues(vector):
    import cv2

    return cv2.Rodrigues(vector)[0]


# --- where nothing can be said


def test_nothing_is_said_without_intrinsics():
    samples = RotationSamples()
    motion = RotationMotion(CameraMotionConfig(source='imu'), 'camera', samples)
    feed(samples, (0, 0, 1.0))
    assert between(motion, 0, 100) is None
    motion.set_intrinsics(K, size_wh=SIZE_WH)
    assert between(motion, 0, 100) is not None


def test_nothing_is_said_without_samples_in_reach():
    motion, samples = make()
    assert between(motion, 0, 100) is None
    feed(samples, (0, 0, 1.0), start_ms=1000, end_ms=1200)
    assert between(motion, 900, 1300) is not None, 'held for 0.1 s at both ends'
    assert between(motion, 899, 1000) is None
    assert between(motion, 1200, 1301) is None
    assert between(motion, 0, 100) is None
    assert between(motion, 5000, 5100) is None
    assert between(motion, 1100, 1050) is None, 'back in time'


def test_nothing_is_said_across_a_hole():
    motion, samples = make()
    feed(samples, (0, 0, 0.1), start_ms=0, end_ms=100)
    feed(samples, (0, 0, 0.1), start_ms=301, end_ms=400)
    assert between(motion, 0, 400) is None
    assert between(motion, 50, 150) is not None
    motion, samples = make(reach_s=0.15)
    feed(samples, (0, 0, 0.1), start_ms=0, end_ms=100)
    feed(samples, (0, 0, 0.1), start_ms=301, end_ms=400)
    assert between(motion, 0, 400) is not None


def test_nothing_is_said_of_an_absurd_turn():
    motion, samples = make()
    feed(samples, (0, 0, 57.0))  # degrees taken for radians
    assert between(motion, 0, 100) is None


def test_nothing_is_said_where_the_image_changed_its_size():
    motion, samples = make()
    feed(samples, (0, 0, 1.0))
    assert between(motion, 0, 100, size_wh=(320, 180)) is None


def test_intrinsics_are_scaled_to_the_image():
    motion, samples = make()
    feed(samples, (0, 0, 1.0))
    half = motion.between(view(0, (320, 180)), view(100, (320, 180)), moving_xyxy_px=NOTHING)
    assert moved(half, 159.5, 89.5)[0] == pytest.approx(159.5 + 250 * np.tan(0.1))


def test_the_offset_moves_the_interval():
    motion, samples = make(stamp_offset_s=-0.05)
    feed(samples, lambda t: (0, 0, 1.0 if t < 0.0999 else 0.0), step_ms=1, end_ms=300)
    assert moved(between(motion, 100, 150), 319.5, 179.5)[0] > 319.5 + 20
    np.testing.assert_allclose(between(motion, 151, 200), np.eye(3), atol=1e-9)


# --- the samples


def test_bad_and_late_samples_are_left_out_and_a_jump_back_begins_anew():
    samples = RotationSamples()

    def add(ms, value=0.0):
        return samples.add(stamp_ns=ms * MS, angular_velocity_rad_s=(value, 0, 0))

    assert add(1000) is Added.KEPT
    assert add(1000) is Added.LATE
    assert add(990) is Added.LATE
    assert add(1010, float('nan')) is Added.NOT_FINITE
    assert add(1010, float('inf')) is Added.NOT_FINITE
    assert len(samples) == 1
    assert add(1020) is Added.KEPT
    assert add(10) is Added.BEGAN_ANEW
    assert len(samples) == 1
    assert samples.between(1000 * MS, 1020 * MS, reach_ns=100 * MS) is None


def test_memory_is_bounded_and_the_newest_stay():
    samples = RotationSamples(capacity=10)
    for i in range(57):
        samples.add(stamp_ns=i * MS, angular_velocity_rad_s=(i, 0, 0))
        assert len(samples) == min(i + 1, 10)
    times_s, velocities = samples.between(50 * MS, 55 * MS, reach_ns=MS)
    np.testing.assert_allclose(times_s, np.arange(6) / 1e3)
    np.testing.assert_allclose(velocities[:, 0], np.arange(50, 56))
    assert samples.between(40 * MS, 41 * MS, reach_ns=MS) is None, 'too old to be known'
    samples.clear()
    assert len(samples) == 0


def test_a_sample_has_three_numbers():
    with pytest.raises(ValueError, match='size 2'):
        RotationSamples().add(stamp_ns=0, angular_velocity_rad_s=(1.0, 2.0))


def test_one_thread_writes_while_another_reads():
    samples = RotationSamples(capacity=64)
    stop, newest_ns = threading.Event(), [0]

    def write():
        for i in range(20_000):
            samples.add(stamp_ns=i * MS, angular_velocity_rad_s=(i, i, i))
            newest_ns[0] = i * MS
        stop.set()

    writer = threading.Thread(target=write)
    writer.start()
    answers = 0
    while not stop.is_set():
        end_ns = newest_ns[0]
        course = samples.between(end_ns - 20 * MS, end_ns, reach_ns=5 * MS)
        if course is not None:
            answers += 1
            times_s, velocities = course
            # Velocity is the stamp in milliseconds, so a torn read would break the line.
            # Where the writer has gone on so far that the first sample is gone, a velocity is held
            # until the next one.
            rises, spans_ms = np.diff(velocities[:, 0]), np.diff(times_s) * 1e3
            np.testing.assert_allclose(rises[1:], spans_ms[1:])
            assert rises[0] == pytest.approx(spans_ms[0]) or rises[0] == 0
    writer.join()
    assert answers > 0
