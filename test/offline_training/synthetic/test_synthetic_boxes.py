"""The truth without pixels is that of the pictures."""

from dataclasses import replace

import numpy as np
import pytest

from offline_training.synthetic import BoxScene, FrameTruth, generate_boxes, Scene, SceneConfig
from offline_training.synthetic.camera import Camera
from offline_training.synthetic.ground_truth import TrueObject
from offline_training.synthetic.layout import Building, Prop, Road, Town
from offline_training.synthetic.occlusion import IdBuffer, StandingThings

SMALL = SceneConfig(size_wh=(480, 270), seed=93, light='day', fps=10.0, duration_s=6.0)
ROAD = Road(lanes=1, parking=False, sidewalk_m=2.0, setback_m=1.0)


def _by_id(truth: FrameTruth) -> dict[int, TrueObject]:
    return {item.track_id: item for item in truth.objects}


@pytest.mark.parametrize(
    ('seed', 'ego', 'scenario'),
    [(93, 'calm', 'approach'), (5, 'calm', 'walk'), (4202, 'rough', 'drive')],
)
def test_boxes_are_those_of_the_painted_scene(seed: int, ego: str, scenario: str):
    config = replace(SMALL, seed=seed, ego=ego, scenario=scenario, surroundings='city')
    painted, boxes = Scene(config), BoxScene(config)
    apart = []
    for k in (0, 30, 55):
        image_truth, truth = painted.frame(k).truth, boxes.frame(k)
        assert truth.owner.shape == (0, 0)
        assert (truth.stamp_ns, truth.camera) == (image_truth.stamp_ns, image_truth.camera)
        mine, theirs = _by_id(truth), _by_id(image_truth)
        assert set(mine) == set(theirs)
        for track_id, item in mine.items():
            other = theirs[track_id]
            assert item.box_xyxy_px == pytest.approx(other.box_xyxy_px, abs=1e-6)
            assert item.centre_velocity_pxps == pytest.approx(other.centre_velocity_pxps, abs=1e-6)
            same = {
                'visibility': 0.0, 'ignore': False, 'visible_xyxy_px': (0, 0, 0, 0),
                'box_xyxy_px': (0, 0, 0, 0), 'clipped_xyxy_px': (0, 0, 0, 0),
                'centre_velocity_pxps': (0.0, 0.0),
            }  # fmt: skip
            assert replace(item, **same) == replace(other, **same)  # type: ignore[arg-type]
            if other.clipped_xyxy_px[3] - other.clipped_xyxy_px[1] >= config.min_height_px:
                apart.append(abs(item.visibility - other.visibility))
    assert len(apart) > 20
    # Convex outlines hide a little more than painted ones.
    assert np.mean(apart) < 0.06
    assert np.percentile(apart, 90) < 0.2


def test_frames_are_the_same_in_any_order_and_every_time():
    config = replace(SMALL, duration_s=0.5)
    scene = BoxScene(config)
    backwards = [scene.frame(k).objects for k in (4, 2, 0)]
    forwards = [truth.objects for truth in generate_boxes(config)]
    assert backwards == [forwards[4], forwards[2], forwards[0]]


def test_a_low_frame_rate_is_a_high_one_with_frames_left_out():
    fast, slow = (BoxScene(replace(SMALL, duration_s=2.0, fps=fps)) for fps in (30.0, 10.0))
    for k in (0, 7, 19):
        assert fast.frame(3 * k).objects == slow.frame(k).objects


def test_density_multiplies_the_traffic():
    config = replace(SMALL, scenario='drive', surroundings='city', duration_s=2.0)
    few, many = (len(BoxScene(replace(config, density=d)).world.actors) for d in (1.0, 3.0))
    assert many > 1.8 * few
    assert BoxScene(replace(config, density=0.0)).world.actors == ()
    assert BoxScene(replace(config, density=0.0)).frame(0).objects == ()


def _square(x0: float, y0: float, side: float) -> np.ndarray:
    corner = np.array([x0 - 0.5, y0 - 0.5])
    return corner + side * np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]])


@pytest.mark.parametrize('size_wh', [(320, 200), (1280, 800)])
def test_half_covered_shows_half(size_wh: tuple[int, int]):
    buffer = IdBuffer(size_wh)
    buffer.paint(_square(40, 40, 80), 7)
    buffer.paint(_square(80, 40, 80), 8)
    share, visible = buffer.seen(7)
    assert share == pytest.approx(0.5, abs=0.03)
    np.testing.assert_allclose(visible, (40, 40, 80, 120), atol=2)
    assert buffer.seen(8)[0] == 1.0
    buffer.hide([_square(0, 0, 200)])
    assert buffer.seen(8) == (0.0, (0, 0, 0, 0))


def test_what_is_beyond_the_border_does_not_show():
    buffer = IdBuffer((320, 200))
    buffer.paint(_square(-30, 50, 40), 3)
    share, visible = buffer.seen(3)
    assert share == pytest.approx(0.25, abs=0.05)
    assert visible[0] == 0


def _camera(y_m: float, heading_rad: float = np.pi / 2) -> Camera:
    return Camera(
        size_wh=(640, 360), focal_px=500.0, position_m=(0.0, y_m, 1.5), heading_rad=heading_rad,
        pitch_rad=0.0,
    )  # fmt: skip


def test_the_outline_of_a_building_is_that_of_its_nearest_corners():
    house = Building(x_m=(5.0, 15.0), y_m=(20.0, 30.0), height_m=8.0, facade=0)
    town = Town(road=ROAD, surroundings='city', buildings=(house,), props=())
    things = StandingThings(town, 100.0, solid_buildings=True)
    (obstacle,) = things.obstacles(_camera(0.0))
    (outline,) = obstacle.outlines_px
    # Left edge at the far corner of the near side: x 5 at depth 30; right x 15 at depth 20.
    assert outline[:, 0].min() == pytest.approx(319.5 + 500 * 5 / 30, abs=0.01)
    assert outline[:, 0].max() == pytest.approx(319.5 + 500 * 15 / 20, abs=0.01)
    assert outline[:, 1].min() == pytest.approx(179.5 - 500 * 6.5 / 20, abs=0.01)
    assert things.obstacles(_camera(0.0, -np.pi / 2)) == []


def test_a_building_beside_the_camera_is_cut_where_it_passes_it():
    house = Building(x_m=(5.0, 15.0), y_m=(-20.0, 30.0), height_m=8.0, facade=0)
    town = Town(road=ROAD, surroundings='city', buildings=(house,), props=())
    (obstacle,) = StandingThings(town, 100.0, solid_buildings=False).obstacles(_camera(0.0))
    (outline,) = obstacle.outlines_px
    assert outline[:, 0].min() == pytest.approx(319.5 + 500 * 5 / 30, abs=0.01)
    assert outline[:, 0].max() > 640


def test_a_tree_has_a_crown_above_its_trunk_and_a_post_is_thin():
    props = tuple(
        Prop(kind=kind, x_m=x, y_m=20.0, height_m=6.0, variant=0)
        for kind, x in (('tree', -2.0), ('lamp', 2.0))
    )
    town = Town(road=ROAD, surroundings='city', buildings=(), props=props)
    tree, post = StandingThings(town, 100.0, solid_buildings=False).obstacles(_camera(0.0))
    trunk, crown = tree.outlines_px
    foot_v = 179.5 + 500 * 1.5 / 20
    assert trunk[:, 1].max() == pytest.approx(foot_v)
    assert np.ptp(crown[:, 0]) > 5 * np.ptp(trunk[:, 0])
    assert crown[:, 1].min() > foot_v - 500 * 6.0 / 20
    (pole,) = post.outlines_px
    assert np.ptp(pole[:, 0]) == pytest.approx(500 * 0.11 / 20)
    assert np.ptp(pole[:, 1]) == pytest.approx(500 * 6.0 / 20)
