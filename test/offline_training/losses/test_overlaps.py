"""Overlaps of boxes by hand."""

import math

import numpy as np
import pytest
import torch

from mot_compress_ros.boxes import iou_matrix
from offline_training.datasets.targets import Batch
from offline_training.losses.foreground import boxes_of, covered_cells, foreground
from offline_training.losses.overlaps import Overlaps


def overlaps_of(first, second):
    return Overlaps(torch.tensor([first]).float(), torch.tensor([second]).float())


def test_two_boxes_by_hand():
    """2 x 2 at (0, 0) and (1, 1): intersection 1, union 7, hull 9, centres sqrt(2) apart."""
    pair = overlaps_of((0, 0, 2, 2), (1, 1, 3, 3))
    assert pair.iou.item() == pytest.approx(1 / 7)
    assert pair.giou.item() == pytest.approx(1 / 7 - 2 / 9)
    assert pair.diou.item() == pytest.approx(1 / 7 - 2 / 18)
    assert pair.ciou.item() == pytest.approx(pair.diou.item()), 'one shape'


def test_other_shapes_cost_more():
    """4 x 1 in 4 x 4 around one centre: iou 1/4, the angles atan(4) and atan(1)."""
    pair = overlaps_of((0, 1.5, 4, 2.5), (0, 0, 4, 4))
    shape = 4 / math.pi**2 * (math.atan(4) - math.atan(1)) ** 2
    expected = 0.25 - shape**2 / (1 - 0.25 + shape)
    assert pair.ciou.item() == pytest.approx(expected, abs=1e-6)


def test_equal_and_far_boxes():
    same = overlaps_of((3, 4, 9, 11), (3, 4, 9, 11))
    for value in (same.iou, same.giou, same.diou, same.ciou):
        assert value.item() == pytest.approx(1.0)
    far = overlaps_of((0, 0, 1, 1), (9, 0, 10, 1))
    assert far.iou.item() == 0 and far.giou.item() == pytest.approx(-0.8)


def test_iou_is_that_of_the_vehicle():
    rng = np.random.default_rng(0)
    low = rng.uniform(0, 10, (2, 30, 2))
    a, b = np.concatenate([low, low + rng.uniform(1, 8, (2, 30, 2))], axis=2)
    found = Overlaps(torch.from_numpy(a), torch.from_numpy(b)).iou
    np.testing.assert_allclose(found, np.diag(iou_matrix(a, b)), atol=1e-9)


def batch_at(boxes, n_images=1, image_index=None):
    """Objects with boxes (x1, y1, x2, y2) in cells of stride 4."""
    boxes = torch.tensor(boxes).float().reshape(-1, 4)
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    k = len(boxes)
    return Batch(
        images=torch.zeros(n_images, 24, 32, 3, dtype=torch.uint8),
        heatmap=torch.zeros(n_images, 3, 6, 8),
        learn=torch.ones(n_images, 3, 6, 8),
        image_index=torch.tensor(image_index or [0] * k, dtype=torch.long),
        ys=centre[:, 1].long(),
        xs=centre[:, 0].long(),
        ltrb=torch.cat([centre - boxes[:, :2], boxes[:, 2:] - centre], dim=1),
        offset=centre - centre.long(),
        class_ids=torch.zeros(k, dtype=torch.long),
        identities=torch.arange(k),
        nameless_clips=torch.full((k,), -1),
    )


def test_boxes_come_back_from_the_targets():
    boxes = [[0.5, 1.25, 3.0, 5.5], [-2.0, 0.0, 9.5, 4.0]]
    torch.testing.assert_close(boxes_of(batch_at(boxes)), torch.tensor(boxes))


@pytest.mark.parametrize(
    ('box', 'stride', 'expected'),
    [
        ((0.5, 1.25, 3.0, 5.5), 4, (0, 1, 3, 6)),
        ((0.5, 1.25, 3.0, 5.5), 8, (0, 0, 2, 3)),
        ((-2.0, 0.0, 99.0, 4.0), 4, (0, 0, 8, 4)),
        ((2.0, 2.0, 2.0, 2.0), 4, (2, 2, 3, 3)),
        ((40.0, 2.0, 44.0, 3.0), 4, (7, 2, 8, 3)),
    ],
)
def test_covered_cells_by_hand(box, stride, expected):
    shape = (6 * 4 // stride, 8 * 4 // stride)
    found = covered_cells(torch.tensor([box]), shape, stride=stride)
    assert tuple(found[0].tolist()) == expected


def test_the_smallest_object_has_a_cell():
    batch = batch_at([[0, 0, 4, 4], [1, 1, 3, 2], [0, 0, 1, 1]], 2, [0, 0, 1])
    mask = foreground(batch, (6, 8), stride=4)
    expected = torch.zeros(2, 6, 8)
    expected[0, :4, :4] = 1 / 16
    expected[0, 1, 1:3] = 1 / 2
    expected[1, 0, 0] = 1.0
    torch.testing.assert_close(mask, expected)
    assert not foreground(batch_at([]), (6, 8), stride=4).any()
