"""Short scenes of which the truth is known, told in boxes."""

import numpy as np
import pytest

from mot_compress_ros.datatypes import Tracks, TrackState
from mot_compress_ros.tracking import Tracker, TrackerConfig

FPS = 30


def box_at(x: float, y: float = 200.0, *, w: float = 40.0, h: float = 100.0) -> tuple:
    return x - w / 2, y - h / 2, x + w / 2, y + h / 2


def ids_at(tracks: Tracks) -> dict[float, int]:
    """Id of each track by the rounded x of its centre."""
    x = tracks.boxes_xyxy_px[:, [0, 2]].mean(axis=1)
    return dict(zip(np.round(x).tolist(), tracks.track_ids.tolist(), strict=True))


def stamp(frame: float) -> int:
    return int(frame * 1e9 / FPS)


@pytest.mark.parametrize('looks', [[0, 1], [0, 0]], ids=['distinct', 'look-alikes'])
def test_two_that_cross_keep_their_ids(detect, looks) -> None:
    tracker = Tracker(TrackerConfig.of('fairmot'))
    for k in range(60):
        left, right = 100 + 5 * k, 400 - 5 * k
        boxes = [box_at(left, 200), box_at(right, 210)]
        tracks = tracker.update(detect(boxes, looks=looks), stamp_ns=stamp(k))
        assert tracks.track_ids.tolist() == [1, 2]
        x = tracks.boxes_xyxy_px[:, [0, 2]].mean(axis=1)
        np.testing.assert_allclose(x, [left, right], atol=6)


@pytest.mark.parametrize('missed', [1, 5, 15, 28])
def test_an_occluded_object_comes_back_under_its_id(detect, missed) -> None:
    tracker = Tracker(TrackerConfig.of('fairmot'))
    for k in range(80):
        hidden = 30 <= k < 30 + missed
        boxes, looks = ([], []) if hidden else ([box_at(100 + 3 * k)], [0])
        tracks = tracker.update(detect(boxes, looks=looks), stamp_ns=stamp(k))
        assert tracks.track_ids.tolist() == ([] if hidden else [1])


def test_an_occlusion_longer_than_the_buffer_ends_the_track(detect) -> None:
    tracker = Tracker(TrackerConfig.of('fairmot'))
    for k in range(80):
        hidden = 30 <= k < 65
        boxes, looks = ([], []) if hidden else ([box_at(100)], [0])
        tracks = tracker.update(detect(boxes, looks=looks), stamp_ns=stamp(k))
    assert tracks.track_ids.tolist() == [2]


def test_of_two_that_return_the_embedding_says_who_is_who(detect) -> None:
    tracker = Tracker(TrackerConfig.of('fairmot'))
    for k in range(20):
        tracker.update(detect([box_at(100), box_at(130)], looks=[0, 1]), stamp_ns=stamp(k))
    for k in range(20, 28):
        tracker.update(detect([]), stamp_ns=stamp(k))
    # They come back with their places swapped.
    tracks = tracker.update(detect([box_at(130), box_at(100)], looks=[0, 1]), stamp_ns=stamp(28))
    seen = dict(zip(tracks.track_ids.tolist(), tracks.boxes_xyxy_px[:, 0], strict=True))
    assert seen[1] > seen[2]


@pytest.mark.parametrize('looks', [[0], None], ids=['embedding', 'overlap only'])
def test_dropped_frames_are_bridged_by_their_stamps(detect, looks) -> None:
    tracker = Tracker(TrackerConfig.of('fairmot'))
    for k in [*range(20), 27, 28, 33]:  # 8 px a frame: 56 px in the gap, more than a box
        boxes = [box_at(100 + 8 * k)]
        tracks = tracker.update(detect(boxes, looks=looks), stamp_ns=stamp(k))
        assert tracks.track_ids.tolist() == [1]
        assert tracks.boxes_xyxy_px[0, 0] == pytest.approx(100 + 8 * k - 20, abs=8)


def test_empty_frames_age_tracks(detect) -> None:
    tracker = Tracker(TrackerConfig.of('fairmot'))
    tracker.update(detect([box_at(100)], looks=[0]), stamp_ns=stamp(0))
    for k in range(1, 4):
        assert len(tracker.update(detect([]), stamp_ns=stamp(k))) == 0
        assert tracker.store.ages.tolist() == [k + 1]
        assert tracker.store.frames_since_update.tolist() == [k]
        assert tracker.store.states.tolist() == [TrackState.LOST]
    tracks = tracker.update(detect([box_at(100)], looks=[0]), stamp_ns=stamp(4))
    assert (tracks.ages[0], tracks.hits[0], tracks.frames_since_update[0]) == (5, 2, 0)


@pytest.mark.parametrize('fps', [60, 30, 10])
def test_velocities_are_pixels_per_second_at_any_frame_rate(detect, fps) -> None:
    tracker = Tracker(TrackerConfig.of('fairmot'))
    for k in range(3 * fps):
        t = k / fps
        box = box_at(100 + 90 * t, 200 - 45 * t)
        tracks = tracker.update(detect([box], looks=[0]), stamp_ns=int(t * 1e9))
    np.testing.assert_allclose(tracks.velocities_px_s, [[90, -45]], atol=1.5)


def test_what_is_published_is_the_latest_detections_score_class_and_source(detect) -> None:
    tracker = Tracker(TrackerConfig.of('fairmot'))
    tracker.update(detect([box_at(100)], classes=2), stamp_ns=stamp(0))
    frame = detect([box_at(101)], classes=2, scores=0.55)
    tracks = tracker.update(frame, stamp_ns=stamp(1), source='teacher')
    assert tracks.scores[0] == np.float32(0.55)
    assert tracks.class_ids.tolist() == [2]
    assert tracks.states.tolist() == [TrackState.CONFIRMED]
    assert (tracks.stamp_ns, tracks.source) == (stamp(1), 'teacher')


def test_low_scores_neither_begin_a_track_nor_hurt_one(detect) -> None:
    tracker = Tracker(TrackerConfig.of('fairmot'))
    for k in range(10):
        boxes = [box_at(100), box_at(300)]
        frame = detect(boxes, scores=[0.9 if k == 0 else 0.35, 0.35], looks=[0, 1])
        assert ids_at(tracker.update(frame, stamp_ns=stamp(k))) == {100: 1}


def test_one_of_each_class_on_the_same_spot_stay_two(detect) -> None:
    tracker = Tracker(TrackerConfig.of('fairmot'))
    for k in range(10):
        boxes = [box_at(100 + k), box_at(102 + k)]
        tracks = tracker.update(
            detect(boxes, classes=[0, 1], looks=[0, 0], scores=[0.9, 0.8]), stamp_ns=stamp(k)
        )
        assert tracks.track_ids.tolist() == [1, 2]
        assert tracks.class_ids.tolist() == [0, 1]


def test_teacher_and_student_embeddings_are_never_compared(detect) -> None:
    tracker = Tracker(TrackerConfig.of('fairmot'))
    # The student calls them 0 and 1; in the teacher's space the same numbers mean the others.
    for k in range(24):
        teacher = k % 4 == 0
        frame = detect(
            [box_at(100 + 2 * k), box_at(135 + 2 * k)],
            scores=[0.9, 0.8],
            looks=[1, 0] if teacher else [0, 1],
            space='teacher' if teacher else 'student',
        )
        tracks = tracker.update(frame, stamp_ns=stamp(k))
        assert tracks.track_ids.tolist() == [1, 2]
        assert tracks.boxes_xyxy_px[0, 0] < tracks.boxes_xyxy_px[1, 0]
    gallery = tracker.store.gallery
    for space, looks in (('teacher', [1, 0]), ('student', [0, 1])):
        remembered = gallery.space(space, dim=16)
        assert remembered.known.all()
        assert remembered.vectors.argmax(axis=1).tolist() == looks


def test_a_lost_track_without_an_embedding_in_this_space_is_found_by_overlap(detect) -> None:
    for looks in ([0], None):  # a teacher frame, or a detector without re-ID
        tracker = Tracker(TrackerConfig.of('fairmot'))
        tracker.update(detect([box_at(100)], looks=[0]), stamp_ns=stamp(0))
        tracker.update(detect([]), stamp_ns=stamp(1))
        frame = detect([box_at(108)], looks=looks, space='teacher')
        assert tracker.update(frame, stamp_ns=stamp(2)).track_ids.tolist() == [1]


def test_a_detector_without_embeddings_bridges_a_flicker(detect) -> None:
    tracker = Tracker(TrackerConfig.of('fairmot'))
    for k in range(30):
        shown = k % 3 != 2
        frame = detect([box_at(100 + 2 * k)] if shown else [])
        assert tracker.update(frame, stamp_ns=stamp(k)).track_ids.tolist() == [1] * shown


def test_reset_forgets_tracks_and_stamps_but_not_ids(detect) -> None:
    tracker = Tracker(TrackerConfig.of('fairmot'))
    tracker.update(detect([box_at(100), box_at(300)]), stamp_ns=stamp(100))
    tracker.reset()
    assert len(tracker.store) == 0
    assert ids_at(tracker.update(detect([box_at(100)]), stamp_ns=stamp(0))) == {100: 3}


def test_a_snapshot_of_the_store_does_not_change(detect) -> None:
    tracker = Tracker(TrackerConfig.of('fairmot'))
    tracker.update(detect([box_at(100)], looks=[0]), stamp_ns=stamp(0))
    kept = tracker.store
    mean, look = kept.motion.mean.copy(), kept.gallery.space('student', dim=16).vectors.copy()
    for k in range(1, 5):
        tracker.update(detect([box_at(100 + 9 * k)], looks=[k]), stamp_ns=stamp(k))
    np.testing.assert_array_equal(kept.motion.mean, mean)
    np.testing.assert_array_equal(kept.gallery.space('student', dim=16).vectors, look)
    assert kept.hits.tolist() == [1]


def test_a_pause_of_an_hour_is_survived(detect) -> None:
    tracker = Tracker(TrackerConfig.of('fairmot'))
    for k in range(30):
        tracker.update(detect([box_at(100 + 3 * k, h=100 - k)], looks=[0]), stamp_ns=stamp(k))
    for k in range(3):
        frame = detect([box_at(500)], looks=[1])
        tracks = tracker.update(frame, stamp_ns=stamp(108_000 + k))
    assert len(tracks) == 1
    np.testing.assert_allclose(tracks.boxes_xyxy_px[0], box_at(500), atol=2)
