"""Evidence that comes after its frame: as good as in time, and nothing published is undone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

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
    return Tracker(TrackerConfig.of(name, warm_up_frames=0, confirm_hits=2, **values))


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
    late, in_time = made(name), made(name)
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
    late, in_time, gaps = made(name), made(name), [6, 7, 8, 10]
    for k in range(13):
        seen = street(detect, k)
        late.update(NOBODY if k in gaps else seen, stamp_ns=stamp(k))
        in_time.update(seen, stamp_ns=stamp(k))
    for k in (8, 6, 10, 7):
        assert late.update_late(street(detect, k), stamp_ns=stamp(k)).matched == 3
    # A gallery that is averaged in another order is another one.
    assert_same_store(late.store, in_time.store)


@every_kind
def test_camera_motion_and_uneven_steps_are_played_again(name, detect) -> None:
    late, in_time, now, shift = made(name), made(name), 0, 0.0
    rng = np.random.default_rng(0)
    for k in range(12):
        now += int(rng.choice([20, 33, 50, 90])) * 1_000_000
        turn = float(rng.choice([-60, 0, 60]))  # more than the width of a box
        shift += turn
        seen = detect(np.array([box(k), box(k, x=900)]) + [shift, 0, shift, 0])
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
    # Later results compare with it: the teacher alone knows the object 60 px on.
    tracker.update(NOBODY, stamp_ns=stamp(8))
    far = detect([np.array(box(9)) + [60, 0, 60, 0]], looks=[3], space='teacher')
    wide = made(embedding_threshold=0.9, motion_weight=0.0)
    assert wide.config.embedding_threshold == 0.9
    tracker.update(far, stamp_ns=stamp(9))
    assert 1 in tracker.store.track_ids


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
    tracker = made(lost_buffer_s=1.0, confirm_hits=1)  # one detection confirms: it outlives a gap
    tracker = Tracker(TrackerConfig.of('fairmot', warm_up_frames=0, confirm_hits=1))
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
    """The track's own prediction had drifted off when the late evidence came, and came back."""
    tracker = Tracker(TrackerConfig.of(name, warm_up_frames=0, confirm_hits=1))
    for k in range(4):
        tracker.update(detect([box(k)]), stamp_ns=stamp(k))
    for k in range(4, 8):  # of another kind: the track sees nothing, the late evidence no match
        tracker.update(NOBODY if k < 6 else detect([box(k)]), stamp_ns=stamp(k))
    twin = Tracker(TrackerConfig.of(name, warm_up_frames=0, confirm_hits=1))
    off = np.array(box(4)) + [33, 0, 33, 0]  # IoU 0.10 with the track, 0.2 with its next box
    del twin
    before = tracker.store
    outcome = tracker.update_late(detect([off]), stamp_ns=stamp(4))
    assert (outcome.matched, outcome.begun) == (0, 1)
    ids = [r.tracks.track_ids.tolist() for r in remembered(tracker)]
    assert tracker.store.track_ids.tolist() in ([1], [1, 2])
    assert one_of(tracker.store, 1).hits.tolist() == before.hits.tolist()
    assert ids[0] == [1]
