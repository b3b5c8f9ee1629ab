"""The values of the pipeline: what they accept, what they refuse, that they never change."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from mot_compress_ros.datatypes import Detections, Frame, Tracks, TrackState
from mot_compress_ros.errors import InvalidDataError


def detections(**changes: object) -> Detections:
    values: dict = {
        'boxes_xyxy_px': [[0, 0, 10, 20], [5, 5, 6, 6]],
        'scores': [0.9, 0.5],
        'class_ids': [0, 2],
        'embeddings': [[1, 0], [0, 1]],
        'embedding_space': 'student',
    }
    return Detections(**{**values, **changes})


def tracks(**changes: object) -> Tracks:
    values: dict = {
        'stamp_ns': 7,
        'boxes_xyxy_px': [[0, 0, 10, 20], [5, 5, 6, 6]],
        'scores': [0.9, 0.5],
        'class_ids': [0, 2],
        'track_ids': [3, 8],
        'velocities_px_s': [[1, 2], [3, 4]],
        'states': [TrackState.CONFIRMED, TrackState.LOST],
        'ages': [5, 6],
        'hits': [4, 2],
        'frames_since_update': [0, 1],
    }
    return Tracks(**{**values, **changes})


@pytest.mark.parametrize(
    'image',
    [
        np.zeros((4, 5), np.uint8),
        np.zeros((4, 5, 4), np.uint8),
        np.zeros((4, 5, 3), np.float32),
        np.zeros((0, 5, 3), np.uint8),
        np.zeros((4, 0, 3), np.uint8),
    ],
)
def test_frame_refuses_other_images(image: np.ndarray) -> None:
    with pytest.raises(InvalidDataError, match=r'\(H, W, 3\) uint8'):
        Frame(image=image, stamp_ns=0)


def test_frame_refuses_another_color_order() -> None:
    with pytest.raises(InvalidDataError, match="got 'gbr'"):
        Frame(image=np.zeros((4, 5, 3), np.uint8), stamp_ns=0, color_order='gbr')


def test_frame_keeps_the_image_without_a_copy_and_knows_its_size() -> None:
    image = np.zeros((4, 5, 3), np.uint8)
    frame = Frame(image=image, stamp_ns=0)
    assert frame.image is image
    assert frame.size_wh == (5, 4)
    with pytest.raises(FrozenInstanceError):
        frame.stamp_ns = 1  # type: ignore[misc]


def test_detections_convert_types_and_lock_their_columns() -> None:
    value = detections()
    assert value.boxes_xyxy_px.dtype == value.scores.dtype == value.embeddings.dtype == np.float32
    assert value.class_ids.dtype == np.int64
    for column in (value.boxes_xyxy_px, value.scores, value.class_ids, value.embeddings):
        with pytest.raises(ValueError, match='read-only'):
            column[0] = 0


def test_detections_do_not_share_memory_with_what_they_were_made_from() -> None:
    scores = np.array([0.9, 0.5], np.float32)
    value = detections(scores=scores)
    scores[0] = 0.1
    assert value.scores[0] == np.float32(0.9)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'boxes_xyxy_px': [[0, 0, 10]]}, r'boxes_xyxy_px: expected shape .*got \(1, 3\)'),
        ({'boxes_xyxy_px': [[0, 0, 1, 1], [0, 0]]}, 'expected an array of numbers'),
        ({'boxes_xyxy_px': [[0, 0, np.nan, 1], [0, 0, 1, 1]]}, 'NaN or infinity'),
        ({'boxes_xyxy_px': [[0, 0, 1e300, 1], [0, 0, 1, 1]]}, 'NaN or infinity'),
        ({'boxes_xyxy_px': [[9, 0, 1, 1], [0, 0, 1, 1]]}, 'x2 >= x1'),
        ({'scores': [0.9]}, r'scores: expected shape \(2,\), got \(1,\)'),
        ({'scores': [0.9, 1.01]}, r'0\.\.1'),
        ({'scores': [-0.01, 1]}, r'0\.\.1'),
        ({'scores': ['high', 'low']}, 'expected an array of numbers'),
        ({'class_ids': [0.5, 1]}, 'class_ids: expected whole numbers'),
        ({'class_ids': [np.nan, 1]}, 'class_ids: expected whole numbers'),
        ({'embeddings': [[1, 0]]}, r'embeddings: expected shape \(2, .any.\)'),
        ({'embeddings': [[1, np.inf], [0, 1]]}, 'NaN or infinity'),
    ],
)
def test_detections_refuse_and_say_why(changes: dict, message: str) -> None:
    with pytest.raises(InvalidDataError, match=message):
        detections(**changes)


def test_whole_numbers_may_come_as_floats() -> None:
    assert detections(class_ids=np.array([0.0, 2.0])).class_ids.tolist() == [0, 2]


@pytest.mark.parametrize('index', [[1], np.array([1]), np.array([False, True]), slice(1, 2)])
def test_rows_of_detections(index: object) -> None:
    row = detections()[index]
    assert len(row) == 1
    assert row.class_ids.tolist() == [2]
    assert row.embedding_space == 'student'


def test_no_detections() -> None:
    none = Detections.empty(embedding_dim=64, embedding_space='teacher')
    assert len(none) == 0
    assert none.embeddings.shape == (0, 64)
    assert none.embedding_space == 'teacher'
    from_lists = Detections(boxes_xyxy_px=[], scores=[], class_ids=[], embeddings=[])
    assert from_lists.boxes_xyxy_px.shape == (0, 4)
    assert len(detections()[np.zeros(2, bool)]) == 0


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'track_ids': [3, 3]}, 'an id stands twice'),
        ({'track_ids': [0, 3]}, 'ids of 1 and above'),
        ({'track_ids': [3]}, r'track_ids: expected shape \(2,\)'),
        ({'velocities_px_s': [[1, 2, 3], [3, 4, 5]]}, r'velocities_px_s: expected shape \(2, 2\)'),
        ({'velocities_px_s': [[1, np.inf], [3, 4]]}, 'NaN or infinity'),
        ({'ages': [1.5, 2]}, 'whole numbers'),
    ],
)
def test_tracks_refuse_and_say_why(changes: dict, message: str) -> None:
    with pytest.raises(InvalidDataError, match=message):
        tracks(**changes)


def test_rows_of_tracks_keep_the_stamp_and_the_source() -> None:
    row = tracks(source='teacher')[np.array([False, True])]
    assert (row.stamp_ns, row.source) == (7, 'teacher')
    assert row.track_ids.tolist() == [8]
    assert row.velocities_px_s.tolist() == [[3, 4]]
    assert row.frames_since_update.tolist() == [1]


def test_no_tracks() -> None:
    none = Tracks.empty(stamp_ns=5, source='teacher')
    assert (len(none), none.stamp_ns, none.source) == (0, 5, 'teacher')
    assert none.boxes_xyxy_px.shape == (0, 4)
    assert none.velocities_px_s.shape == (0, 2)
