"""What the teacher saw, carried on: velocities, the camera, late results, what is too old."""

import math

import numpy as np
import pytest

from mot_compress_ros.datatypes import Detections, Frame
from mot_compress_ros.errors import InvalidDataError
from mot_compress_ros.inference import (
    AGE_S,
    build_detector,
    load_bundle,
    Observation,
    UNCERTAINTY_CELLS,
)
from mot_compress_ros.inference.backends.scripted import write_scripted_bundle
from mot_compress_ros.keyframe import Attention, CarriedPrior, KeyframeConfig, PriorObjects
from mot_compress_ros.keyframe.config import UPDATES as CHOICES
from mot_compress_ros.keyframe.updates import UPDATES
from mot_compress_ros.preprocess import LetterboxTransform

PLAIN = LetterboxTransform(scale_x=1.0, scale_y=1.0, left_px=0, top_px=0)
HW = (24, 40)  # cells: an image of 160 x 96
PERIOD_NS = 100_000_000


def objects(rows, **columns):
    """Objects of (x, y) centres, 16 x 24 pixels unless `sizes` says something else."""
    centres = np.array(rows, float).reshape(-1, 2)
    n = len(centres)
    half = np.broadcast_to(np.array(columns.pop('sizes', (16.0, 24.0))), (n, 2)) / 2
    given = {
        'boxes_xyxy_px': np.concatenate([centres - half, centres + half], axis=1),
        'scores': np.full(n, 0.8),
        'class_ids': np.zeros(n, int),
        'velocities_px_s': np.zeros((n, 2)),
        'position_std_px': np.zeros(n),
        'velocity_std_px_s': np.zeros(n),
    }
    return PriorObjects(**{**given, **columns})


def observation(heatmap=None, transform=PLAIN):
    heatmap = np.zeros((3, *HW), np.float32) if heatmap is None else heatmap
    return Observation(detections=Detections.empty(), heatmap=heatmap, transform=transform)


def shown(prior, transform=PLAIN, shape_hw=HW, n_class=3):
    return prior.planes(transform, n_class=n_class, shape_hw=shape_hw)


def peak(plane):
    """(x, y) of the highest cell."""
    y, x = np.unravel_index(plane.argmax(), plane.shape)
    return int(x), int(y)


def attention(seen=None, of=None, *, stamp_ns=0, **options):
    made = Attention(KeyframeConfig(**options))
    made.renew(seen or observation(), objects([(40, 40)]) if of is None else of, stamp_ns=stamp_ns)
    return made


def shift_by(x, y=0.0):
    return np.array([[1.0, 0, x], [0, 1, y], [0, 0, 1]])


def yaw(angle, *, focal=100.0, centre=(80.0, 48.0)):
    """A camera that turns, so that what is `angle` to the right comes to the middle."""
    intrinsics = np.array([[focal, 0, centre[0]], [0, focal, centre[1]], [0, 0, 1]])
    cos, sin = math.cos(angle), math.sin(angle)
    turn = np.array([[cos, 0, -sin], [0, 1, 0], [sin, 0, cos]])
    return intrinsics @ turn @ np.linalg.inv(intrinsics)


def test_every_choice_but_off_is_a_member():
    assert {*CHOICES} == {*UPDATES, 'off'}


def test_an_object_moves_on_at_its_velocity_and_keeps_its_size():
    of = objects([(40, 40)], velocities_px_s=[(80.0, -40.0)])
    now = attention(of=of).prior(stamp_ns=5 * PERIOD_NS).objects
    np.testing.assert_allclose(now.boxes_xyxy_px, [[72, 8, 88, 32]])
    np.testing.assert_allclose(now.velocities_px_s, [[80, -40]])


def test_the_place_grows_uncertain_with_time():
    of = objects([(40, 40)], position_std_px=[3.0], velocity_std_px_s=[8.0])
    prior = attention(of=of).prior(stamp_ns=5 * PERIOD_NS)
    np.testing.assert_allclose(prior.objects.position_std_px, [5.0])  # 3, and 8 / 2
    planes = shown(prior)
    assert peak(planes[0]) == (10, 10)
    assert planes[0, 10, 10] == np.float32(0.8)
    assert planes[3, 10, 10] == pytest.approx(0.8 * 0.5 / AGE_S)
    assert planes[4, 10, 10] == pytest.approx(0.8 * 5 / 4 / UNCERTAINTY_CELLS)


def test_age_and_uncertainty_are_at_most_the_heat():
    of = objects([(40, 40), (100, 40)], position_std_px=[900.0, np.inf])
    planes = shown(attention(of=of, max_age_s=9.0).prior(stamp_ns=80 * PERIOD_NS))
    np.testing.assert_array_equal(planes[3], planes[0])
    np.testing.assert_array_equal(planes[4], planes[0])
    assert planes[0].max() == np.float32(0.8)


def test_a_moving_camera_takes_place_size_velocity_and_uncertainty_along():
    quarter = np.array([[0.0, -2, 0], [2, 0, 0], [0, 0, 1]])  # a turn by 90 degrees, twice as near
    of = objects(
        [(30, -20)],
        velocities_px_s=[(10.0, 0.0)],
        position_std_px=[3.0],
        velocity_std_px_s=[4.0],
    )
    made = attention(of=of)
    made.moved(-7 * quarter, stamp_ns=PERIOD_NS)  # a homography has no scale and no sign
    now = made.prior(stamp_ns=10 * PERIOD_NS).objects
    np.testing.assert_allclose(now.centres_px, [[40, 80]], atol=1e-9)
    np.testing.assert_allclose(now.sizes_px, [[32, 48]])
    np.testing.assert_allclose(now.velocities_px_s, [[0, 20]], atol=1e-9)
    np.testing.assert_allclose(now.position_std_px, [10.0])
    np.testing.assert_allclose(now.velocity_std_px_s, [8.0])


@pytest.mark.parametrize('steps', [1, 4])
def test_a_turning_camera_keeps_the_gaussian_on_the_point(steps):
    """A point at an angle beside the optical axis is seen at focal * tan(angle)."""
    total = 0.3
    start = 80 + 100 * math.tan(0.35)
    made = attention(of=objects([(start, 48.0)]))
    for i in range(steps):
        made.moved(yaw(total / steps), stamp_ns=(i + 1) * PERIOD_NS)
    prior = made.prior(stamp_ns=steps * PERIOD_NS)
    place = 80 + 100 * math.tan(0.35 - total)
    np.testing.assert_allclose(prior.objects.centres_px, [[place, 48]])
    assert peak(shown(prior)[0]) == (int(place / 4), 12)


@pytest.mark.parametrize('update', list(UPDATES))
def test_what_the_camera_turned_away_from_is_not_painted(update):
    made = attention(
        observation(np.full((3, *HW), 0.5, np.float32)),
        objects([(80, 48)], position_std_px=[4.0]),
        update=update,
    )
    for i in range(4):
        made.moved(yaw(math.pi / 4), stamp_ns=(i + 1) * PERIOD_NS)
    prior = made.prior(stamp_ns=4 * PERIOD_NS)
    assert np.isnan(prior.objects.boxes_xyxy_px).all()
    planes = shown(prior)
    if update != 'still':  # that one knows of no motion
        assert not planes.any()
    assert np.isfinite(planes).all()


def random_motion(rng):
    motion = np.eye(3) + rng.normal(0, 0.02, (3, 3))
    motion[:2, 2] += rng.normal(0, 5, 2)
    motion[2, :2] = rng.normal(0, 1e-4, 2)
    return motion


@pytest.mark.parametrize('seed', range(8))
@pytest.mark.parametrize('update', list(UPDATES))
def test_a_late_result_says_what_it_would_have_said_in_time(seed, update):
    rng = np.random.default_rng(seed)
    n, frames = 6, 40
    late, at = int(rng.integers(1, 20)), int(rng.integers(0, 20))
    of = objects(
        rng.uniform((0, 0), (160, 96), (n, 2)),
        velocities_px_s=rng.normal(0, 30, (n, 2)),
        class_ids=rng.integers(0, 3, n),
        position_std_px=rng.uniform(0, 9, n),
        velocity_std_px_s=rng.uniform(0, 9, n),
    )
    seen = observation(rng.random((3, *HW), np.float32))
    config = KeyframeConfig(update=update, max_age_s=99.0)
    in_time, behind = Attention(config), Attention(config)
    for i in range(frames):
        motion = random_motion(rng) if rng.random() < 0.8 else None
        for made, due in ((in_time, at), (behind, at + late)):
            made.moved(motion, stamp_ns=i * PERIOD_NS)
            if i == due:
                made.renew(seen, of, stamp_ns=at * PERIOD_NS)
        if i >= at + late:
            here, there = (m.prior(stamp_ns=i * PERIOD_NS) for m in (in_time, behind))
            np.testing.assert_array_equal(here.objects.boxes_xyxy_px, there.objects.boxes_xyxy_px)
            np.testing.assert_array_equal(shown(here), shown(there))


def test_results_as_late_as_256_frames_find_all_motions_and_later_ones_say_nothing():
    made = Attention(KeyframeConfig(max_age_s=1000.0))
    for i in range(1, 257):
        made.moved(shift_by(0.25), stamp_ns=i * PERIOD_NS)
    made.renew(observation(), objects([(40, 40)]), stamp_ns=0)
    now = made.prior(stamp_ns=256 * PERIOD_NS).objects
    np.testing.assert_allclose(now.centres_px, [[104, 40]])
    for i in range(257, 600):
        made.moved(shift_by(0.25), stamp_ns=i * PERIOD_NS)
    assert made.prior(stamp_ns=599 * PERIOD_NS) is None  # some of the way is forgotten
    made.renew(observation(), objects([(40, 40)]), stamp_ns=400 * PERIOD_NS)
    now = made.prior(stamp_ns=599 * PERIOD_NS).objects
    np.testing.assert_allclose(now.centres_px, [[40 + 199 / 4, 40]])


def test_motions_up_to_the_keyframe_and_after_the_frame_do_not_count():
    made = Attention(KeyframeConfig())
    for i in range(5):
        made.moved(shift_by(10.0**i), stamp_ns=i * PERIOD_NS)
    made.renew(observation(), objects([(0, 0)]), stamp_ns=1 * PERIOD_NS)
    moved = made.prior(stamp_ns=3 * PERIOD_NS).objects.centres_px
    np.testing.assert_allclose(moved, [[1100, 0]])


def test_motions_are_composed_in_their_order():
    made = attention(of=objects([(10, 0)]))
    made.moved(shift_by(5), stamp_ns=PERIOD_NS)
    made.moved(np.diag([2.0, 2, 1]), stamp_ns=2 * PERIOD_NS)
    np.testing.assert_allclose(made.prior(stamp_ns=2 * PERIOD_NS).objects.centres_px, [[30, 0]])


def test_the_later_keyframe_stays_whatever_comes_after_it():
    made = attention(of=objects([(60, 60)]), stamp_ns=3 * PERIOD_NS)
    made.renew(observation(), objects([(20, 20)]), stamp_ns=2 * PERIOD_NS)
    np.testing.assert_array_equal(made.prior(stamp_ns=3 * PERIOD_NS).start.centres_px, [[60, 60]])
    made.renew(observation(), objects([(20, 20)]), stamp_ns=3 * PERIOD_NS)
    np.testing.assert_array_equal(made.prior(stamp_ns=3 * PERIOD_NS).start.centres_px, [[20, 20]])


def test_there_is_no_prior_before_a_result_nor_when_it_is_too_old_nor_when_off():
    made = Attention(KeyframeConfig(max_age_s=0.5))
    assert made.prior(stamp_ns=0) is None
    made.renew(observation(), objects([(40, 40)]), stamp_ns=PERIOD_NS)
    assert made.prior(stamp_ns=0) is None  # the result is of a later frame
    assert made.prior(stamp_ns=PERIOD_NS).age_s == 0
    assert made.prior(stamp_ns=6 * PERIOD_NS).age_s == 0.5
    assert made.prior(stamp_ns=6 * PERIOD_NS + 1) is None
    made.config = KeyframeConfig(max_age_s=0.5, update='off')  # switched while it runs
    assert made.prior(stamp_ns=PERIOD_NS) is None
    made.config = KeyframeConfig(max_age_s=0.5, update='shift')
    assert made.prior(stamp_ns=PERIOD_NS).update == 'shift'


def test_after_a_reset_all_is_as_at_first():
    of = objects([(40, 40), (90, 30)], velocities_px_s=[(5.0, 3.0), (0.0, 9.0)])

    def run(made):
        found = [made.prior(stamp_ns=0)]
        made.renew(observation(), of, stamp_ns=0)
        for i in range(1, 5):
            made.moved(shift_by(1.5), stamp_ns=i * PERIOD_NS)
            found.append(shown(made.prior(stamp_ns=i * PERIOD_NS)))
        return found

    fresh = run(Attention(KeyframeConfig()))
    used = attention(stamp_ns=77 * PERIOD_NS, of=objects([(1, 2)]))
    for i in range(700):
        used.moved(shift_by(40.0), stamp_ns=(78 + i) * PERIOD_NS)
    used.reset()
    again = run(used)
    assert fresh[0] is None
    assert again[0] is None
    np.testing.assert_array_equal(fresh[1:], again[1:])


def test_the_result_is_kept_as_it_was_when_it_came():
    heatmap = np.full((3, *HW), 0.5, np.float32)
    made = attention(observation(heatmap), update='still')
    heatmap[:] = 0  # the runtime uses its buffer again
    assert (shown(made.prior(stamp_ns=0))[:3] == 0.5).all()


@pytest.mark.parametrize('update', list(UPDATES))
def test_numbers_that_are_none_are_nothing_and_their_neighbours_stay(update):
    heatmap = np.full((3, *HW), 0.5, np.float32)
    heatmap[0, 10, 10], heatmap[1, 3, 4] = np.nan, np.inf
    of = objects([(np.nan, 40), (np.inf, 40), (40, 40), (80, 40)], position_std_px=[4.0] * 4)
    of = PriorObjects(**{**vars(of), 'velocities_px_s': [(0, 0), (0, 0), (0, np.inf), (0, 0)]})
    for rows in (of, objects([(80, 40)], position_std_px=[4.0])):
        made = attention(observation(heatmap), rows, update=update)
        made.moved(shift_by(0), stamp_ns=PERIOD_NS)
        planes = shown(made.prior(stamp_ns=PERIOD_NS))
        assert np.isfinite(planes).all()
        assert planes.max() <= 1
        if update == 'still':
            assert planes[0, 10, 10] == 0
        else:
            assert peak(planes[0])[0] >= 18
            assert not planes[:, :, :17].any()


def test_what_is_wrong_is_refused():
    with pytest.raises(InvalidDataError, match='homography'):
        attention().moved(np.full((3, 3), np.nan), stamp_ns=1)
    with pytest.raises(InvalidDataError, match=r'PriorObjects\.scores: expected shape \(1,\)'):
        objects([(1, 2)], scores=[0.5, 0.5])
    given = {'age_s': 0.0, 'heatmap': np.zeros((1, 2, 2), np.float32), 'transform': PLAIN}
    one, none = objects([(1, 2)]), PriorObjects.empty()
    with pytest.raises(InvalidDataError, match="'off'"):
        CarriedPrior(update='off', objects=one, start=one, **given)
    with pytest.raises(InvalidDataError, match='expected 1 rows'):
        CarriedPrior(update='render', objects=one, start=none, **given)


@pytest.mark.parametrize('update', ['render', 'shift'])
def test_a_network_finds_a_dim_object_where_it_is_told_to_look(tmp_path, update):
    """The shipped fake sees half-bright rectangles where Φ has heat: here, only moved on."""
    student = build_detector(load_bundle(write_scripted_bundle(tmp_path / 's', fusion='concat')))
    teacher = build_detector(load_bundle(write_scripted_bundle(tmp_path / 't')))

    def frame(x, *, blue):
        image = np.zeros((192, 320, 3), np.uint8)
        image[80:120, x : x + 24, 0] = blue  # a vehicle
        return Frame(image=image, stamp_ns=0)

    (seen,) = teacher.observe([frame(40, blue=255)])
    found = seen.detections
    of = PriorObjects(
        boxes_xyxy_px=found.boxes_xyxy_px,
        scores=found.scores,
        class_ids=found.class_ids,
        velocities_px_s=[(200.0, 0.0)],
        position_std_px=[1.0],
        velocity_std_px_s=[1.0],
    )
    made = attention(seen, of, update=update)
    now = made.prior(stamp_ns=5 * PERIOD_NS)  # 100 pixels on
    there, gone = frame(140, blue=150), frame(40, blue=150)
    told, told_wrong, alone = student.detect([there, gone, there], priors=[now, now, None])
    np.testing.assert_allclose(told.boxes_xyxy_px, [[140, 80, 164, 120]])
    assert told.class_ids.tolist() == [2]
    assert len(told_wrong) == 0
    assert len(alone) == 0


def test_objects_that_have_tracks_are_where_those_are():
    prior = attention(
        of=objects([(20, 20), (60, 40), (100, 60)], track_ids=[7, 0, 9]), update='follow'
    )
    tracks = objects(
        [(103, 61), (1, 1), (22, 25)],
        track_ids=[9, 4, 7],
        position_std_px=np.array([3.0, 1.0, 2.0]),
        scores=np.zeros(3),
    )
    found = prior.prior(stamp_ns=PERIOD_NS, tracks=lambda: tracks)
    np.testing.assert_allclose(found.objects.centres_px, [(22, 25), (60, 40), (103, 61)])
    np.testing.assert_allclose(found.objects.position_std_px, [2, 0, 3])
    np.testing.assert_allclose(found.objects.scores, 0.8)  # the teacher's
    np.testing.assert_array_equal(found.objects.track_ids, [7, 0, 9])


def test_tracks_are_asked_for_by_who_follows_them_alone():
    def tracks():
        raise AssertionError('nobody should ask')

    for update in ('render', 'shift', 'still'):
        prior = attention(of=objects([(20, 20)]), update=update)
        assert prior.prior(stamp_ns=PERIOD_NS, tracks=tracks) is not None
    nobody = attention(of=objects([(20, 20)], track_ids=[3]), update='follow')
    alone = nobody.prior(stamp_ns=PERIOD_NS, tracks=PriorObjects.empty)
    np.testing.assert_allclose(alone.objects.centres_px, [(20, 20)])


def test_the_motion_to_a_frame_may_be_told_beforehand():
    told, beforehand = (attention(of=objects([(20, 20)])) for _ in range(2))
    told.moved(shift_by(4), stamp_ns=PERIOD_NS)
    wanted = told.prior(stamp_ns=PERIOD_NS)
    found = beforehand.prior(stamp_ns=PERIOD_NS, homography=shift_by(4))
    np.testing.assert_allclose(found.objects.centres_px, wanted.objects.centres_px)
    assert beforehand.prior(stamp_ns=PERIOD_NS).objects.centres_px[0, 0] == 20
    assert beforehand.age_s(PERIOD_NS) == pytest.approx(PERIOD_NS / 1e9)
    assert Attention(KeyframeConfig()).age_s(0) is None
