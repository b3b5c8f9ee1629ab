"""The prior of a training sample: how the truth is disturbed, and what a teacher has found."""

import numpy as np
import pytest

from mot_compress_ros.datatypes import Detections
from mot_compress_ros.keyframe import PriorObjects
from mot_compress_ros.tracking import Tracker, TrackerConfig
from offline_training.distillation.config import AttentionConfig, PRIORS, UPDATES
from offline_training.distillation.prior import (
    as_seen,
    disturbed,
    objects_of,
    painted,
)

SIZE = (160, 96)
NAN = [np.nan, np.nan]


def truth_of(n=400, seed=0):
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 60, (n, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(10, 40, (n, 2))], axis=1)
    return objects_of(
        boxes,
        rng.integers(0, 3, n),
        scores=np.ones(n),
        velocities_px_s=rng.normal(0, 20, (n, 2)),
        fps=10.0,
    )


@pytest.mark.parametrize('fps', [10.0, 30.0])
@pytest.mark.parametrize(('frames', 'is_known'), [(1, False), (20, True)])
def test_an_object_is_as_unsure_as_the_vehicles_tracker_is(fps, frames, is_known):
    """A tracker that follows a box of 20 by 60 pixels, or sees it for the first time."""
    tracker = Tracker(TrackerConfig())
    for frame in range(frames):
        tracker.update(
            found_by_teacher([[10 + frame, 20, 30 + frame, 80]], [0], [0.9]),
            stamp_ns=round(frame * 1e9 / fps),
            source='teacher',
            camera_motion=None,
        )
    found = objects_of(
        np.array([[10.0, 20, 30, 80]]),
        np.zeros(1, np.int64),
        scores=np.ones(1),
        velocities_px_s=np.array([[fps, 0.0] if is_known else NAN]),
        fps=fps,
    )
    store = tracker.store
    np.testing.assert_allclose(found.position_std_px, store.position_std_px, rtol=0.02)
    np.testing.assert_allclose(found.velocity_std_px_s, store.velocity_std_px_s, rtol=0.02)


def test_what_is_not_known_does_not_move():
    found = objects_of(
        np.array([[0.0, 0, 10, 80]] * 2),
        np.zeros(2, np.int64),
        scores=np.ones(2),
        velocities_px_s=np.array([[3.0, 4], NAN]),
        fps=20.0,
    )
    assert found.velocities_px_s.tolist() == [[3, 4], [0, 0]]
    assert found.velocity_std_px_s[1] > 1.5 * found.velocity_std_px_s[0]


def test_an_undisturbed_truth_keeps_all_but_its_scores():
    config = AttentionConfig(prior='truth', jitter=0.0, lost=0.0, false=0.0)
    truth = truth_of()
    found = disturbed(truth, config, np.random.default_rng(0), size_wh=SIZE)
    np.testing.assert_array_equal(found.boxes_xyxy_px, truth.boxes_xyxy_px)
    np.testing.assert_array_equal(found.velocities_px_s, truth.velocities_px_s)
    assert 0.3 <= found.scores.min() < 0.4 and 0.9 < found.scores.max() <= 1


def test_truth_is_disturbed_as_much_as_is_asked_for():
    truth = truth_of(4000)
    config = AttentionConfig(prior='truth', jitter=0.1, lost=0.25, false=0.2)
    found = disturbed(truth, config, np.random.default_rng(1), size_wh=SIZE)
    kept = 4000 * 0.75
    assert len(found) == pytest.approx(kept + 800, abs=120)
    exact = AttentionConfig(prior='truth', jitter=0.1, lost=0.0, false=0.0)
    moved = disturbed(truth, exact, np.random.default_rng(2), size_wh=SIZE)
    shift = (moved.centres_px - truth.centres_px) / truth.sizes_px
    np.testing.assert_allclose(shift.std(axis=0), 0.1, atol=0.005)
    np.testing.assert_allclose(moved.sizes_px, truth.sizes_px)
    ghosts = AttentionConfig(prior='truth', jitter=0.0, lost=1.0, false=1.0)
    placed = disturbed(truth, ghosts, np.random.default_rng(3), size_wh=SIZE)
    assert len(placed) == 4000 and (placed.velocities_px_s == 0).all()
    np.testing.assert_allclose(placed.centres_px.mean(axis=0), np.array(SIZE) / 2, rtol=0.05)
    assert placed.scores.max() <= 0.6


def found_by_teacher(boxes, class_ids, scores):
    return Detections(
        boxes_xyxy_px=np.array(boxes, np.float32).reshape(-1, 4),
        scores=np.array(scores, np.float32),
        class_ids=np.array(class_ids, np.int64),
        embeddings=np.zeros((len(scores), 0), np.float32),
    )


def test_a_teachers_objects_get_the_velocities_of_the_true_ones():
    """Of its class, at an overlap of a half: the second is elsewhere, the third another class."""
    truth = objects_of(
        np.array([[10.0, 10, 30, 30], [100, 50, 120, 70]]),
        np.array([0, 1]),
        scores=np.ones(2),
        velocities_px_s=np.array([[5.0, -3], NAN]),
        fps=10.0,
    )
    boxes = [[12, 10, 32, 30], [60, 10, 80, 30], [10, 10, 30, 30], [100, 50, 120, 70]]
    found = as_seen(found_by_teacher(boxes, [0, 0, 2, 1], [0.9, 0.8, 0.7, 0.6]), truth, fps=10.0)
    assert found.velocities_px_s.tolist() == [[5, -3], [0, 0], [0, 0], [0, 0]]
    np.testing.assert_allclose(found.scores, [0.9, 0.8, 0.7, 0.6], rtol=1e-6)
    # The object of the fourth is there, but was never seen before: as unsure as of the others.
    assert found.velocity_std_px_s.argmin() == 0
    np.testing.assert_allclose(found.velocity_std_px_s[1:], found.velocity_std_px_s[1])
    assert found.velocity_std_px_s[1] > 1.5 * found.velocity_std_px_s[0]


def test_every_find_counts_and_moves_where_its_object_was_known_before():
    truth = objects_of(
        np.array([[10.0, 10, 30, 30], [100, 50, 120, 70]]),
        np.zeros(2, np.int64),
        scores=np.ones(2),
        velocities_px_s=np.array([[5.0, -3], NAN]),
        fps=10.0,
    )
    boxes = [[10, 10, 30, 30], [100, 50, 120, 70], [60, 10, 80, 30]]
    scores = [0.25, 0.39, 0.8]
    found = as_seen(found_by_teacher(boxes, [0] * 3, scores), truth, fps=10.0)
    np.testing.assert_allclose(found.scores, scores, rtol=1e-6)
    assert found.velocities_px_s.tolist() == [[5, -3], [0, 0], [0, 0]]
    assert found.velocity_std_px_s[0] < found.velocity_std_px_s[1] == found.velocity_std_px_s[2]


def test_nothing_found_and_nothing_there():
    nothing = found_by_teacher([], [], [])
    truth = truth_of(3)
    assert len(as_seen(nothing, truth, fps=10.0)) == 0
    one = found_by_teacher([[0, 0, 9, 9]], [0], [0.5])
    assert as_seen(one, PriorObjects.empty(), fps=10.0).velocities_px_s.tolist() == [[0, 0]]
    config = AttentionConfig(prior='truth')
    rng = np.random.default_rng(0)
    assert len(disturbed(PriorObjects.empty(), config, rng, size_wh=SIZE)) == 0


@pytest.mark.parametrize('update', UPDATES)
def test_every_update_paints_where_the_object_is_by_then(update):
    """40 px/s to the right for half a second: 5 cells; `still` leaves it where it was."""
    objects = objects_of(
        np.array([[32.0, 40, 48, 56]]),
        np.array([2]),
        scores=np.full(1, 0.8),
        velocities_px_s=np.array([[40.0, 0]]),
        fps=10.0,
    )
    planes = painted(objects, update=update, age_s=0.5, n_class=3, shape_hw=(24, 40))
    y, x = np.unravel_index(planes[2].argmax(), (24, 40))
    assert (y, x) == (12, 10 if update == 'still' else 15)
    assert planes[2].max() == pytest.approx(0.8, abs=0.01)
    assert planes[3].max() == pytest.approx(0.8 * 0.5, abs=0.01)  # heat times age
    assert (planes[:2] == 0).all()


def test_the_share_of_the_teacher():
    shares = {
        prior: [AttentionConfig(prior=prior).by_teacher(p) for p in (0.0, 0.5, 1.0)]
        for prior in PRIORS
    }
    assert shares == {
        'off': [0, 0, 0],
        'truth': [0, 0, 0],
        'teacher': [1, 1, 1],
        'mixed': [0, 0.5, 1],
    }
