"""How well what the student sees fits to what it was told."""

from itertools import permutations

import numpy as np
import pytest

from mot_compress_ros.boxes import iou_matrix
from mot_compress_ros.datatypes import Detections
from mot_compress_ros.keyframe import CarriedPrior, disagreement, PriorObjects
from mot_compress_ros.preprocess import letterbox

A, B, C = (10, 10, 30, 50), (60, 10, 80, 50), (110, 10, 130, 50)
_, SQUARE_IN_WIDE = letterbox(np.zeros((96, 160, 3), np.uint8), size_wh=(192, 96))


def told(boxes, *, scores=0.8, class_ids=0):
    n = len(boxes)
    of = PriorObjects(
        boxes_xyxy_px=np.array(boxes, float).reshape(-1, 4),
        scores=np.broadcast_to(scores, n),
        class_ids=np.broadcast_to(class_ids, n),
        velocities_px_s=np.zeros((n, 2)),
        position_std_px=np.zeros(n),
        velocity_std_px_s=np.zeros(n),
    )
    return CarriedPrior(
        update='render',
        age_s=0.1,
        objects=of,
        start=of,
        heatmap=np.zeros((3, 24, 48), np.float32),
        transform=SQUARE_IN_WIDE,
    )


def seen(boxes, *, scores=0.8, class_ids=0):
    n = len(boxes)
    return Detections(
        boxes_xyxy_px=np.array(boxes, float).reshape(-1, 4),
        scores=np.broadcast_to(scores, n),
        class_ids=np.broadcast_to(class_ids, n),
        embeddings=np.zeros((n, 0)),
    )


@pytest.mark.parametrize(
    ('expected', 'found', 'value'),
    [
        ([], [], 0),
        ([A], [], 1),
        ([], [A], 1),
        ([A], [A], 0),
        ([A, B], [B, A], 0),
        ([A], [B], 1),
        ([A, B], [A], 1 / 3),
        ([A], [A, B], 1 / 3),
        ([A, B], [A, C], 1 / 2),
        ([A], [A, A], 1 / 3),  # no object twice
        ([A, A], [A], 1 / 3),  # no detection twice
        ([A, B, C], [A, B, C], 0),
    ],
)
def test_by_hand(expected, found, value):
    assert disagreement(told(expected), seen(found)) == pytest.approx(value)


@pytest.mark.parametrize(('overlap', 'value'), [(12.0, 0), (9.5, 0), (9.0, 1)])
def test_an_overlap_of_three_tenths_is_enough(overlap, value):
    """Of two boxes of 20 pixels beside each other: overlap / (40 - overlap)."""
    beside = (30 - overlap, 10, 50 - overlap, 50)
    assert disagreement(told([A]), seen([beside])) == value


def test_classes_are_told_apart():
    assert disagreement(told([A], class_ids=1), seen([A], class_ids=2)) == 1
    assert disagreement(told([A, A], class_ids=[1, 2]), seen([A, A], class_ids=[2, 1])) == 0


def test_only_what_is_inside_the_image_counts():
    left, right = (-30, 10, 20, 50), (150, 10, 172, 50)  # centres at -5 and 161
    assert disagreement(told([A, left, right]), seen([A])) == 0
    assert disagreement(told([A, (-10, 10, 14, 50)]), seen([A])) == pytest.approx(1 / 3)
    assert disagreement(told([A, (np.nan,) * 4]), seen([A])) == 0


def test_detections_count_from_the_weakest_object_or_three_tenths():
    weak = seen([A, B], scores=[0.8, 0.25])
    assert disagreement(told([A]), weak) == 0
    assert disagreement(told([]), seen([B], scores=0.25)) == 0
    assert disagreement(told([]), seen([B], scores=0.3)) == 1
    assert disagreement(told([A, C], scores=[0.8, 0.25]), weak) == pytest.approx(1 / 2)
    # A teacher that is very sure does not make the student's good detections vanish.
    assert disagreement(told([A], scores=0.95), seen([A], scores=0.5)) == 0


def test_a_pair_is_given_up_where_two_can_be_had_for_it():
    """Greedily the best overlap would take the only partner of another object."""
    first, second = (10, 10, 30, 50), (18, 10, 38, 50)
    left, middle = (2, 10, 22, 50), (11, 10, 31, 50)
    iou = iou_matrix(np.array([first, second]), np.array([left, middle]))
    assert iou[0].argmax() == 1  # the first would rather have the middle one
    assert iou[1, 0] < 0.3 < iou[1, 1]  # and the second can have no other
    assert disagreement(told([first, second]), seen([left, middle])) == 0


@pytest.mark.parametrize('seed', range(20))
def test_as_many_pairs_as_there_can_be_in_any_order(seed):
    rng = np.random.default_rng(seed)
    n, m = rng.integers(1, 6, 2)
    boxes = [
        np.concatenate([low := rng.uniform(10, 60, (k, 2)), low + rng.uniform(15, 40, (k, 2))], 1)
        for k in (n, m)
    ]
    ids = [rng.integers(0, 2, k) for k in (n, m)]
    legal = (iou_matrix(*boxes) >= 0.3) & (ids[0][:, None] == ids[1])
    wide = legal if n <= m else legal.T
    most = max(
        sum(wide[i, j] for i, j in enumerate(columns))
        for columns in permutations(range(wide.shape[1]), wide.shape[0])
    )
    expected = 1 - 2 * most / (n + m)
    for a, b in ((slice(None), slice(None)), (slice(None, None, -1), rng.permutation(m))):
        got = disagreement(
            told(boxes[0][a], class_ids=ids[0][a]), seen(boxes[1][b], class_ids=ids[1][b])
        )
        assert got == pytest.approx(expected)
