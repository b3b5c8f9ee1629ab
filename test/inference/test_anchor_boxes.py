"""Raw values of anchors to boxes and back, and which boxes stay."""

import numpy as np
import pytest

from mot_compress_ros.boxes import iou_matrix
from mot_compress_ros.inference.anchor_boxes import (
    best_boxes_at,
    Candidates,
    candidates_of,
    kept,
    NMS_OVERLAP,
)

ANCHORS_PX = {8: ((8, 24), (16, 48)), 16: ((32, 96), (64, 192))}
SHAPES = {8: (6, 10), 16: (3, 5)}
LOW = -9.0


def empty(n_class=1):
    """Maps (A (5 + n_class), h, w) in which nothing is."""
    maps = {s: np.zeros((2, 5 + n_class, *shape), np.float32) for s, shape in SHAPES.items()}
    for values in maps.values():
        values[:, 4] = LOW
    return maps


def found_in(maps, min_score=0.2):
    flat = {s: values.reshape(-1, *values.shape[2:]) for s, values in maps.items()}
    return candidates_of(flat, ANCHORS_PX, min_score=min_score)


def test_raw_zeros_are_the_anchor_at_the_middle_of_its_cell():
    maps = empty()
    maps[8][1, 4, 2, 3] = 0.0
    found = found_in(maps)
    np.testing.assert_allclose(found.boxes_xyxy_px, [[28 - 8, 20 - 24, 28 + 8, 20 + 24]])
    assert found.scores == pytest.approx([0.5]) and found.class_ids.tolist() == [0]


def logit(share):
    return np.log(share / (1 - share))


@pytest.mark.parametrize('stride', ANCHORS_PX)
def test_boxes_come_back_from_raw_values(stride):
    """A box written as a cell says it is the box that is read."""
    rng = np.random.default_rng(stride)
    for _ in range(20):
        maps, anchor = empty(), int(rng.integers(2))
        sides = np.array(ANCHORS_PX[stride][anchor]) * rng.uniform(0.3, 3.5, 2)
        y, x = (int(rng.integers(n)) for n in SHAPES[stride])
        centre = (np.array([x, y]) + rng.uniform(-0.4, 1.4, 2)) * stride
        place = (centre / stride - [x, y] + 0.5) / 2
        maps[stride][anchor, :2, y, x] = logit(place)
        maps[stride][anchor, 2:4, y, x] = logit(np.sqrt(sides / ANCHORS_PX[stride][anchor]) / 2)
        maps[stride][anchor, 4, y, x] = 3.0
        (box,) = found_in(maps).boxes_xyxy_px
        expected = np.concatenate([centre - sides / 2, centre + sides / 2])
        np.testing.assert_allclose(box, expected, rtol=1e-4, atol=1e-3)


def test_scores_are_of_the_object_and_its_best_class():
    maps = empty(n_class=3)
    maps[16][0, 4, 1, 1] = 1.0
    maps[16][0, 5:, 1, 1] = [-2.0, 2.0, 0.5]
    found = found_in(maps)
    assert found.class_ids.tolist() == [1]
    assert found.scores == pytest.approx([1 / (1 + np.exp(-1)) / (1 + np.exp(-2))])
    assert len(found_in(maps, min_score=0.7).scores) == 0


def test_the_best_come_first():
    maps = empty()
    for k, score in enumerate((0.5, 2.0, 1.0)):
        maps[8][0, 4, k, k] = score
    assert (np.diff(found_in(maps).scores) < 0).all()


def test_the_best_anchor_at_a_point():
    maps = empty()
    maps[16][1, 4, 1, 2] = 2.0
    flat = {s: values.reshape(-1, *values.shape[2:]) for s, values in maps.items()}
    boxes = best_boxes_at(flat, ANCHORS_PX, np.array([[35.0, 20.0], [47.9, 31.9]]))
    np.testing.assert_allclose(boxes, [[40 - 32, 24 - 96, 40 + 32, 24 + 96]] * 2)


def boxes_of(*boxes, class_ids=None, scores=None):
    n = len(boxes)
    return Candidates(
        boxes_xyxy_px=np.array(boxes, np.float64),
        scores=np.array(scores or np.linspace(0.9, 0.5, n), np.float32),
        class_ids=np.array(class_ids or [0] * n, np.int64),
    )


def test_a_worse_box_of_one_object_goes():
    found = boxes_of((0, 0, 10, 20), (1, 0, 11, 20), (30, 0, 40, 20))
    assert kept(found, most=9).tolist() == [0, 2]
    assert kept(found, most=1).tolist() == [0]


def test_boxes_of_other_classes_stay():
    assert kept(boxes_of((0, 0, 10, 20), (0, 0, 10, 20), class_ids=[0, 1]), most=9).tolist() == [
        *(0, 1)
    ]


def test_what_is_near_in_overlap_but_far_in_place_stays():
    """IoU 0.6364 is above the bound, DIoU by its distance below it."""
    a, b = (0, 0, 90, 10), (20, 0, 110, 10)
    assert iou_matrix(np.array([a]), np.array([b]))[0, 0] == pytest.approx(70 / 110)
    distance = 20**2 / (110**2 + 10**2)
    assert 70 / 110 - distance > NMS_OVERLAP
    c = (22, 0, 112, 10)
    assert 68 / 112 > NMS_OVERLAP > 68 / 112 - 22**2 / (112**2 + 10**2)
    assert kept(boxes_of(a, b), most=9).tolist() == [0]
    assert kept(boxes_of(a, c), most=9).tolist() == [0, 1]


def test_a_box_that_went_takes_no_other_with_it():
    """The third overlaps the second, which is gone."""
    found = boxes_of((0, 0, 10, 10), (2, 0, 12, 10), (4.5, 0, 14.5, 10))
    assert kept(found, most=9).tolist() == [0, 2]


def test_the_same_as_pair_by_pair():
    """Against a plain double loop."""
    rng = np.random.default_rng(0)
    low = rng.uniform(0, 40, (60, 2))
    boxes = np.concatenate([low, low + rng.uniform(10, 30, (60, 2))], axis=1)
    found = boxes_of(*boxes, class_ids=rng.integers(0, 2, 60).tolist())
    expected = []
    for k in range(60):
        if all(not covers(boxes[j], boxes[k]) or found.class_ids[j] != found.class_ids[k]
               for j in expected):  # fmt: skip
            expected.append(k)
    assert kept(found, most=99).tolist() == expected and 10 < len(expected) < 60


def covers(a, b):
    iou = iou_matrix(a[None], b[None])[0, 0]
    hull = np.maximum(a[2:], b[2:]) - np.minimum(a[:2], b[:2])
    between = (a[:2] + a[2:] - b[:2] - b[2:]) / 2
    return iou - (between**2).sum() / (hull**2).sum() > NMS_OVERLAP


def test_no_boxes():
    assert kept(found_in(empty()), most=9).tolist() == []
