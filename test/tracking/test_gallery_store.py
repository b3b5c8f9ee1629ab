"""What tracks remember, and the columns they are kept in."""

from dataclasses import fields, replace

import numpy as np
import pytest

from mot_compress_ros.datatypes import TrackState
from mot_compress_ros.errors import InvalidDataError
from mot_compress_ros.tracking import life, TrackerConfig
from mot_compress_ros.tracking.gallery import Gallery, unit_length
from mot_compress_ros.tracking.motion import MODELS, NoiseWeights
from mot_compress_ros.tracking.seen import look_at
from mot_compress_ros.tracking.store import TrackStore

X, Y = np.eye(2, dtype=np.float32)


def blended(gallery: Gallery, rows: list[int], vectors: list, space: str = 'a') -> Gallery:
    return gallery.blend(np.array(rows), np.array(vectors), space=space, momentum=0.9)


def test_the_first_embedding_is_taken_whole_and_later_ones_averaged_and_renormalised() -> None:
    gallery = blended(Gallery(2), [1], [X])
    np.testing.assert_array_equal(gallery.space('a', dim=2).vectors[1], X)
    np.testing.assert_array_equal(gallery.space('a', dim=2).known, [False, True])
    gallery = blended(gallery, [1], [Y])
    wanted = np.array([0.9, 0.1]) / np.hypot(0.9, 0.1)
    np.testing.assert_allclose(gallery.space('a', dim=2).vectors[1], wanted, rtol=1e-6)


def test_spaces_are_kept_apart_and_may_differ_in_dimension() -> None:
    gallery = blended(blended(Gallery(1), [0], [X], 'student'), [0], [np.ones(3, 'f4')], 'teacher')
    np.testing.assert_array_equal(gallery.space('student', dim=2).vectors[0], X)
    np.testing.assert_allclose(gallery.space('teacher', dim=3).vectors[0], 3**-0.5, rtol=1e-6)
    assert not gallery.space('another', dim=5).known.any()


def test_a_changed_dimension_is_refused_by_name() -> None:
    gallery = blended(Gallery(1), [0], [X], 'student')
    with pytest.raises(InvalidDataError, match=r"'student'.*expected 2 .*got 3"):
        gallery.space('student', dim=3)


def test_an_embedding_without_length_changes_nothing() -> None:
    gallery = blended(Gallery(2), [0, 1], [X, [0, 0]])
    np.testing.assert_array_equal(gallery.space('a', dim=2).known, [True, False])
    vectors, usable = unit_length(np.array([[3, 4], [0, 0]], np.float32))
    np.testing.assert_allclose(vectors, [[0.6, 0.8], [0, 0]])
    np.testing.assert_array_equal(usable, [True, False])


def test_blend_leaves_the_old_gallery_alone() -> None:
    old = blended(Gallery(1), [0], [X])
    blended(old, [0], [Y])
    np.testing.assert_array_equal(old.space('a', dim=2).vectors[0], X)


def test_put_takes_over_rows_and_leaves_other_spaces_and_the_old_gallery_alone() -> None:
    old = blended(blended(Gallery(3), [0, 1], [X, X], 'a'), [1], [Y], 'b')
    put = old.put(np.array([1, 2]), blended(Gallery(2), [1], [Y], 'a'))
    np.testing.assert_array_equal(put.space('a', dim=2).known, [True, False, True])
    np.testing.assert_array_equal(put.space('a', dim=2).vectors[[0, 2]], [X, Y])
    np.testing.assert_array_equal(put.space('b', dim=2).known, [False, True, False])
    np.testing.assert_array_equal(old.space('a', dim=2).known, [True, True, False])


def test_other_columns_leave_the_old_store_as_it_was() -> None:
    old = TrackStore.empty(MODELS['xyah'](NoiseWeights()))
    new = old.having(track_ids=np.array([7]))
    assert (len(old), len(new)) == (0, 1)
    for f in fields(TrackStore):
        if f.name != 'track_ids':
            assert getattr(new, f.name) is getattr(old, f.name)


def test_rows_and_joins_keep_vectors_with_their_tracks() -> None:
    left = blended(Gallery(2), [0, 1], [X, Y], 'a')
    right = blended(Gallery(1), [0], [Y], 'b')
    both = left.join(right)
    assert both.size == 3
    np.testing.assert_array_equal(both.space('a', dim=2).known, [True, True, False])
    np.testing.assert_array_equal(both.space('b', dim=2).known, [False, False, True])
    kept = both[np.array([False, True, True])]
    assert kept.size == 2
    np.testing.assert_array_equal(kept.space('a', dim=2).vectors[0], Y)
    assert 'a' not in both[np.array([2])].spaces  # nobody is left who was seen in it


def test_joined_spaces_of_two_dimensions_are_refused() -> None:
    with pytest.raises(InvalidDataError, match=r"'a'.*expected 2 .*got 3|'a'.*expected 3 .*got 2"):
        blended(Gallery(1), [0], [X]).join(blended(Gallery(1), [0], [np.ones(3, 'f4')]))


MODEL = MODELS['xywh'](NoiseWeights())


def begun(detect, xs: list[float], *, first_id: int = 1, looks: bool = True) -> TrackStore:
    """Tracks of 40 x 80 px at these places, each with a look of its own."""
    numbers = [int(x) % 16 for x in xs] if looks else None
    seen, _ = look_at(detect([[x, 0, x + 40, 80] for x in xs], looks=numbers), min_score=0.0)
    config = TrackerConfig.of('ocsort')
    return life.begun(seen, MODEL, config, first_id=first_id, stamp_ns=7, warm_up=False)


def test_an_empty_store_joins_and_has_no_boxes(detect) -> None:
    empty = TrackStore.empty(MODEL)
    assert len(empty.join(empty)) == 0
    assert empty.boxes_xyxy_px.shape == (0, 4)
    assert len(empty[np.zeros(0, bool)]) == 0
    assert not empty.is_in(TrackState.LOST).any()
    some = begun(detect, [0, 100])
    joined = TrackStore.empty(MODEL, recent_frames=3).join(some)
    np.testing.assert_array_equal(joined.boxes_xyxy_px, some.boxes_xyxy_px)
    assert some.join(empty) is some


@pytest.mark.parametrize('looks', [True, False])
def test_rows_and_joins_keep_every_column_of_a_track_together(looks, detect) -> None:
    left, right = begun(detect, [0, 101, 202], looks=looks), begun(detect, [303, 404], first_id=4)
    both = left.join(right)
    assert both.track_ids.tolist() == [1, 2, 3, 4, 5]
    np.testing.assert_allclose(both.boxes_xyxy_px[:, 0], [0, 101, 202, 303, 404])
    for rows in (np.array([3, 0]), np.array([True, False, False, True, False])):
        chosen = both[rows]
        numbers = np.arange(5)[rows]
        np.testing.assert_array_equal(chosen.track_ids, numbers + 1)
        for f in fields(TrackStore):
            column, whole = getattr(chosen, f.name), getattr(both, f.name)
            if isinstance(column, np.ndarray):
                assert len(column) == 2
                np.testing.assert_array_equal(column, whole[rows])
        np.testing.assert_array_equal(chosen.motion.mean, both.motion.mean[rows])
        np.testing.assert_array_equal(chosen.anchors.mean, both.anchors.mean[rows])
        space = both.gallery.space('student', dim=16)
        remembered = chosen.gallery.space('student', dim=16)
        np.testing.assert_array_equal(remembered.vectors, space.vectors[rows])
        np.testing.assert_array_equal(remembered.known, space.known[rows])


def test_a_state_is_asked_for_by_mask(detect) -> None:
    store = begun(detect, [0, 100, 200])
    states = [TrackState.LOST, TrackState.CONFIRMED, TrackState.LOST]
    store = replace(store, states=np.array(states, np.int64))
    assert store.is_in(TrackState.LOST).tolist() == [True, False, True]
    assert store.is_in(TrackState.CONFIRMED).tolist() == [False, True, False]
    assert not store.is_in(TrackState.TENTATIVE).any()
