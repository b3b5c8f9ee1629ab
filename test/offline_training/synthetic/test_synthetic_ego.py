"""The written motion of the camera is that of the pictures, and the levels do what they say."""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
import pytest

from mot_compress_ros.errors import InvalidOptionError
from offline_training.synthetic import BoxScene, InertialSamples, SceneConfig
from offline_training.synthetic.ego_levels import draw_bumps, EgoLevel, LEVELS
from offline_training.synthetic.inertial import angular_velocity
from offline_training.synthetic.writers import write_boxes, WriteOptions
from offline_training.synthetic.writers.truth_files import EGO_COLUMNS

Array = NDArray[np.float64]


def _config(ego: str, seed: int, **values: object) -> SceneConfig:
    fields: dict[str, object] = {'size_wh': (1280, 720), 'fps': 10.0, 'duration_s': 20.0}
    counts = dict.fromkeys(('n_vehicles', 'n_parked', 'n_pedestrians', 'n_cyclists'), (1, 3))
    return SceneConfig(seed=seed, ego=ego, scenario='drive', **{**fields, **counts, **values})  # type: ignore[arg-type]


def _exp(vector: Array) -> Array:
    """The rotation matrix of a rotation vector (Rodrigues)."""
    angle = float(np.linalg.norm(vector))
    if angle < 1e-12:
        return np.eye(3)
    x, y, z = vector / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross)


def _turned(imu: Array, start_ns: float, end_ns: float) -> Array:
    """Vehicle axes at the start -> at the end, from gyroscope samples alone (trapezoids)."""
    inside = imu[(imu[:, 0] > start_ns) & (imu[:, 0] < end_ns), 0]
    knots = np.array([start_ns, *inside, end_ns])
    rates = np.stack([np.interp(knots, imu[:, 0], imu[:, k]) for k in (1, 2, 3)], axis=1)
    turn = np.eye(3)
    for k, step_ns in enumerate(np.diff(knots)):
        turn = _exp(-(rates[k] + rates[k + 1]) / 2 * step_ns * 1e-9) @ turn
    return turn


@pytest.mark.parametrize('ego', LEVELS)
@pytest.mark.parametrize('fps', [30.0, 7.0])
def test_the_written_angular_velocity_moves_far_points_as_the_camera_does(
    ego: str, fps: float, tmp_path: Path
):
    scene = BoxScene(_config(ego, seed=4202, fps=fps, duration_s=6.0))
    frames = [scene.frame(k) for k in range(scene.config.frame_count)]
    folder = write_boxes(frames, tmp_path / 'street', WriteOptions(fps=fps))
    record = json.loads((folder / 'camera.json').read_text())
    imu = np.loadtxt(folder / 'imu.csv', delimiter=',', skiprows=1)
    poses = np.loadtxt(folder / 'gt' / 'ego.csv', delimiter=',', skiprows=1)
    stamps_ns = poses[:, EGO_COLUMNS.index('stamp_ns')]
    assert imu[0, 0] <= stamps_ns[0] and imu[-1, 0] >= stamps_ns[-1]
    matrix = np.array(record['K'])
    mounting = np.array(record['mounting']['rotation_optical_from_vehicle'])
    directions = np.array([[x, y, 1.0] for x in (-0.4, 0, 0.4) for y in (-0.2, 0, 0.2)])
    worst = moved = 0.0
    for k in range(len(frames) - 1):
        turn = mounting @ _turned(imu, stamps_ns[k], stamps_ns[k + 1]) @ mounting.T
        homography = matrix @ turn @ np.linalg.inv(matrix)
        # The oracle: points of the world 10 000 km away, projected in both frames.
        before, after = frames[k].camera, frames[k + 1].camera
        points = directions @ before.rotation * 1e7 + np.array(before.position_m)
        old, new = before.project(points)[:, :2], after.project(points)[:, :2]
        mapped = np.concatenate([old, np.ones((len(old), 1))], axis=1) @ homography.T
        worst = max(worst, float(np.abs(mapped[:, :2] / mapped[:, 2:] - new).max()))
        moved = max(moved, float(np.abs(new - old).max()))
    assert worst < 1.0
    if ego != 'calm':
        assert moved > 10.0


def test_a_left_turn_is_positive_and_nose_up_is_negative():
    level = angular_velocity(np.array([0.5]), np.array([0.2]), np.array([0.0]))
    np.testing.assert_allclose(level, [[0.0, -0.2, 0.5]])
    # A nose that points straight up turns the heading around its own forward axis.
    upright = angular_velocity(np.array([0.5]), np.array([0.0]), np.array([np.pi / 2]))
    np.testing.assert_allclose(upright, [[0.5, 0.0, 0.0]], atol=1e-12)


def test_speed_is_the_distance_between_positions():
    scene = BoxScene(_config('city', seed=4202))
    speed, world = scene.world.inertial.speed_mps, scene.world
    driven = np.trapezoid(speed, dx=0.01)
    path = world.ego.trajectory.positions_m(np.linspace(0, 19.9, 4000))
    assert driven == pytest.approx(np.hypot(*np.diff(path, axis=0).T).sum(), rel=1e-3)


@pytest.mark.parametrize('seed', range(4200, 4206))
def test_rough_driving_takes_two_corners_at_the_stated_rate(seed: int):
    scene = BoxScene(_config('rough', seed, ego_yaw_deg_s=35.0, duration_s=30.0))
    samples = scene.world.inertial
    turned = np.degrees(np.cumsum(samples.angular_velocity_radps[:, 2])) * 0.01
    assert np.ptp(turned) > 80  # both ways: out and back; else twice as much
    yaw = np.degrees(np.abs(samples.angular_velocity_radps[:, 2]))
    assert 33 < np.percentile(yaw, 99) < 38
    corners = np.count_nonzero(np.diff((yaw > 20).astype(int)) == 1)
    assert corners == 2
    assert np.degrees(np.abs(samples.angular_velocity_radps[:, 1])).max() > 20
    assert (samples.speed_mps > 2).all() and (samples.speed_mps < 10).all()
    assert np.abs(np.diff(samples.speed_mps)).max() < 0.05  # 5 m/s^2, no jumps


def test_a_turning_car_has_traffic_on_all_streets():
    scene = BoxScene(_config('city', 4202, n_vehicles=(12, 12), n_pedestrians=(12, 12), turns=2))
    headings = [a.trajectory.headings_rad(np.array([0.5]))[0] for a in scene.world.actors]
    eastward = np.abs(np.cos(headings)) > 0.9
    assert 4 < eastward.sum() < len(headings) - 4
    for first in (0, 60, 140):
        assert any(not i.ignore for k in range(first, first + 60, 10)
                   for i in scene.frame(k).objects)  # fmt: skip


def test_nobody_is_run_over_at_a_corner():
    scene = BoxScene(_config('rough', 4201, n_vehicles=(20, 20), n_pedestrians=(20, 20)))
    times = np.arange(0.0, 20.0, 0.25)
    own = scene.world.ego.trajectory.positions_m(times)
    for actor in scene.world.actors:
        apart = np.hypot(*(actor.trajectory.positions_m(times) - own).T)
        assert apart.min() > 0.9 + actor.size_m[1] / 2


def test_a_bump_is_over_soon_and_peaks_at_what_it_says():
    level = EgoLevel(turns=(0, 0), yaw_deg_s=(20, 20), bump_deg=(1, 1), bump_every_s=(90, 99))
    bumps = draw_bumps(level, 2.0, 200.0, np.random.default_rng(3))
    kick = float(bumps.times_s[0])
    t = np.linspace(kick - 1, kick + 3, 4001)
    pitch = np.degrees(bumps.pitch_rad(t))
    assert pitch.max() == pytest.approx(2.0, abs=0.01)
    assert t[pitch.argmax()] - kick == pytest.approx(0.11, abs=0.01)
    assert np.ptp(pitch[(t > kick) & (t < kick + 0.4)]) > 2.5
    assert np.abs(pitch[t < kick]).max() == 0
    assert np.abs(pitch[t > kick + 2]).max() < 0.01
    rate = np.diff(pitch)
    assert np.abs(np.diff(rate)).max() < 0.05 * np.abs(rate).max()  # no jump in the pitch rate


def test_bumps_alone_leave_the_traffic_as_it_is():
    calm, bumpy = (BoxScene(_config('calm', 7, ego_pitch_bounce_deg=d)) for d in (None, 4.0))
    assert [a.track_id for a in calm.world.actors] == [a.track_id for a in bumpy.world.actors]
    a, b = calm.frame(3).camera, bumpy.frame(3).camera
    assert (a.position_m, a.heading_rad) == (b.position_m, b.heading_rad)
    pitches = [[s.world.camera(k / 30).pitch_rad for k in range(300)] for s in (calm, bumpy)]
    assert np.degrees(np.abs(np.subtract(*pitches)).max()) > 3


def test_samples_of_all_frames_are_all_samples_once():
    stamps = np.arange(11, dtype=np.int64) * 10
    samples = InertialSamples(
        stamps_ns=stamps, angular_velocity_radps=np.zeros((11, 3)), speed_mps=np.zeros(11)
    )
    parts = [samples.of_frame(0, None), samples.of_frame(33, 0), samples.of_frame(66, 33),
             samples.of_frame(70, 66), samples.of_frame(100, 70)]  # fmt: skip
    assert [len(p) for p in parts] == [1, 4, 3, 0, 3]
    assert np.concatenate([p.stamps_ns for p in parts]).tolist() == stamps.tolist()


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        ({'ego': 'wild'}, 'ego: got .*calm, city, rough'),
        ({'turns': 3}, 'turns: got 3, legal 0 to 2'),
        ({'ego_yaw_deg_s': 90.0}, 'ego_yaw_deg_s'),
        ({'ego_pitch_bounce_deg': 9.0}, 'ego_pitch_bounce_deg'),
        ({'density': 11.0}, 'density'),
        ({'imu_hz': 1.0}, 'imu_hz'),
        ({'ego': 'city', 'scenario': 'wait'}, "legal: 'drive'"),
    ],
)
def test_what_cannot_be_driven_is_refused(values: dict[str, object], message: str):
    with pytest.raises(InvalidOptionError, match=message):
        SceneConfig(**values)  # type: ignore[arg-type]
    assert not SceneConfig(ego='city', scenario='wait', turns=0).may_turn
