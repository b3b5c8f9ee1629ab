"""Evidence that comes after its frame is as good as in time, and adds to what the frame had."""

from __future__ import annotations

from dataclasses import fields

from late_worlds import (
    assert_same_store,
    box,
    every_kind,
    made,
    NOBODY,
    remembered,
    stamp,
    street,
)
import numpy as np
import pytest

from mot_compress_ros.boxes import iou_matrix
from mot_compress_ros.datatypes import Tracks, TrackState
from mot_compress_ros.errors import InvalidDataError
from mot_compress_ros.tracking import PRESETS, Tracker, TrackerConfig

# As good as in time


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


@pytest.mark.parametrize('name', [n for n in PRESETS if n != 'sort'])  # it forgets after one
def test_weak_detections_keep_no_track_that_they_would_not_have_kept_in_time(name, detect) -> None:
    """A gap at 5 and 6, weak detections from 7 on, and late evidence for 5 alone."""
    late, in_time = (Tracker(TrackerConfig.of(name)) for _ in range(2))
    for k in range(12):
        seen = NOBODY if k == 6 else detect([box(k)], scores=0.9 if k < 7 else 0.12)
        late.update(NOBODY if k == 5 else seen, stamp_ns=stamp(k))
        in_time.update(seen, stamp_ns=stamp(k))
    late.update_late(detect([box(5)]), stamp_ns=stamp(5))
    assert late.store.hits[0] == in_time.store.hits[0]
    assert late.store.states[0] == in_time.store.states[0]


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
    if tracker.config.re_update:  # it begins where the latest detection left the filter
        np.testing.assert_array_equal(tracker.store.anchors.mean, after.mean)


@every_kind
def test_a_second_look_stays_in_the_filter_to_the_end(name, detect) -> None:
    """The replay equals a tracker whose filter was corrected at once; with misses and turns."""
    tracker, at_once, now = made(name), made(name), 0
    rng = np.random.default_rng(1)
    late = detect([[104, 98, 146, 192]])
    turns = 1 * np.eye(3)
    for k in range(12):
        now += int(rng.choice([20, 33, 50])) * 1_000_000
        turn = np.array([[1.0, 0, 5 * (-1) ** k], [0, 1, 0], [0, 0, 1]])
        turns = turn @ turns
        grows = np.array([[100, 100, 140, 180 + 3 * k], [700, 100, 740, 180]]) + turns[0, 2] * (
            np.array([1, 0, 1, 0])
        )
        seen = NOBODY if k in (6, 7, 10, 11) else detect(grows)
        for t in (tracker, at_once):
            t.update(seen, stamp_ns=now, camera_motion=turn)
        if k == 4:
            at = now
            assert at_once.update_late(late, stamp_ns=at).matched == 1
    assert tracker.update_late(late, stamp_ns=at).matched == 1
    assert_same_store(tracker.store, at_once.store)
    assert tracker.store.hits.tolist() == [9, 8]
    assert tracker.store.states.tolist() == [TrackState.LOST] * 2


@every_kind
def test_time_runs_out_in_the_replay_too(name, detect) -> None:
    late, in_time = (made(name, lost_buffer_s=0.2) for _ in range(2))
    for k in range(14):
        seen = detect([box(k)] if k < 6 else [])
        late.update(NOBODY if k == 5 else seen, stamp_ns=stamp(k))
        in_time.update(seen, stamp_ns=stamp(k))
        if k == 11:
            assert len(late.store) == 0
            late.update_late(detect([box(5)]), stamp_ns=stamp(5))
            assert_same_store(late.store, in_time.store)
            assert late.store.track_ids.tolist() == [1]
    assert len(late.store) == len(in_time.store) == 0
    late.update_late(detect([box(5)]), stamp_ns=stamp(5))
    assert len(late.store) == 0


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


@pytest.mark.parametrize('name', ['fairmot', 'botsort'])
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


@pytest.mark.parametrize('name', ['byte', 'vehicle'])
def test_embeddings_that_no_round_looks_at_are_not_remembered(name, detect) -> None:
    tracker = Tracker(TrackerConfig.of(name))
    for k in range(6):
        tracker.update(detect([box(k)], looks=[0]), stamp_ns=stamp(k))
    assert tracker.update_late(detect([box(3)], looks=[1]), stamp_ns=stamp(3)).matched == 1
    assert not tracker.store.gallery.spaces
    finding = Tracker(TrackerConfig.of('vehicle', recovery_distance=0.2))
    finding.update(detect([box(0)], looks=[0]), stamp_ns=stamp(0))
    assert list(finding.store.gallery.spaces) == ['student']


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


# What the latest evidence of a frame showed


def test_latest_objects_are_those_of_the_latest_evidence(detect) -> None:
    tracker = made('vehicle')
    for k in range(6):
        tracker.update(street(detect, k), stamp_ns=stamp(k))
    ids = tracker.store.track_ids
    hits = tracker.latest_objects(stamp_ns=stamp(3))
    assert hits is not None
    np.testing.assert_array_equal(hits.track_ids, ids)
    assert not hits.frames_since_update.any()
    only = street(detect, 3)[[1]]
    tracker.update_late(only, stamp_ns=stamp(3))
    hits = tracker.latest_objects(stamp_ns=stamp(3))
    assert hits is not None
    assert len(hits) == 1
    overlap = iou_matrix(hits.observed_xyxy_px, only.boxes_xyxy_px)
    assert overlap[0, 0] > 0.9
    newest = tracker.latest_objects(stamp_ns=stamp(5))
    assert newest is not None
    np.testing.assert_array_equal(newest.track_ids, ids)


def test_latest_objects_leave_out_who_was_missed_and_know_new_ones(detect) -> None:
    tracker = made('vehicle')
    for k in range(5):
        tracker.update(street(detect, k), stamp_ns=stamp(k))
    seen = detect([box(5), [600, 600, 640, 700]])
    tracker.update(seen, stamp_ns=stamp(5))
    hits = tracker.latest_objects(stamp_ns=stamp(5))
    assert hits is not None
    np.testing.assert_array_equal(
        hits.track_ids, tracker.store.track_ids[tracker.store.frames_since_update == 0]
    )
    assert len(hits) == 2
    assert (np.diff(hits.track_ids) > 0).all()


@pytest.mark.parametrize('late_frames', [0, 16])
def test_what_went_to_no_track_is_an_object_without_id(late_frames, detect) -> None:
    tracker = made('vehicle', late_frames=late_frames)
    for k in range(5):
        tracker.update(street(detect, k), stamp_ns=stamp(k))
    seen = detect([box(5), [600, 600, 640, 700]], scores=[0.9, 0.3])  # too weak to begin a track
    tracker.update(seen, stamp_ns=stamp(5))
    found = tracker.latest_objects(stamp_ns=stamp(5))
    assert found is not None
    assert found.track_ids.tolist() == [0, 1]
    np.testing.assert_allclose(found.observed_xyxy_px[0], [600, 600, 640, 700])
    np.testing.assert_allclose(found.scores, [0.3, 0.9])
    assert not found.velocities_px_s[0].any()
    assert found.velocity_std_px_s[0] > found.velocity_std_px_s[1]
    assert len(tracker.store) == 3


def test_latest_objects_of_a_frame_that_is_not_remembered(detect) -> None:
    tracker = Tracker(TrackerConfig.of('vehicle', late_frames=2))
    for k in range(6):
        tracker.update(street(detect, k), stamp_ns=stamp(k))
    assert tracker.latest_objects(stamp_ns=stamp(0)) is None
    assert tracker.latest_objects(stamp_ns=stamp(5) + 1) is None
    assert tracker.latest_objects(stamp_ns=stamp(4)) is not None
