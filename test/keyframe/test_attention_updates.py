"""How Φ is painted: gaussians, moved pieces, the map as it was."""

import numpy as np
import pytest

from mot_compress_ros.keyframe import CarriedPrior, PriorObjects
from mot_compress_ros.keyframe.updates import UPDATES
from mot_compress_ros.preprocess import letterbox, LetterboxTransform
from offline_training.datasets.targets import draw_gaussian

PLAIN = LetterboxTransform(scale_x=1.0, scale_y=1.0, left_px=0, top_px=0)
HALF = LetterboxTransform(scale_x=0.5, scale_y=0.5, left_px=0, top_px=0)
HW = (24, 40)  # cells: an image of 160 x 96
MODES = list(UPDATES)


def objects(centres, sizes=(16.0, 24.0), **columns):
    centres = np.array(centres, float).reshape(-1, 2)
    n = len(centres)
    half = np.broadcast_to(np.array(sizes, float), (n, 2)) / 2
    given = {
        'boxes_xyxy_px': np.concatenate([centres - half, centres + half], axis=1),
        'scores': np.full(n, 0.8),
        'class_ids': np.zeros(n, int),
        'velocities_px_s': np.zeros((n, 2)),
        'position_std_px': np.full(n, 8.0),  # 2 cells: an uncertainty of 1 / 4
        'velocity_std_px_s': np.zeros(n),
    }
    return PriorObjects(**{**given, **columns})


def prior(update, now, start=None, heatmap=None, *, transform=PLAIN, age_s=0.5):
    heatmap = np.zeros((3, *HW), np.float32) if heatmap is None else heatmap
    return CarriedPrior(
        update=update,
        age_s=age_s,
        objects=now,
        start=now if start is None else start,
        heatmap=heatmap,
        transform=transform,
    )


def shown(carried, transform=PLAIN, shape_hw=HW, n_class=3):
    return carried.planes(transform, n_class=n_class, shape_hw=shape_hw)


def training_map(of, *, shape_hw=HW, transform=PLAIN, n_class=3):
    """What training draws for the objects, every one as sure as the other."""
    heat = np.zeros((n_class, *shape_hw), np.float32)
    cells = transform.apply(of.boxes_xyxy_px) / 4
    for (x1, y1, x2, y2), class_id in zip(cells, of.class_ids, strict=True):
        x, y = int((x1 + x2) / 2), int((y1 + y2) / 2)
        draw_gaussian(heat[class_id], x=x, y=y, width=x2 - x1, height=y2 - y1)
    return heat


def crowd(seed, n=12, **columns):
    rng = np.random.default_rng(seed)
    return objects(
        rng.integers(2, (158, 94), (n, 2)) / 1.0,
        rng.integers(4, 60, (n, 2)),
        class_ids=rng.integers(0, 3, n),
        scores=rng.uniform(0.2, 1, n),
        position_std_px=rng.uniform(0, 40, n),
        **columns,
    )


@pytest.mark.parametrize('seed', range(3))
def test_render_draws_what_training_draws(seed):
    of = crowd(seed)
    sure = PriorObjects(**{**vars(of), 'scores': np.ones(len(of))})
    np.testing.assert_array_equal(shown(prior('render', sure))[:3], training_map(sure))


def test_render_is_as_high_as_the_teacher_was_sure_and_never_wider():
    of = objects([(42, 42)], scores=[0.6])
    planes = shown(prior('render', of))
    np.testing.assert_allclose(planes[0], 0.6 * training_map(of)[0], rtol=1e-6)
    vague = objects([(42, 42)], scores=[0.6], position_std_px=[500.0])
    wide = shown(prior('render', vague))
    np.testing.assert_array_equal(wide[:4], planes[:4])
    np.testing.assert_allclose(planes[4], planes[0] / 4)
    np.testing.assert_allclose(wide[4], planes[0])


def test_the_age_lies_over_the_strongest_class():
    of = objects([(42, 42), (46, 42)], class_ids=[0, 2], scores=[0.5, 0.9])
    planes = shown(prior('render', of, age_s=0.3))
    np.testing.assert_allclose(planes[3], 0.3 * planes[:3].max(axis=0), rtol=1e-6)


def test_a_cell_is_as_uncertain_as_who_painted_it_most_strongly():
    """Two neighbours of different classes; between them each has its own cells."""
    of = objects([(42, 42), (54, 42)], (60.0, 60.0), class_ids=[0, 1], position_std_px=[4.0, 16.0])
    planes = shown(prior('render', of))
    assert ((planes[0] > 0) & (planes[1] > 0)).sum() > 5
    first, second = planes[0] > planes[1], planes[1] > planes[0]
    assert first.sum() == second.sum() > 5
    np.testing.assert_allclose(planes[4][first], planes[0][first] / 8)
    np.testing.assert_allclose(planes[4][second], planes[1][second] / 2)
    tie = (planes[0] == planes[1]) & (planes[0] > 0)
    assert not tie.any()  # three cells apart


def test_of_two_equally_strong_the_more_uncertain_one_counts():
    of = objects([(42, 42), (42, 42)], position_std_px=[4.0, 16.0])
    planes = shown(prior('render', of))
    np.testing.assert_allclose(planes[4], planes[0] / 2)


@pytest.mark.parametrize('cells', [(0, 0), (3, 0), (-4, 2), (5, -6)])
def test_shift_by_whole_cells_is_the_heat_map_drawn_there(cells):
    start = objects([(61.0, 50.3)], (21.0, 33.7))
    move = 4.0 * np.array([*cells, *cells])
    now = PriorObjects(**{**vars(start), 'boxes_xyxy_px': start.boxes_xyxy_px + move})
    moved = shown(prior('shift', now, start, training_map(start)))
    np.testing.assert_array_equal(moved[:3], training_map(now))
    rendered = PriorObjects(**{**vars(now), 'scores': np.ones(1)})
    np.testing.assert_array_equal(moved, shown(prior('shift', now, start, training_map(start))))
    np.testing.assert_array_equal(moved, shown(prior('render', rendered)))


def test_shift_takes_along_the_shape_of_the_map_and_only_near_the_object():
    rng = np.random.default_rng(4)
    heatmap = rng.random((3, *HW), np.float32)
    start = objects([(42, 42)], (40.0, 40.0), class_ids=[1])  # cell (10, 10), radius 2
    now = objects([(90, 30)], (40.0, 40.0), class_ids=[1])  # cell (22, 7)
    planes = shown(prior('shift', now, start, heatmap))
    expected = np.zeros((3, *HW), np.float32)
    expected[1, 5:10, 20:25] = heatmap[1, 8:13, 8:13]
    np.testing.assert_array_equal(planes[:3], expected)
    np.testing.assert_allclose(planes[4], expected[1] / 4)


def test_shift_takes_a_cell_around_even_of_the_smallest():
    heatmap = np.random.default_rng(5).random((3, *HW), np.float32)
    start, now = objects([(42, 42)], (2.0, 2.0)), objects([(2, 2)], (2.0, 2.0))
    planes = shown(prior('shift', now, start, heatmap))
    np.testing.assert_array_equal(planes[0, :2, :2], heatmap[0, 10:12, 10:12])
    assert np.count_nonzero(planes[0]) == 4


def test_shift_puts_the_old_cell_on_the_new_cell():
    """Places are whole cells: a tenth of a pixel over the edge is the next cell."""
    heatmap = np.zeros((3, *HW), np.float32)
    heatmap[0, 10, 10] = 0.7
    start = objects([(43.9, 42)])
    for x, cell in ((43.9, 10), (44.1, 11), (40.0, 10), (39.9, 9)):
        planes = shown(prior('shift', objects([(x, 42)]), start, heatmap))
        assert np.argwhere(planes[0]).tolist() == [[10, cell]]


def test_shift_finds_nothing_beyond_the_teachers_map():
    heatmap = np.ones((3, *HW), np.float32)
    start, now = objects([(2, 2)], (40.0, 40.0)), objects([(82, 42)], (40.0, 40.0))
    planes = shown(prior('shift', now, start, heatmap))
    expected = np.zeros(HW)
    expected[10:13, 20:23] = 1  # the left and the upper part were never seen
    np.testing.assert_array_equal(planes[0], expected)
    planes = shown(prior('shift', now, objects([(158, 94)], (40.0, 40.0)), heatmap))
    expected = np.zeros(HW)
    expected[8:11, 18:21] = 1  # nor the right and the lower part
    np.testing.assert_array_equal(planes[0], expected)


def test_shift_between_networks_of_other_sizes_keeps_the_peak_and_the_shape():
    """A teacher of twice the resolution: every second cell of its map, the peak on the peak."""
    fine = np.random.default_rng(6).random((3, 24, 40), np.float32)
    start = objects([(66, 42)], (60.0, 60.0))  # teacher's cell (16, 10), student's (8, 5)
    now = objects([(82, 50)], (60.0, 60.0))  # student's cell (10, 6), radius 2
    planes = shown(prior('shift', now, start, fine), HALF, (12, 20))
    np.testing.assert_array_equal(planes[0, 4:9, 8:13], fine[0, 6:15:2, 12:21:2])
    assert np.count_nonzero(planes[0]) == 25


def test_shift_from_a_coarse_teacher_is_bilinear():
    coarse = np.zeros((3, 12, 20), np.float32)
    coarse[0, 5, 8], coarse[0, 5, 9] = 0.8, 0.4
    of = objects([(66, 42)], (40.0, 40.0))  # teacher's cell (8, 5), student's (16, 10), radius 2
    planes = shown(prior('shift', of, of, coarse, transform=HALF))
    np.testing.assert_allclose(planes[0, 10, 14:19], [0, 0.4, 0.8, 0.6, 0.4])
    np.testing.assert_allclose(planes[0, 9, 14:19], [0, 0.2, 0.4, 0.3, 0.2])
    np.testing.assert_allclose(planes[0, 8], 0)


def test_shift_stretches_with_what_comes_nearer():
    heatmap = np.zeros((3, *HW), np.float32)
    heatmap[0, 10, 8:13] = [0.2, 0.4, 0.8, 0.4, 0.2]
    start, now = objects([(42, 42)], (32.0, 32.0)), objects([(82, 42)], (64.0, 64.0))
    planes = shown(prior('shift', now, start, heatmap))
    np.testing.assert_allclose(
        planes[0, 10, 17:24], [0.3, 0.4, 0.6, 0.8, 0.6, 0.4, 0.3], rtol=1e-6
    )


def test_shift_of_a_class_the_teacher_does_not_know_is_nothing():
    of = objects([(42, 42), (82, 42)], class_ids=[0, 2])
    planes = shown(prior('shift', of, of, np.ones((1, *HW), np.float32)))
    assert planes[0].any()
    assert not planes[1:3].any()
    assert not planes[:, :, 18:].any()


def test_still_is_the_whole_map_wherever_the_objects_are_now():
    heatmap = np.random.default_rng(7).random((3, *HW), np.float32)
    start, now = objects([(42, 42)]), objects([(150, 90)], position_std_px=[16.0])
    planes = shown(prior('still', now, start, heatmap, age_s=0.25))
    np.testing.assert_array_equal(planes[:3], heatmap)
    np.testing.assert_allclose(planes[3], heatmap.max(axis=0) / 4)
    near = training_map(start)[0] > 0
    np.testing.assert_allclose(planes[4], np.where(near, heatmap.max(axis=0) / 2, 0))


def test_still_for_a_smaller_network_is_the_mean_of_the_cells_below():
    """Middle on middle: a cell of the student lies over the corner of four of the teacher."""
    fine = np.random.default_rng(8).random((3, 24, 40), np.float32)
    planes = shown(prior('still', PriorObjects.empty(), heatmap=fine), HALF, (12, 20))
    expected = fine.reshape(3, 12, 2, 20, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(planes[:3], expected, atol=1e-6)


def test_still_of_a_larger_network_is_nothing_beyond_the_image():
    """The teacher's image has borders left and right, the student's above and below."""
    image = np.zeros((96, 96, 3), np.uint8)
    _, wide = letterbox(image, size_wh=(160, 96))
    _, tall = letterbox(image, size_wh=(96, 160))
    heatmap = np.random.default_rng(9).random((1, 24, 40), np.float32)
    planes = shown(
        prior('still', PriorObjects.empty(), heatmap=heatmap, transform=wide),
        tall,
        (40, 24),
        n_class=1,
    )
    np.testing.assert_allclose(planes[0, 8:32], heatmap[0, :, 8:32], atol=1e-6)
    assert not planes[0, :8].any()
    assert not planes[0, 32:].any()


@pytest.mark.parametrize('source_wh', [(640, 480), (480, 640), (1920, 1080), (333, 777)])
@pytest.mark.parametrize('update', ['render', 'shift'])
def test_images_of_any_aspect(update, source_wh):
    """The peak is in the cell in which the network sees the place."""
    rng = np.random.default_rng(sum(source_wh))
    image = np.zeros((source_wh[1], source_wh[0], 3), np.uint8)
    _, teacher = letterbox(image, size_wh=(256, 160))
    _, student = letterbox(image, size_wh=(160, 96))
    for place, old in rng.uniform(0.02, 0.98, (10, 2, 2)) * source_wh:
        size = np.array(source_wh) / 6
        now, start = objects([place], size), objects([old], size)
        seen = training_map(start, shape_hw=(40, 64), transform=teacher)
        planes = shown(prior(update, now, start, 0.8 * seen, transform=teacher), student)
        x = int((place[0] * student.scale_x + student.left_px) / 4)
        y = int((place[1] * student.scale_y + student.top_px) / 4)
        assert np.argwhere(planes[0] == planes[0].max()).tolist() == [[y, x]]
        assert planes[0].max() == np.float32(0.8)


@pytest.mark.parametrize('update', MODES)
def test_the_order_of_the_objects_does_not_matter(update):
    rng = np.random.default_rng(11)
    start, heatmap = crowd(1), rng.random((3, *HW), np.float32)
    start = start[np.r_[np.arange(12), :12]]  # all of them twice, so that there are ties
    move = np.tile(rng.normal(0, 8, (24, 2)).round(), 2)
    now = PriorObjects(
        **{
            **vars(start),
            'boxes_xyxy_px': start.boxes_xyxy_px + move,
            'position_std_px': rng.uniform(0, 40, 24),
        }
    )
    planes = shown(prior(update, now, start, heatmap))
    for order in (np.arange(24)[::-1], rng.permutation(24)):
        flipped = shown(prior(update, now[order], start[order], heatmap))
        np.testing.assert_array_equal(planes, flipped)


@pytest.mark.parametrize('update', ['render', 'shift'])
def test_a_class_is_painted_in_its_own_plane(update):
    heatmap = np.ones((3, *HW), np.float32)
    for class_id in range(3):
        of = objects([(42, 42)], class_ids=[class_id])
        painted = shown(prior(update, of, of, heatmap)).any(axis=(1, 2))
        assert painted.tolist() == [*(i == class_id for i in range(3)), True, True]


@pytest.mark.parametrize('update', ['render', 'shift'])
@pytest.mark.parametrize(
    'gone',
    [
        objects([(-1, 42)]),
        objects([(42, -1)]),
        objects([(160, 42)]),
        objects([(42, 96)]),
        objects([(42, 42)], (0.0, 20.0)),
        objects([(42, 42)], (20.0, 0.0)),
        objects([(42, 42)], (-20.0, -20.0)),
        objects([(np.nan, 42)]),
        objects([(42, 42)], (np.inf, 20.0)),
        objects([(42, 42)], scores=[np.nan]),
        objects([(42, 42)], position_std_px=[np.nan]),
        objects([(42, 42)], class_ids=[3]),
        objects([(42, 42)], class_ids=[-1]),
        PriorObjects.empty(),
    ],
)
def test_what_is_no_object_of_the_image_is_left_out(update, gone):
    heatmap = np.ones((3, *HW), np.float32)
    assert not shown(prior(update, gone, gone, heatmap)).any()
    both = [np.concatenate([a, b]) for a, b in zip(*map(_columns, (gone, HERE)), strict=True)]
    beside = PriorObjects(**dict(zip(vars(HERE), both, strict=True)))
    np.testing.assert_array_equal(
        shown(prior(update, beside, beside, heatmap)), shown(prior(update, HERE, HERE, heatmap))
    )


HERE = objects([(82, 42)])


def _columns(of):
    return vars(of).values()


@pytest.mark.parametrize('update', ['render', 'shift'])
def test_the_border_of_the_letterbox_is_not_the_image(update):
    _, square = letterbox(np.zeros((96, 96, 3), np.uint8), size_wh=(160, 96))
    heatmap = np.ones((3, *HW), np.float32)
    for x, inside in ((-3, False), (1, True), (95, True), (99, False)):
        of = objects([(x, 42)])
        assert shown(prior(update, of, of, heatmap, transform=square), square).any() == inside


@pytest.mark.parametrize('update', MODES)
def test_all_planes_are_zero_where_nothing_is_painted_and_nothing_is_above_one(update):
    rng = np.random.default_rng(12)
    heatmap = (rng.random((3, *HW)) * (rng.random((3, *HW)) < 0.3)).astype(np.float32)
    planes = shown(prior(update, crowd(2), crowd(2), heatmap))
    assert planes.dtype == np.float32
    assert planes.min() >= 0
    assert planes.max() <= 1
    assert not planes[:, planes[:3].max(axis=0) == 0].any()


@pytest.mark.parametrize('update', MODES)
def test_nothing_is_written_into_what_was_given(update):
    heatmap = np.random.default_rng(13).random((3, *HW), np.float32)
    heatmap.setflags(write=False)
    carried = prior(update, crowd(3), crowd(3), heatmap)
    first = shown(carried)
    first[:] = 7
    assert (shown(carried) <= 1).all()


@pytest.mark.parametrize('update', MODES)
def test_a_place_of_no_known_uncertainty_is_as_uncertain_as_can_be(update):
    start = objects([(80, 48)])
    now = objects([(80, 48)], position_std_px=[np.nan])
    heatmap = np.zeros((3, *HW), np.float32)
    heatmap[0, 12, 20] = 0.9
    planes = shown(prior(update, now, start, heatmap))
    assert np.isfinite(planes).all()
    assert (planes[4] <= planes[:3].max(axis=0)).all()
