"""Box maths on worked examples and on random boxes."""

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from mot_compress_ros import boxes

BOXES = np.array([[10, 20, 50, 100], [-5, -8, 5, 12], [0.5, 0.25, 1.5, 2.25]])

coordinate = st.floats(-2000, 4000, allow_nan=False)
side = st.floats(0.5, 3000)
random_boxes = st.lists(st.tuples(coordinate, coordinate, side, side), max_size=8).map(
    lambda rows: boxes.xywh_to_xyxy(np.array(rows, np.float64).reshape(-1, 4))
)


def test_xyah_of_a_known_box() -> None:
    np.testing.assert_allclose(boxes.xyxy_to_xyah(BOXES[:1]), [[30, 60, 0.5, 80]])


def test_xywh_of_a_known_box() -> None:
    np.testing.assert_allclose(boxes.xyxy_to_xywh(BOXES[1:2]), [[-5, -8, 10, 20]])


@given(random_boxes)
def test_forms_can_be_undone(corners: np.ndarray) -> None:
    there_and_back = boxes.xyah_to_xyxy(boxes.xyxy_to_xyah(corners))
    np.testing.assert_allclose(there_and_back, corners, atol=1e-8)
    np.testing.assert_allclose(boxes.xywh_to_xyxy(boxes.xyxy_to_xywh(corners)), corners, atol=1e-8)


def test_area() -> None:
    np.testing.assert_allclose(boxes.area(BOXES), [3200, 200, 2])


@pytest.mark.parametrize(
    ('other', 'iou'),
    [
        ((0, 0, 10, 10), 1.0),
        ((0, 5, 10, 15), 1 / 3),
        ((5, 5, 15, 15), 25 / 175),
        ((10, 0, 20, 10), 0.0),  # they touch
        ((30, 30, 40, 40), 0.0),
        ((2, 2, 4, 4), 4 / 100),
    ],
)
def test_iou_of_known_pairs(other: tuple, iou: float) -> None:
    found = boxes.iou_matrix(np.array([[0, 0, 10, 10.0]]), np.array([other], float))
    np.testing.assert_allclose(found, [[iou]])


def test_iou_of_boxes_without_area_is_zero_and_does_not_warn() -> None:
    point = np.array([[5, 5, 5, 5.0]])
    np.testing.assert_array_equal(boxes.iou_matrix(point, np.r_[point, BOXES]), [[0, 0, 0, 0]])


@pytest.mark.parametrize(('n', 'm'), [(0, 0), (0, 3), (2, 0)])
def test_iou_with_nothing(n: int, m: int) -> None:
    assert boxes.iou_matrix(np.zeros((n, 4)), np.zeros((m, 4))).shape == (n, m)


@given(random_boxes, random_boxes)
def test_iou_is_symmetric_and_in_range(a: np.ndarray, b: np.ndarray) -> None:
    found = boxes.iou_matrix(a, b)
    assert found.shape == (len(a), len(b))
    np.testing.assert_allclose(found, boxes.iou_matrix(b, a).T)
    assert (found >= 0).all()
    assert (found <= 1 + 1e-9).all()
    np.testing.assert_allclose(np.diag(boxes.iou_matrix(a, a)), 1)


def test_clip_to_image() -> None:
    clipped = boxes.clip_to_image(BOXES, width=40, height=10)
    np.testing.assert_allclose(clipped, [[10, 10, 40, 10], [0, 0, 5, 10], [0.5, 0.25, 1.5, 2.25]])


def test_float32_goes_in_and_float64_comes_out_without_touching_the_input() -> None:
    corners = BOXES.astype(np.float32)
    corners.setflags(write=False)
    for convert in (boxes.xyxy_to_xyah, boxes.xyxy_to_xywh, boxes.area):
        assert convert(corners).dtype == np.float64
