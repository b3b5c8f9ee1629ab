"""What late evidence begins, what it finds again, and whose detections it may take."""

from __future__ import annotations

from late_worlds import (
    assert_same_store,
    box,
    Detect,
    every_kind,
    made,
    remembered,
    stamp,
)
import numpy as np
import pytest

from mot_compress_ros.datatypes import TrackState
from mot_compress_ros.tracking import Tracker, TrackerConfig


def two_objects(detect: Detect) -> Tracker:
    """After ten frames, of which all show one object and the last four another one."""
    tracker = made()
    for k in range(10):
        seen = [box(k, x=700)] + ([box(k)] if k >= 6 else [])
        tracks = tracker.update(detect(seen), stamp_ns=stamp(k))
    assert tracks.track_ids.tolist() == [1, 2]
    return tracker


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


@every_kind
def test_of_two_that_meet_one_later_born_track_one_is_a_duplicate(name, detect) -> None:
    """One meets its own detection, the other one a late detection that it was given."""
    tracker = made(name, confirm_hits=1)  # a miss ends none of the two
    for k in range(6):
        tracker.update(detect([box(0)] if k == 5 else []), stamp_ns=stamp(k))
    assert tracker.update_late(detect([box(0, x=110)]), stamp_ns=stamp(5)).matched == 1
    two = detect([box(0, x=92), box(0, x=118)])
    assert tracker.update_late(two, stamp_ns=stamp(4)).begun == 2
    assert tracker.store.track_ids.tolist() == [1]
    assert tracker.store.hits.tolist() == [3]
    assert tracker.store.started_ns.tolist() == [stamp(4)]
    assert [r.tracks.track_ids.tolist() for r in remembered(tracker)] == [[]] * 4 + [[1]] * 2


def test_an_object_that_no_frame_shows_gets_a_new_id(detect) -> None:
    tracker = two_objects(detect)
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
    tracker = two_objects(detect)
    outcome = tracker.update_late(detect([box(4, x=1200)]), stamp_ns=stamp(4))
    assert (outcome.begun, tracker.store.track_ids.tolist()) == (1, [1, 2])
    tracker.update(detect([box(10), box(10, x=1200), box(10, x=1600)]), stamp_ns=stamp(10))
    assert tracker.store.track_ids.tolist() == [1, 2, 4, 5]  # 3 was given, and is never again


def test_a_weak_late_detection_begins_nothing(detect) -> None:
    tracker = two_objects(detect)
    late = detect([box(9, x=1200)], scores=tracker.config.new_track_score - 0.01)
    assert tracker.update_late(late, stamp_ns=stamp(9)).begun == 0
    assert tracker.store.track_ids.tolist() == [1, 2]


@pytest.mark.parametrize(('name', 'score'), [('fairmot', 0.3), ('byte', 0.65)])
def test_a_duplicate_ends_as_if_it_had_never_been(name, score, detect) -> None:
    """It took what nobody had, too weak to begin a track, and then met what an older track got."""
    tracker = made(name)
    weak = np.array([[100, 100, 140, 180], [131, 100, 171, 180]])
    for k in range(6):
        tracker.update(detect([box(0)]), stamp_ns=stamp(k))
    tracker.update(detect(weak, scores=[0.9, score]), stamp_ns=stamp(6))
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
    alive.update(detect(weak, scores=[0.9, score]), stamp_ns=stamp(6))
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
