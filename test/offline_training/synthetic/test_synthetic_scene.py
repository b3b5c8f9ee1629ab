from dataclasses import replace
from functools import cache
from itertools import islice

import numpy as np
import pytest

from mot_compress_ros.errors import InvalidOptionError
from offline_training.synthetic import generate, LIGHTS, Scene, SceneConfig, SyntheticFrame
from offline_training.synthetic.config import SCENARIOS, SURROUNDINGS
from offline_training.synthetic.ground_truth import TrueObject
from offline_training.synthetic.light import choose_light
from offline_training.synthetic.sensor import Sensor
from offline_training.synthetic.traffic import CYCLIST, PEDESTRIAN, VEHICLE

SMALL = SceneConfig(size_wh=(320, 180), fps=10.0, duration_s=1.0, seed=24, light='day')


@cache
def _frames(scenario: str) -> tuple[SyntheticFrame, ...]:
    config = SceneConfig(
        size_wh=(480, 270),
        fps=50.0,
        duration_s=0.24,
        seed=93,
        light='day',
        scenario=scenario,
        surroundings='city',
        n_pedestrians=(20, 25),
        n_cyclists=(5, 7),
    )
    return tuple(generate(config))


def _objects(frame: SyntheticFrame) -> dict[int, TrueObject]:
    return {item.track_id: item for item in frame.truth.objects}


def test_the_same_seed_gives_the_same_bytes_and_truth():
    first, second = (list(islice(generate(SMALL), 3)) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        assert a.image_bgr.tobytes() == b.image_bgr.tobytes()
        assert a.truth.owner.tobytes() == b.truth.owner.tobytes()
        assert a.truth.objects == b.truth.objects


def test_another_seed_gives_another_scene():
    a = next(generate(SMALL))
    b = next(generate(SceneConfig(size_wh=(320, 180), fps=10.0, seed=25, light='day')))
    assert (a.image_bgr != b.image_bgr).mean() > 0.3
    assert a.truth.objects != b.truth.objects


def test_frames_have_the_stated_size_count_and_stamps():
    frames = list(generate(SMALL))
    assert len(frames) == 10
    assert frames[0].image_bgr.shape == (180, 320, 3)
    assert frames[0].image_bgr.dtype == np.uint8
    assert [f.truth.stamp_ns for f in frames[:3]] == [0, 100_000_000, 200_000_000]


@pytest.mark.parametrize('light', LIGHTS)
def test_every_light_renders_and_is_named(light: str):
    config = SceneConfig(size_wh=(160, 96), seed=3, light=light)
    frame = next(generate(config))
    assert frame.truth.light == light
    assert frame.image_bgr.std() > 5
    if light == 'night':
        assert frame.image_bgr.mean() < 80


@pytest.mark.parametrize('scenario', SCENARIOS)
@pytest.mark.parametrize('surroundings', SURROUNDINGS)
def test_every_scenario_has_road_users_in_all_surroundings(scenario: str, surroundings: str):
    config = SceneConfig(
        size_wh=(160, 96), seed=5, light='day', scenario=scenario, surroundings=surroundings
    )
    scene = Scene(config)
    assert {a.class_id for a in scene.actors} == {PEDESTRIAN, CYCLIST, VEHICLE}
    assert scene.frame(0).truth.objects


@pytest.mark.parametrize('scenario', ['approach', 'drive'])
def test_visible_boxes_are_those_of_the_id_buffer(scenario: str):
    frame = _frames(scenario)[0]
    owner = frame.truth.owner
    seen = [item for item in frame.truth.objects if item.visibility > 0]
    assert len(seen) >= 5
    for item in seen:
        rows, columns = np.nonzero(owner == item.track_id)
        expected = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        assert item.visible_xyxy_px == expected


def test_boxes_hold_all_their_pixels_and_fit_tightly_where_nothing_hides_them():
    tight = 0
    for item in _frames('approach')[0].truth.objects:
        outer, inner = np.array(item.clipped_xyxy_px), np.array(item.visible_xyxy_px)
        if item.visibility > 0:
            assert (inner[:2] >= outer[:2] - 1.5).all() and (inner[2:] <= outer[2:] + 1.5).all()
        if item.visibility > 0.97 and outer[3] - outer[1] > 20:
            np.testing.assert_allclose(inner, outer, atol=3.0)
            tight += 1
    assert tight >= 2


def test_only_known_ids_own_pixels_and_ids_keep_their_class():
    classes: dict[int, int] = {}
    for frame in _frames('approach'):
        ids = {item.track_id for item in frame.truth.objects}
        assert set(np.unique(frame.truth.owner)) - {0} <= ids
        for item in frame.truth.objects:
            assert classes.setdefault(item.track_id, item.class_id) == item.class_id
    assert set(classes.values()) == {PEDESTRIAN, CYCLIST, VEHICLE}


def test_metric_positions_project_to_the_foot_of_the_box():
    checked = 0
    for item in _frames('approach')[0].truth.objects:
        x, y, z = item.position_m
        if item.class_id == VEHICLE or z < 4:
            continue
        camera = _frames('approach')[0].truth.camera
        u, v, _ = camera.project_optical(np.array([[x, y, z]]))[0] + 0.5
        x0, y0, x1, y1 = item.box_xyxy_px
        height = y1 - y0
        assert x0 - 0.1 * height < u < x1 + 0.1 * height
        assert v == pytest.approx(y1, abs=0.08 * height + 1.0)
        assert height == pytest.approx(camera.focal_px * item.size_m[2] / z, rel=0.12, abs=1.5)
        checked += 1
    assert checked >= 8


def test_the_box_of_a_vehicle_is_that_of_its_cuboid_or_a_little_less():
    frame = _frames('approach')[0]
    camera = frame.truth.camera
    checked = 0
    for item in frame.truth.objects:
        if item.class_id != VEHICLE or item.position_m[2] < 12:
            continue
        length, width, height = item.size_m
        heading = item.heading_rad + camera.heading_rad - np.pi / 2
        c, s = np.cos(heading), np.sin(heading)
        corners = np.array(
            [
                [p * length / 2 * c - q * width / 2 * s, p * length / 2 * s + q * width / 2 * c, z]
                for p in (-1, 1)
                for q in (-1, 1)
                for z in (0.0, height)
            ]
        )
        middle = np.array([*item.world_position_m, 0.0])
        pixels = camera.project(corners + middle)[:, :2] + 0.5
        cuboid = np.concatenate([pixels.min(axis=0), pixels.max(axis=0)])
        slack = 0.12 * (cuboid[3] - cuboid[1]) + 1.0
        np.testing.assert_allclose(item.box_xyxy_px, cuboid, atol=slack)
        checked += 1
    assert checked >= 3


@pytest.mark.parametrize('scenario', ['approach', 'drive'])
def test_velocities_agree_with_finite_differences(scenario: str):
    frames = _frames(scenario)
    before, now, after = (_objects(f) for f in (frames[4], frames[5], frames[6]))
    step_s = 2 / 50.0
    rotation = frames[5].truth.camera.rotation
    common = set(before) & set(now) & set(after)
    assert len(common) >= 5
    for k in common:
        moved = np.subtract(after[k].world_position_m, before[k].world_position_m) / step_s
        expected = rotation @ np.array([*moved, 0.0])
        np.testing.assert_allclose(now[k].velocity_mps, expected, atol=0.25)


@pytest.mark.parametrize('scenario', ['approach', 'drive'])
def test_image_velocities_agree_with_finite_differences_of_the_projected_middle(scenario: str):
    frames = _frames(scenario)
    checked = 0
    for k, item in _objects(frames[5]).items():
        ends = []
        for frame in (frames[4], frames[6]):
            other = _objects(frame).get(k)
            if other is None:
                break
            point = np.array([[*other.world_position_m, other.size_m[2] / 2]])
            ends.append(frame.truth.camera.project(point)[0, :2])
        if len(ends) == 2 and item.position_m[2] > 5:
            speed = (ends[1] - ends[0]) / (2 / 50.0)
            np.testing.assert_allclose(item.centre_velocity_pxps, speed, atol=2.0, rtol=0.1)
            checked += 1
    assert checked >= 5


def test_the_camera_moves_and_things_that_stand_keep_their_world_position():
    frames = _frames('drive')
    start, end = (f.truth.camera.position_m for f in (frames[0], frames[-1]))
    assert end[1] - start[1] > 0.5
    parked = [
        k
        for k, item in _objects(frames[0]).items()
        if item.class_id == VEHICLE and np.hypot(*item.velocity_mps[::2]) < 1e-6
    ]
    checked = 0
    for k in parked:
        later = _objects(frames[-1]).get(k)
        if later is not None:
            first = _objects(frames[0])[k]
            assert later.world_position_m == pytest.approx(first.world_position_m)
            checked += 1
    assert checked >= 1


def test_hidden_objects_have_low_visibility_and_are_ignored():
    hidden = [
        item
        for frame in _frames('approach')
        for item in frame.truth.objects
        if item.visibility < 0.2
    ]
    assert hidden
    assert all(item.ignore for item in hidden)


def test_taking_the_others_away_makes_an_object_visible():
    config = SceneConfig(
        size_wh=(480, 270),
        seed=93,
        light='day',
        scenario='approach',
        surroundings='open',
        n_pedestrians=(20, 25),
    )
    scene = Scene(config)
    shared = _objects(scene.frame(0))
    covered = min(
        (i for i in shared.values() if not i.ignore and i.class_id == VEHICLE),
        key=lambda i: i.visibility,
    )
    assert covered.visibility < 0.9
    scene.actors = [a for a in scene.actors if a.track_id == covered.track_id]
    alone = _objects(scene.frame(0))[covered.track_id]
    assert alone.visibility > covered.visibility
    assert alone.box_xyxy_px == covered.box_xyxy_px


def test_actors_do_not_drive_through_each_other():
    scene = Scene(SceneConfig(size_wh=(160, 96), seed=11, scenario='approach', light='day'))
    vehicles = [a for a in scene.actors if a.class_id == VEHICLE]
    for t_s in np.arange(0.0, 8.0, 0.5):
        poses = [a.trajectory.pose(float(t_s)) for a in vehicles]
        for i, a in enumerate(vehicles):
            for j, b in enumerate(vehicles[:i]):
                apart = np.hypot(poses[i].x_m - poses[j].x_m, poses[i].y_m - poses[j].y_m)
                assert apart > (a.size_m[1] + b.size_m[1]) / 2


def test_look_alikes_exist():
    scene = Scene(SceneConfig(size_wh=(160, 96), seed=4, light='day', n_pedestrians=(25, 30)))
    looks = [a.look for a in scene.actors if a.class_id == PEDESTRIAN]
    assert any(a == b for i, a in enumerate(looks) for b in looks[:i])


def test_light_drifts_over_time():
    """The same sensor without drift sees a still scene the same at all times, but for noise."""
    light = choose_light('day', np.random.default_rng(3))
    grey = np.full((96, 160, 3), 110, np.uint8)

    def spread(drift: float) -> float:
        sensor = Sensor(replace(light, exposure_drift=drift), (160, 96), np.random.default_rng(5))
        means = [float(sensor.expose(grey, t_s=float(t)).mean()) for t in range(12)]
        return max(means) - min(means)

    assert spread(0.0) < 0.5
    assert spread(0.05) > 5  # 5 per cent of 110 up and down


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        ({'size_wh': (10, 540)}, 'size_wh'),
        ({'fps': 0.0}, 'fps'),
        ({'duration_s': -1.0}, 'duration_s'),
        ({'light': 'noon'}, 'noon.*legal: day'),
        ({'scenario': 'fly'}, 'scenario'),
        ({'surroundings': 'sea'}, 'surroundings'),
        ({'n_vehicles': (5, 2)}, 'n_vehicles'),
    ],
)
def test_values_out_of_range_are_refused(values: dict[str, object], message: str):
    with pytest.raises(InvalidOptionError, match=message):
        SceneConfig(**values)  # type: ignore[arg-type]
