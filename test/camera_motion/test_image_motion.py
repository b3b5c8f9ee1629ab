"""Camera motion from pictures, on pictures moved by a motion that is known."""

import cv2
import numpy as np
import pytest

from mot_compress_ros.camera_motion import (
    CameraMotionConfig,
    ImageMotion,
    RotationSamples,
)
from mot_compress_ros.camera_motion.image import corners, follow, free_area, small_grey
from mot_compress_ros.datatypes import Frame

SIZE_WH = (1088, 608)
FOCAL_PX = 800.0
K = np.array([[FOCAL_PX, 0, 543.5], [0, FOCAL_PX, 303.5], [0, 0, 1]])
NOTHING = np.zeros((0, 4))


@pytest.fixture(scope='module')
def wall():
    """A large picture, (1200, 2000, 3), with structure of all sizes."""
    rng = np.random.default_rng(7)
    picture = np.zeros((1200, 2000, 3), np.float32)
    for cells in (10, 40, 160, 400):
        layer = rng.normal(0, 1, (cells * 3 // 5, cells, 3)).astype(np.float32)
        picture += cv2.resize(layer, (2000, 1200), interpolation=cv2.INTER_CUBIC)
    return np.clip(128 + 35 * picture, 0, 255).astype(np.uint8)


def seen(wall, homography, size_wh=SIZE_WH):
    """The picture through a camera whose pixels moved by a homography."""
    place = np.array([[1, 0, -456.0], [0, 1, -296.0], [0, 0, 1]])
    return cv2.warpPerspective(wall, homography @ place, size_wh, flags=cv2.INTER_LINEAR)


def turn(*, yaw_deg=0.0, pitch_deg=0.0, roll_deg=0.0):
    """Pixels to pixels for a scene that turns right, down, clockwise."""
    rotation = cv2.Rodrigues(np.radians([-pitch_deg, yaw_deg, roll_deg]))[0]
    return K @ rotation @ np.linalg.inv(K)


def make(*, knows_camera=True, camera='camera', **options):
    config = CameraMotionConfig(source='image', **options)
    motion = ImageMotion(config, camera, RotationSamples())
    if knows_camera:
        motion.set_intrinsics(K, size_wh=SIZE_WH)
    return motion


def estimate(motion, before, after, *, boxes=NOTHING, color_order='bgr'):
    views = [
        motion.look(Frame(image=image, stamp_ns=stamp_ns, color_order=color_order))
        for image, stamp_ns in ((before, 0), (after, 33_000_000))
    ]
    return motion.between(*views, moving_xyxy_px=boxes)


def error_px(found, true, size_wh=SIZE_WH):
    """Mean distance over a grid of the whole picture."""
    x, y = np.meshgrid(np.linspace(0, size_wh[0] - 1, 9), np.linspace(0, size_wh[1] - 1, 6))
    grid = np.stack([x.ravel(), y.ravel()], axis=1)[:, None]
    apart = cv2.perspectiveTransform(grid, found) - cv2.perspectiveTransform(grid, true)
    return float(np.linalg.norm(apart, axis=2).mean())


@pytest.mark.parametrize(
    'true',
    [
        turn(yaw_deg=2),
        turn(yaw_deg=-3, pitch_deg=0.5),
        turn(pitch_deg=-1.5),
        turn(roll_deg=3),
        turn(yaw_deg=1, pitch_deg=1, roll_deg=-1),
        np.eye(3),
    ],
    ids=['yaw', 'yaw and pitch', 'pitch', 'roll', 'all', 'still'],
)
def test_a_turn_is_found_to_a_fraction_of_a_pixel(wall, true):
    found = estimate(make(), seen(wall, np.eye(3)), seen(wall, true))
    assert found.shape == (3, 3)
    assert found.dtype == np.float64
    assert error_px(found, true) < 0.3


def test_growth_about_the_middle_is_found(wall):
    grown = np.array([[1.04, 0, -0.04 * 543.5], [0, 1.04, -0.04 * 303.5], [0, 0, 1]])
    found = estimate(make(), seen(wall, np.eye(3)), seen(wall, grown))
    assert error_px(found, grown) < 0.6


def test_a_camera_at_the_side_sees_the_world_slide(wall):
    """It looks to the left, so driving moves everything to the right, and no turn is needed."""
    slid = np.array([[1, 0, 24.0], [0, 1, 0], [0, 0, 1]])
    sideways = estimate(make(mounting=('camera=0,0,90',)), seen(wall, np.eye(3)), seen(wall, slid))
    forward = estimate(make(), seen(wall, np.eye(3)), seen(wall, slid))
    assert error_px(sideways, slid) < 1.5
    assert error_px(sideways, slid) < error_px(forward, slid)


def test_a_guessed_focal_length_is_nearly_as_good(wall):
    true = turn(yaw_deg=2)
    found = estimate(make(knows_camera=False), seen(wall, np.eye(3)), seen(wall, true))
    assert error_px(found, true) < 1.0
    narrow = estimate(
        make(knows_camera=False, field_of_view_deg=20),
        seen(wall, np.eye(3)),
        seen(wall, true),
    )
    assert error_px(narrow, true) > error_px(found, true)


def test_it_beats_the_similarity_that_others_fit(wall):
    """The best similarity for a turn of three degrees is off by pixels, and with it BoT-SORT's."""
    true = turn(yaw_deg=3)
    x, y = np.meshgrid(np.linspace(0, 1087, 9), np.linspace(0, 607, 6))
    grid = np.stack([x.ravel(), y.ravel()], axis=1)
    best, _ = cv2.estimateAffinePartial2D(
        grid, cv2.perspectiveTransform(grid[:, None], true)[:, 0], method=cv2.LMEDS
    )
    similarity = np.vstack([best, [0, 0, 1]])
    found = estimate(make(), seen(wall, np.eye(3)), seen(wall, true))
    assert error_px(similarity, true) > 3
    assert error_px(found, true) < 0.3


def test_colours_may_come_in_either_order(wall):
    before, after = seen(wall, np.eye(3)), seen(wall, turn(yaw_deg=2))
    swapped = estimate(
        make(), before[..., ::-1].copy(), after[..., ::-1].copy(), color_order='rgb'
    )
    np.testing.assert_array_equal(swapped, estimate(make(), before, after))


def test_the_same_pictures_give_the_same_bits(wall):
    before, after = seen(wall, np.eye(3)), seen(wall, turn(yaw_deg=2, roll_deg=1))
    first = estimate(make(), before, after)
    for _ in range(3):
        np.testing.assert_array_equal(estimate(make(), before, after), first)


def test_the_inputs_are_left_as_they_were(wall):
    before, after = seen(wall, np.eye(3)), seen(wall, turn(yaw_deg=2))
    before.setflags(write=False)
    after.setflags(write=False)
    boxes = np.array([[100.0, 100, 200, 200]])
    boxes.setflags(write=False)
    assert estimate(make(), before, after, boxes=boxes) is not None


# --- what moves by itself


def with_truck(wall, homography, *, left):
    """A picture four fifths of which are a truck, at `left`."""
    picture = seen(wall, homography)
    rng = np.random.default_rng(3)
    truck = cv2.resize(rng.integers(0, 255, (60, 90, 3)).astype(np.uint8), (800, 600))
    picture[4:604, left : left + 800] = truck
    return picture


def test_a_box_that_fills_most_of_the_picture_is_left_out(wall):
    true = turn(yaw_deg=0.5)
    before = with_truck(wall, np.eye(3), left=60)
    after = with_truck(wall, true, left=90)  # it moves 30 pixels to the right
    truck = np.array([[60.0, 4, 860, 604]])
    assert error_px(estimate(make(), before, after, boxes=truck), true) < 1.5
    assert error_px(estimate(make(), before, after), true) > 15, 'without its box'


def test_small_movers_without_boxes_are_outvoted(wall):
    true = turn(yaw_deg=1.5, pitch_deg=0.3)
    before, after = seen(wall, np.eye(3)), seen(wall, true)
    rng = np.random.default_rng(5)
    for left, top in ((100, 80), (700, 90), (400, 380)):
        patch = cv2.resize(rng.integers(0, 255, (9, 12, 3)).astype(np.uint8), (160, 120))
        before[top : top + 120, left : left + 160] = patch
        after[top + 15 : top + 135, left - 20 : left + 140] = patch
    assert error_px(estimate(make(), before, after), true) < 0.8


def test_the_mask_covers_the_boxes_and_a_margin():
    boxes = np.array([[40.0, 20, 80, 60], [-50, -50, 8, 8], [np.nan, 0, 9, 9], [300, 0, 310, 9]])
    free = free_area((50, 60), boxes, step=4, margin=0.1)
    assert free.shape == (50, 60)
    assert (free[5:15, 10:20] == 0).all()
    assert (free[4, 10:20] == 0).all(), 'the margin'
    assert (free[:2, :2] == 0).all()
    assert free[30:, 30:].all()
    assert free_area((50, 60), NOTHING, step=4, margin=0.1).all()


def test_nothing_is_said_where_boxes_cover_everything(wall):
    everything = np.array([[0.0, 0, *SIZE_WH]])
    assert estimate(make(), seen(wall, np.eye(3)), seen(wall, np.eye(3)), boxes=everything) is None


# --- where nothing can be said


@pytest.mark.parametrize('value', [0, 128, 255])
def test_nothing_is_said_of_pictures_without_texture(value):
    blank = np.full((608, 1088, 3), value, np.uint8)
    assert estimate(make(), blank, blank) is None


def test_nothing_is_said_of_noise():
    rng = np.random.default_rng(2)
    before, after = rng.integers(0, 255, (2, 608, 1088, 3)).astype(np.uint8)
    assert estimate(make(), before, after) is None


def test_nothing_is_said_where_the_scene_changes(wall):
    other = np.ascontiguousarray(wall[::-1, ::-1])
    assert estimate(make(), seen(wall, np.eye(3)), seen(other, np.eye(3))) is None


def test_nothing_is_said_where_the_texture_is_in_one_corner(wall):
    """A patch of 80 pixels knows how it moved itself, and nothing of the other side."""
    before, after = (seen(wall, h) for h in (np.eye(3), turn(yaw_deg=0.5)))
    for picture in (before, after):
        picture[80:] = 128
        picture[:, 80:] = 128
    assert estimate(make(min_points=6), before, after) is None


def test_nothing_is_said_where_the_size_changes(wall):
    assert estimate(make(), seen(wall, np.eye(3)), seen(wall, np.eye(3), (640, 360))) is None
    # Sizes that become the same small picture are two sizes all the same.
    assert estimate(make(), seen(wall, np.eye(3)), seen(wall, np.eye(3), (1090, 608))) is None


def test_limits_are_the_options(wall):
    before, after = seen(wall, np.eye(3)), seen(wall, turn(yaw_deg=2))
    assert estimate(make(max_turn_deg=1.5), before, after) is None
    assert estimate(make(max_turn_deg=2.5), before, after) is not None
    assert estimate(make(min_points=1000, points=100), before, after) is None


@pytest.mark.parametrize('size_wh', [(1, 1), (8, 6), (33, 20), (320, 1), (64, 2000)])
def test_odd_sizes_do_no_harm(wall, size_wh):
    small = np.ascontiguousarray(wall[: size_wh[1], : size_wh[0]])
    small = cv2.resize(small, size_wh)
    found = estimate(make(knows_camera=False), small, small)
    assert found is None or error_px(found, np.eye(3), size_wh) < 1


# --- the parts


@pytest.mark.parametrize(
    ('size_wh', 'small_wh'),
    [((1088, 608), (272, 152)), ((1280, 720), (320, 180)), ((320, 240), (320, 240))],
)
def test_the_small_picture_is_no_wider_than_asked(size_wh, small_wh):
    image = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    view = make().look(Frame(image=image, stamp_ns=5))
    assert view.grey.shape == small_wh[::-1]
    assert (view.stamp_ns, view.size_wh) == (5, size_wh)


def test_the_small_picture_keeps_nothing_of_the_large_one():
    image = np.arange(36 * 48 * 3, dtype=np.uint32).astype(np.uint8).reshape(36, 48, 3)
    grey = small_grey(image, step=3)
    np.testing.assert_array_equal(grey, image[1::3, 1::3, 1])
    assert grey.base is None
    assert grey.flags.c_contiguous
    assert not np.shares_memory(small_grey(image, step=1), image)


def test_points_that_do_not_come_back_are_not_trusted(wall):
    before = small_grey(seen(wall, np.eye(3)), step=4)
    after = before.copy()
    after[:, 136:] = np.random.default_rng(0).integers(0, 255, after[:, 136:].shape)
    points = corners(before, np.full(before.shape, 255, np.uint8), count=200)
    followed, found = follow(before, after, points)
    left = points[:, 0] < 120
    assert found[left].mean() > 0.9
    assert found[points[:, 0] > 150].mean() < 0.4
    np.testing.assert_allclose(followed[left & found], points[left & found], atol=0.1)
