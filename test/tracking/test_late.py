"""Evidence that comes after its frame: as good as in time, and nothing published is undone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from mot_compress_ros.datatypes import Detections, Tracks, TrackState
from mot_compress_ros.errors import InvalidDataError
from mot_compress_ros.tracking import Tracker, TrackerConfig
from mot_compress_ros.tracking.late import FrameRecord
from mot_compress_ros.tracking.store import TrackStore

Detect = Callable[..., Detections]

PERIOD_NS = 33_333_333
NOBODY = Detections.empty()
# They differ in the filter, in the rounds, in what a miss does, and in what a track remembers.
KINDS = ('fairmot', 'byte', 'ocsort')
every_kind = pytest.mark.parametrize('name', KINDS)


def made(name: str = 'fairmot', **values: object) -> Tracker:
    """A tracker that confirms a track with its second detection, from its first frame on."""
    return Tracker(TrackerConfig.of(name, **{'warm_up_frames': 0, 'confirm_hits': 2, **values}))


def stamp(k: int) -> int:
    return (k + 1) * PERIOD_NS


def box(k: float, *, x: float = 100, y: float = 100, speed: float = 2.0) -> list[float]:
    """An object of 40 x 80 px that moves to the right."""
    return [x + speed * k, y, x + speed * k + 40, y + 80]


def remembered(tracker: Tracker) -> list[FrameRecord]:
    return list(tracker._late.records)


def assert_same_store(a: TrackStore, b: TrackStore, *, but: tuple[str, ...] = ()) -> None:
    for f in fields(TrackStore):
        if f.name in ('model', *but):
            continue
        one, other = getattr(a, f.name), getattr(b, f.name)
        if f.name in ('motion', 'anchors'):
            one = np.concatenate([one.mean, one.covariance.reshape(len(one), 64)], axis=1)
            other = np.concatenate([other.mean, other.covariance.reshape(len(other), 64)], axis=1)
        if f.name == 'gallery':
            assert set(one.spaces) == set(other.spaces)
            for name, space in one.spaces.items():
                np.testing.assert_allclose(space.vectors, other.spaces[name].vectors, atol=1e-6)
                np.testing.assert_array_equal(space.known, other.spaces[name].known)
            continue
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9, err_msg=f.name)


def one_of(store: TrackStore, number: int) -> TrackStore:
    assert number in store.track_ids
    return store[store.track_ids == number]


# As good as in time


def street(detect: Detect, k: int, *, looks: bool = True) -> Detections:
    """Three objects far from each other, with some noise, that look different."""
    rng = np.random.default_rng(k)
    boxes = [box(k), box(k, x=500, speed=-1), box(k, x=900, y=300, speed=0.5)]
    noisy = np.array(boxes) + rng.normal(0, 0.5, (3, 4))
    return detect(noisy, looks=[0, 1, 2] if looks else None)


@every_kind
@pytest.mark.parametrize('looks', [False, True])
@pytest.mark.parametrize('d', [0, 1, 5])
def test_evidence_for_an_empty_frame_is_as_good_as_in_time(name, looks, d, detect) -> None:
    late, in_time = (Tracker(TrackerConfig.of(name)) for _ in range(2))
    for k in range(12):
        seen = street(detect, k, looks=looks)
        late.update(NOBODY if k == 11 - d else seen, stamp_ns=stamp(k))
        in_time.update(seen, stamp_ns=stamp(k))
    outcome = late.update_late(street(detect, 11 - d, looks=looks), stamp_ns=stamp(11 - d))
    assert (outcome.applied, outcome.matched, outcome.found_again) == (True, 3, 3)
    assert (outcome.begun, outcome.frames) == (0, d)
    assert_same_store(late.store, in_time.store)
    seen = street(detect, 12, looks=looks)
    after, wanted = (t.update(seen, stamp_ns=stamp(12)) for t in (late, in_time))
    for f in fields(Tracks):
        if f.name != 'source':
            np.testing.assert_allclose(getattr(after, f.name), getattr(wanted, f.name), rtol=1e-6)


@every_kind
def test_several_empty_frames_may_be_filled_in_any_order(name, detect) -> None:
    late, in_time = (Tracker(TrackerConfig.of(name)) for _ in range(2))
    gaps = [6, 7, 8, 10]
    for k in range(13):
        seen = street(detect, k)
        late.update(NOBODY if k in gaps else seen, stamp_ns=stamp(k))
        in_time.update(seen, stamp_ns=stamp(k))
    for k in (8, 6, 10, 7):
        assert late.update_late(street(detect, k), stamp_ns=stamp(k)).matched == 3
    assert_same_store(late.store, in_time.store)


@every_kind
def test_camera_motion_and_uneven_steps_are_played_again(name, detect) -> None:
    late, in_time, now, shift = made(name), made(name), 0, 0.0
    rng = np.random.default_rng(0)
    for k in range(12):
        now += int(rng.choice([20, 33, 50, 90])) * 1_000_000
        turn = float(rng.choice([-60, 0, 60]))  # more than the width of a box
        shift += turn
        seen = detect(np.array([box(k), box(k, x=900)]) + np.array([shift, 0, shift, 0]))
        motion = np.array([[1.0, 0, turn], [0, 1, 0], [0, 0, 1]])
        if k == 7:
            missing, at = seen, now
        late.update(NOBODY if k == 7 else seen, stamp_ns=now, camera_motion=motion)
        in_time.update(seen, stamp_ns=now, camera_motion=motion)
    assert late.update_late(missing, stamp_ns=at).found_again == 2
    assert_same_store(late.store, in_time.store)


def test_a_track_that_was_lost_to_the_end_lives_again(detect) -> None:
    tracker, in_time = made(), made()
    for k in range(12):
        seen = detect([box(k)]) if k < 8 else NOBODY
        tracker.update(NOBODY if k == 7 else seen, stamp_ns=stamp(k))
        in_time.update(seen, stamp_ns=stamp(k))
    assert tracker.store.frames_since_update.tolist() == [5]
    tracker.update_late(detect([box(7)]), stamp_ns=stamp(7))
    assert tracker.store.states.tolist() == [TrackState.LOST]
    assert_same_store(tracker.store, in_time.store)


# In addition to what a frame had


@every_kind
def test_a_second_look_at_a_seen_track_is_a_second_measurement(name, detect) -> None:
    tracker, plain = made(name), made(name)
    for k in range(8):
        for t in (tracker, plain):
            t.update(detect([box(k)]), stamp_ns=stamp(k))
    outcome = tracker.update_late(detect([np.array(box(7)) + 3]), stamp_ns=stamp(7))
    assert (outcome.matched, outcome.found_again, outcome.begun) == (1, 0, 0)
    assert_same_store(tracker.store, plain.store, but=('motion', 'anchors', 'hits'))
    assert tracker.store.hits.tolist() == [9]
    before, after = plain.store.motion, tracker.store.motion
    # Bayes' rule by hand: the weight of the new one is its share of both variances.
    model = plain.store.model
    spread = model.measured_variance(before.position)
    gain = before.position_variance / (before.position_variance + spread)
    measured = model.measure(np.array([box(7)]) + 3)
    wanted = before.position + gain * (measured - before.position)
    np.testing.assert_allclose(after.position, wanted, rtol=1e-6)
    np.testing.assert_allclose(after.position_variance, (1 - gain) * before.position_variance)


@every_kind
def test_a_second_look_stays_in_the_filter_to_the_end(name, detect) -> None:
    """The replay of the filter equals a tracker whose filter was corrected at that moment."""
    tracker, at_once = made(name), made(name)
    for k in range(10):
        for t in (tracker, at_once):
            t.update(detect([box(k), box(k, x=700)]), stamp_ns=stamp(k))
        if k == 4:
            at_once.update_late(detect([np.array(box(4)) + 2]), stamp_ns=stamp(4))
    tracker.update_late(detect([np.array(box(4)) + 2]), stamp_ns=stamp(4))
    assert_same_store(tracker.store, at_once.store)
    assert tracker.store.hits.tolist() == [11, 10]


@every_kind
def test_the_order_of_two_late_results_does_not_matter(name, detect) -> None:
    def run(order: tuple[int, ...]) -> Tracker:
        tracker = made(name)
        for k in range(12):
            seen = NOBODY if k in (5, 8) else detect([box(k), box(k, x=700)])
            tracker.update(seen, stamp_ns=stamp(k))
        for k in order:
            late = detect([np.array(box(k)) + 2, box(k, x=700)])
            assert tracker.update_late(late, stamp_ns=stamp(k)).matched == 2
        return tracker

    forward, backward = run((3, 5, 8, 10)), run((10, 8, 5, 3))
    assert_same_store(forward.store, backward.store)
    assert_same_store(forward.store, run((8, 3, 10, 5)).store)


def test_two_results_for_one_frame_both_count(detect) -> None:
    tracker = made()
    for k in range(6):
        tracker.update(detect([box(k)]), stamp_ns=stamp(k))
    spread = [tracker.store.motion.position_variance]
    for _ in range(2):
        assert tracker.update_late(detect([box(3)]), stamp_ns=stamp(3)).matched == 1
        spread.append(tracker.store.motion.position_variance)
    assert tracker.store.hits.tolist() == [8]
    assert (spread[0] > spread[1]).all()
    assert (spread[1] > spread[2]).all()


def test_embeddings_of_another_space_are_remembered(detect) -> None:
    tracker = made()
    for k in range(8):
        tracker.update(detect([box(k)], looks=[0]), stamp_ns=stamp(k))
    for look in (3, 4):
        late = detect([box(5)], looks=[look], space='teacher')
        assert tracker.update_late(late, stamp_ns=stamp(5)).matched == 1
    spaces = tracker.store.gallery.spaces
    np.testing.assert_allclose(spaces['student'].vectors, np.eye(16)[[0]], atol=1e-6)
    wanted = 0.9 * np.eye(16)[3] + 0.1 * np.eye(16)[4]
    np.testing.assert_allclose(
        spaces['teacher'].vectors[0], wanted / np.linalg.norm(wanted), atol=1e-6
    )


@every_kind
def test_a_changed_dimension_is_refused_and_changes_nothing(name, detect) -> None:
    tracker = made(name)
    for k in range(6):
        tracker.update(detect([box(k)], looks=[0]), stamp_ns=stamp(k))
    store, records = tracker.store, remembered(tracker)
    other = detect([box(3)], looks=np.ones((1, 3), np.float32))
    with pytest.raises(InvalidDataError, match='dimensions'):
        tracker.update_late(other, stamp_ns=stamp(3))
    assert tracker.store is store
    assert remembered(tracker) == records
    assert tracker.update(detect([box(6)], looks=[0]), stamp_ns=stamp(6)).track_ids.tolist() == [1]


# What it begins


def born_later(detect: Detect, name: str = 'fairmot') -> tuple[Tracker, int]:
    """An object that the frames show from frame 6 on, and late evidence of frame 4 and its id."""
    tracker = made(name)
    for k in range(10):
        seen = [box(k, x=700)] + ([box(k)] if k >= 6 else [])
        tracks = tracker.update(detect(seen), stamp_ns=stamp(k))
    assert tracks.track_ids.tolist() == [1, 2]
    return tracker, 2


def test_a_track_that_is_met_by_a_later_born_one_hands_its_past_over(detect) -> None:
    tracker = made(confirm_hits=1)  # one detection confirms: a track outlives a gap
    for k in range(10):
        tracker.update(detect([box(k)] if k >= 6 else []), stamp_ns=stamp(k))
    assert tracker.store.track_ids.tolist() == [1]
    assert tracker.store.started_ns.tolist() == [stamp(6)]
    outcome = tracker.update_late(detect([box(4)]), stamp_ns=stamp(4))
    assert (outcome.begun, outcome.matched, outcome.frames) == (1, 0, 5)
    assert tracker.store.track_ids.tolist() == [1]
    assert tracker.store.started_ns.tolist() == [stamp(4)]
    assert (tracker.store.ages.tolist(), tracker.store.hits.tolist()) == ([6], [5])
    assert tracker.update(detect([box(10)]), stamp_ns=stamp(10)).track_ids.tolist() == [1]
    # It is one object in all that is remembered, under one id.
    ids = [record.tracks.track_ids.tolist() for record in remembered(tracker)]
    assert ids == [[]] * 4 + [[1]] * 7


@every_kind
def test_what_was_handed_over_takes_later_evidence_of_its_past(name, detect) -> None:
    def run(order: tuple[int, ...]) -> Tracker:
        tracker = Tracker(TrackerConfig.of(name, warm_up_frames=0, confirm_hits=1))
        for k in range(10):
            tracker.update(detect([box(k)] if k >= 6 else []), stamp_ns=stamp(k))
        for k in order:
            tracker.update_late(detect([np.array(box(k)) + 1]), stamp_ns=stamp(k))
        return tracker

    for order in ((3, 4, 5), (3, 5, 4), (5, 4, 3), (4, 3, 5)):
        tracker = run(order)
        assert tracker.store.track_ids.tolist() == [1]
        assert tracker.store.started_ns.tolist() == [stamp(3)]
        assert (tracker.store.ages.tolist(), tracker.store.hits.tolist()) == ([7], [7])
    assert_same_store(run((3, 4, 5)).store, run((5, 4, 3)).store)
    assert_same_store(run((3, 4, 5)).store, run((4, 3, 5)).store)


def test_a_handed_over_past_confirms_the_track_sooner(detect) -> None:
    tracker = made()
    for k in range(6):
        tracker.update(detect([box(k)] if k == 5 else []), stamp_ns=stamp(k))
    assert tracker.store.states.tolist() == [TrackState.TENTATIVE]
    tracker.update_late(detect([box(4)]), stamp_ns=stamp(4))
    assert tracker.store.track_ids.tolist() == [1]
    assert tracker.store.states.tolist() == [TrackState.CONFIRMED]
    assert tracker.store.hits.tolist() == [2]


def test_an_object_that_no_frame_shows_gets_a_new_id(detect) -> None:
    tracker, _ = born_later(detect)
    late = detect([box(9, x=1200, y=500)])
    assert tracker.update_late(late, stamp_ns=stamp(9)).begun == 1
    assert tracker.store.track_ids.tolist() == [1, 2, 3]
    tracks = tracker.update(
        detect([box(10), box(10, x=700), box(10, x=1200, y=500)]), stamp_ns=stamp(10)
    )
    assert tracks.track_ids.tolist() == [1, 2, 3]  # the late detection was its first hit
    again = tracker.update_late(detect([box(10, x=1500)]), stamp_ns=stamp(10))
    assert again.begun == 1
    assert tracker.store.track_ids.tolist() == [1, 2, 3, 4]


def test_one_that_no_later_frame_shows_ends_like_every_tentative_track(detect) -> None:
    tracker, _ = born_later(detect)
    outcome = tracker.update_late(detect([box(4, x=1200)]), stamp_ns=stamp(4))
    assert (outcome.begun, tracker.store.track_ids.tolist()) == (1, [1, 2])
    tracker.update(detect([box(10), box(10, x=1200), box(10, x=1600)]), stamp_ns=stamp(10))
    assert tracker.store.track_ids.tolist() == [1, 2, 4, 5]  # 3 was given, and is never again


def test_a_weak_late_detection_begins_nothing(detect) -> None:
    tracker, _ = born_later(detect)
    late = detect([box(9, x=1200)], scores=tracker.config.new_track_score - 0.01)
    assert tracker.update_late(late, stamp_ns=stamp(9)).begun == 0
    assert tracker.store.track_ids.tolist() == [1, 2]


@pytest.mark.parametrize('name', ['fairmot', 'byte'])
def test_a_duplicate_ends_as_if_it_had_never_been(name, detect) -> None:
    """It took what nobody had, and then met what an older track got."""
    tracker = made(name)
    weak = np.array([[100, 100, 140, 180], [131, 100, 171, 180]])
    for k in range(6):
        tracker.update(detect([box(0)]), stamp_ns=stamp(k))
    tracker.update(detect(weak, scores=[0.9, 0.3]), stamp_ns=stamp(6))
    tracker.update(detect([box(0, x=112)]), stamp_ns=stamp(7))
    store, before = tracker.store, remembered(tracker)
    outcome = tracker.update_late(detect([box(0, x=130)]), stamp_ns=stamp(5))
    assert (outcome.matched, outcome.begun) == (0, 1)
    assert_same_store(tracker.store, store)
    for old, new in zip(before, remembered(tracker), strict=True):
        assert new.tracks.track_ids.tolist() == [1]
        np.testing.assert_array_equal(new.owners, old.owners)
    # Without the last frame it had lived: it does meet something in between.
    alive = made(name)
    for k in range(6):
        alive.update(detect([box(0)]), stamp_ns=stamp(k))
    alive.update(detect(weak, scores=[0.9, 0.3]), stamp_ns=stamp(6))
    alive.update_late(detect([box(0, x=130)]), stamp_ns=stamp(5))
    assert alive.store.track_ids.tolist() == [1, 2]
    assert alive.store.hits.tolist() == [7, 2]


@pytest.mark.parametrize('name', ['fairmot', 'byte'])
@pytest.mark.parametrize('taken', [False, True])
def test_a_track_found_again_takes_what_is_free_and_nobodys_detections(
    name, taken, detect
) -> None:
    tracker = made(name)
    for k in range(9):
        tracker.update(detect([box(0)] if k < 8 else []), stamp_ns=stamp(k))
    seen = detect([box(0, x=130)], scores=0.9 if taken else 0.3)
    tracker.update(seen, stamp_ns=stamp(9))
    assert tracker.store.track_ids.tolist() == ([1, 2] if taken else [1])
    outcome = tracker.update_late(detect([box(0, x=112)]), stamp_ns=stamp(8))
    assert (outcome.found_again, outcome.begun) == (1, 0)
    assert tracker.store.track_ids.tolist() == ([1, 2] if taken else [1])
    assert tracker.store.hits.tolist() == ([9, 1] if taken else [10])
    assert tracker.store.frames_since_update.tolist() == ([1, 0] if taken else [0])
    assert remembered(tracker)[-1].owners.tolist() == ([2] if taken else [1])


def test_a_class_is_never_changed(detect) -> None:
    tracker = made(confirm_hits=1)
    for k in range(4):
        tracker.update(detect([box(k)] if k < 3 else [], classes=0), stamp_ns=stamp(k))
    outcome = tracker.update_late(detect([box(3)], classes=1), stamp_ns=stamp(3))
    assert (outcome.matched, outcome.begun) == (0, 1)
    assert tracker.store.class_ids.tolist() == [0, 1]


# What is refused, and what is forgotten


@every_kind
def test_evidence_for_a_frame_that_is_not_remembered_changes_nothing(name, detect) -> None:
    tracker = made(name, late_frames=4)
    assert not tracker.update_late(detect([box(0)]), stamp_ns=stamp(0)).applied
    for k in range(12):
        tracker.update(detect([box(k)]), stamp_ns=stamp(k))
    store, records = tracker.store, remembered(tracker)
    for at in (stamp(6), stamp(9) + 1, stamp(12), 0, -stamp(3)):  # 7 is the oldest of 4 + 1
        assert not tracker.update_late(detect([box(6)]), stamp_ns=at).applied
    assert tracker.store is store
    assert remembered(tracker) == records
    assert tracker.update_late(detect([box(7)]), stamp_ns=stamp(7)).frames == 4


def test_nothing_is_remembered_where_late_results_are_refused(detect) -> None:
    tracker = made(late_frames=0)
    for k in range(3):
        tracker.update(detect([box(k)]), stamp_ns=stamp(k))
        assert not tracker.update_late(detect([box(k)]), stamp_ns=stamp(k)).applied
        assert remembered(tracker) == []


def test_what_is_remembered_is_bounded(detect) -> None:
    tracker = made(late_frames=3)
    for k in range(50):
        tracker.update(detect([box(k)]), stamp_ns=stamp(k))
        late = detect([box(k - 1), box(k - 1, x=1000)])
        tracker.update_late(late, stamp_ns=stamp(k - 1))
        assert [r.stamp_ns for r in remembered(tracker)] == [
            stamp(i) for i in range(max(k - 3, 0), k + 1)
        ]
        assert all(len(r.late) <= 1 for r in remembered(tracker))
    assert len(tracker.store) < 5


def test_a_reset_forgets_all_frames(detect) -> None:
    tracker = made()
    for k in range(4):
        tracker.update(detect([box(k)]), stamp_ns=stamp(k))
    tracker.reset()
    assert not tracker.update_late(detect([box(3)]), stamp_ns=stamp(3)).applied
    assert len(tracker.store) == 0
    tracker.update(detect([box(4)]), stamp_ns=stamp(4))
    late = detect([box(4), box(4, x=900)])
    assert tracker.update_late(late, stamp_ns=stamp(4)).begun == 1
    assert tracker.store.track_ids.tolist() == [2, 3]


def test_no_late_detections_change_nothing(detect) -> None:
    tracker = made()
    for k in range(6):
        tracker.update(street(detect, k), stamp_ns=stamp(k))
    store = tracker.store
    outcome = tracker.update_late(NOBODY, stamp_ns=stamp(2))
    assert (outcome.applied, outcome.matched, outcome.begun) == (True, 0, 0)
    assert_same_store(tracker.store, store)


def test_snapshots_taken_before_stay_as_they_were(detect) -> None:
    tracker = made()
    for k in range(8):
        tracker.update(street(detect, k) if k != 4 else NOBODY, stamp_ns=stamp(k))
    snapshot, copy = tracker.store, tracker.store[np.arange(3)]
    tracker.update_late(street(detect, 4), stamp_ns=stamp(4))
    assert_same_store(snapshot, copy)


def test_degenerate_late_detections_are_counted_and_left_out(detect) -> None:
    tracker = made()
    tracker.update(detect([box(0)]), stamp_ns=stamp(0))
    flat = [10.0, 10.0, 10.2, 50.0]
    assert tracker.update_late(detect([box(0), flat]), stamp_ns=stamp(0)).matched == 1
    assert tracker.dropped == 1
    tracker.update_late(detect([flat]), stamp_ns=stamp(5))  # of no frame
    assert tracker.dropped == 1


# Whatever is seen, and whenever


def crowd(rng: np.random.Generator, k: int, *, share: float, noise: float) -> Detections:
    """Some of six objects that cross each other's ways, and at times something else."""
    start = np.array([[0, 0], [60, 10], [150, 0], [160, 40], [300, 20], [330, 90]])
    speed = np.array([[6, 0], [-4, 0], [1, 3], [0, 0], [-8, 1], [-2, -5]])
    low = start + speed * k + rng.normal(0, noise, (6, 2))
    boxes = np.concatenate([low, low + np.array([40, 70])], axis=1)
    boxes = np.concatenate([boxes, rng.uniform(0, 300, (1, 2)).repeat(2, axis=0).reshape(1, 4)])
    boxes[-1, 2:] += rng.uniform(0.5, 80, 2)
    chosen = np.r_[rng.random(6) < share, rng.random() < 0.3]
    looks = np.eye(7, dtype=np.float32)
    return Detections(
        boxes_xyxy_px=boxes[chosen],
        scores=rng.choice([0.3, 0.5, 0.7, 0.9, 1.0], 7)[chosen],
        class_ids=np.array([0, 0, 0, 1, 0, 1, 0])[chosen],
        embeddings=looks[chosen],
        embedding_space=str(rng.choice(['student', 'teacher'])),
    )


def assert_sound(tracker: Tracker, *, looks_back: int) -> None:
    """What holds of all that is remembered; `looks_back` late results came at the most."""
    records = remembered(tracker)
    assert records[-1].tracks is tracker.store
    for record in records:
        tracks, owned = (
            record.tracks,
            np.concatenate([record.owners, *(owners for _, owners in record.late)]),
        )
        assert (np.diff(tracks.track_ids) > 0).all()
        assert np.isfinite(tracks.motion.mean).all()
        np.linalg.cholesky(tracks.motion.covariance)
        assert (tracks.started_ns <= tracks.updated_ns).all()
        assert (tracks.updated_ns <= record.stamp_ns).all()
        assert (tracks.hits >= 1).all()
        assert (tracks.hits <= tracks.ages + looks_back).all()
        assert (tracks.streaks <= tracks.ages - 1).all()
        shown = tracks.frames_since_update == 0
        np.testing.assert_array_equal(shown, tracks.updated_ns == record.stamp_ns)
        np.testing.assert_array_equal(shown, np.isin(tracks.track_ids, owned))
        assert not (tracks.is_in(TrackState.LOST) & shown).any()
        for _, owners in [(0, record.owners), *record.late]:  # none has two
            owner = owners[owners > 0]
            assert len(np.unique(owner)) == len(owner)
    for earlier, later in pairwise(records):
        _, a, b = np.intersect1d(
            earlier.tracks.track_ids, later.tracks.track_ids, return_indices=True
        )
        np.testing.assert_array_equal(earlier.tracks.ages[a] + 1, later.tracks.ages[b])
        np.testing.assert_array_equal(earlier.tracks.started_ns[a], later.tracks.started_ns[b])
        np.testing.assert_array_equal(earlier.tracks.class_ids[a], later.tracks.class_ids[b])


@every_kind
@settings(max_examples=40)
@given(
    seed=st.integers(0, 10**9),
    share=st.sampled_from([0.3, 0.6, 0.9]),
    noise=st.sampled_from([1.0, 6.0]),
    turning=st.booleans(),
)
def test_what_was_given_out_stays_and_the_rest_is_sound(name, seed, share, noise, turning) -> None:
    rng = np.random.default_rng(seed)
    values = {} if rng.random() < 0.5 else {'confirm_hits': 1, 'lost_buffer_s': 0.3}
    tracker = Tracker(TrackerConfig.of(name, late_frames=6, **values))
    owners: dict[int, np.ndarray] = {}  # by stamp, as they were given out at once
    published: dict[int, set[int]] = {}
    ever: set[int] = set()
    now, results = 0, 0
    for k in range(14):
        now += int(rng.choice([33, 33, 50, 200])) * 1_000_000
        motion = np.array([[1, 0, rng.uniform(-9, 9)], [0, 1, 0], [0, 0, 1]]) if turning else None
        before = set(tracker.store.track_ids.tolist())
        tracks = tracker.update(
            crowd(rng, k, share=share, noise=noise), stamp_ns=now, camera_motion=motion
        )
        born = set(tracker.store.track_ids.tolist()) - before
        assert not born or min(born) > max(ever, default=0)  # none was ever used, early or late
        owners[now] = remembered(tracker)[-1].owners
        published[now] = set(tracks.track_ids.tolist())
        ever |= born | set(owners[now].tolist())
        for _ in range(rng.integers(0, 3)):
            results += 1
            back = int(rng.integers(0, min(k + 1, 7)))
            at = remembered(tracker)[-1 - back].stamp_ns
            late = crowd(rng, k - back, share=0.8, noise=noise)
            first = max(ever, default=0) + 1
            outcome = tracker.update_late(late, stamp_ns=at)
            assert (outcome.applied, outcome.frames) == (True, back)
            ever |= set(range(first, first + outcome.begun))
            assert set(tracker.store.track_ids.tolist()) <= ever
            assert_sound(tracker, looks_back=results)
            for record in remembered(tracker):
                given_out = owners[record.stamp_ns]
                has_one = given_out > 0
                np.testing.assert_array_equal(record.owners[has_one], given_out[has_one])
                assert published[record.stamp_ns] <= set(record.tracks.track_ids.tolist())
