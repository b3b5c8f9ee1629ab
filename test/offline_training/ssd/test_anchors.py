"""Anchors, offsets and who answers for which object, by hand."""

import math

import torch

from offline_training.ssd.anchors import (
    anchors_of,
    assign,
    boxes_of,
    corners_of,
    iou,
    MapAnchors,
    offsets_of,
)


def test_anchors_of_a_map_by_hand():
    one = MapAnchors(size=2, scale=0.2, next_scale=0.45, ratios=(2,))
    found = anchors_of([one])
    assert found.shape == (2 * 2 * 4, 4)
    root = math.sqrt(2)
    wanted = [
        (0.25, 0.25, 0.2, 0.2),
        (0.25, 0.25, 0.3, 0.3),  # the geometric mean of 0.2 and 0.45
        (0.25, 0.25, 0.2 * root, 0.2 / root),
        (0.25, 0.25, 0.2 / root, 0.2 * root),
    ]
    assert torch.allclose(found[:4], torch.tensor(wanted))
    assert found[4, :2].tolist() == [0.75, 0.25]  # the next place of the row
    assert found[8, :2].tolist() == [0.25, 0.75]


def test_no_anchor_is_larger_than_the_image():
    found = anchors_of([MapAnchors(size=1, scale=0.95, next_scale=1.1, ratios=(2, 3))])
    assert float(found.max()) == 1.0 and found.shape == (6, 4)


def test_offsets_by_hand_and_back():
    anchor = torch.tensor([[0.5, 0.5, 0.2, 0.4]])
    box = torch.tensor([[0.5, 0.3, 0.7, 0.7]])  # centre 0.6, 0.5; size 0.2, 0.4
    assert torch.allclose(offsets_of(box, anchor), torch.tensor([[5.0, 0.0, 0.0, 0.0]]), atol=1e-5)
    wide = torch.tensor([[0.3, 0.3, 0.7, 0.7]])
    wanted = [[0.0, 0.0, math.log(2) / 0.2, 0.0]]
    assert torch.allclose(offsets_of(wide, anchor), torch.tensor(wanted), atol=1e-5)
    boxes = torch.rand(50, 2).repeat(1, 2) + torch.tensor([0.0, 0.0, 0.3, 0.2])
    anchors = torch.rand(50, 4) * 0.5 + 0.2
    assert torch.allclose(boxes_of(offsets_of(boxes, anchors), anchors), boxes, atol=1e-5)


def test_iou_by_hand():
    first = torch.tensor([[0.0, 0.0, 0.4, 0.4], [0.8, 0.8, 1.0, 1.0]])
    second = torch.tensor([[0.2, 0.0, 0.6, 0.4]])
    assert torch.allclose(iou(first, second), torch.tensor([[0.08 / 0.24], [0.0]]))


def row(*boxes):
    """Anchors from corners."""
    corners = torch.tensor(boxes)
    return torch.cat([(corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]], 1)


def test_anchors_answer_for_what_they_overlap_by_half_and_every_object_has_one():
    anchors = row(
        (0.0, 0.0, 0.2, 0.2),  # the first object itself
        (0.0, 0.0, 0.2, 0.3),  # 2/3 of it
        (0.0, 0.0, 0.2, 0.6),  # a third: background
        (0.5, 0.5, 0.6, 0.6),  # a quarter of the second object, and still its best
    )
    boxes = torch.tensor([[0.0, 0.0, 0.2, 0.2], [0.5, 0.5, 0.7, 0.7]])
    found = assign(anchors, boxes, torch.tensor([4, 7]), torch.tensor([False, False]))
    assert found.classes.tolist() == [5, 5, 0, 8]
    assert torch.equal(found.boxes[3], boxes[1]) and torch.equal(found.boxes[1], boxes[0])


def test_an_ignored_object_takes_anchors_out_of_the_background():
    anchors = row((0.0, 0.0, 0.2, 0.2), (0.6, 0.6, 0.9, 0.9), (0.4, 0.0, 0.6, 0.2))
    boxes = torch.tensor([[0.0, 0.0, 0.2, 0.2], [0.6, 0.6, 0.9, 0.9]])
    found = assign(anchors, boxes, torch.tensor([0, 1]), torch.tensor([True, False]))
    assert found.classes.tolist() == [-1, 2, 0]


def test_two_objects_never_share_their_best_anchor_silently():
    anchors = row((0.0, 0.0, 0.4, 0.4), (0.6, 0.6, 0.8, 0.8))
    boxes = torch.tensor([[0.0, 0.0, 0.4, 0.4], [0.0, 0.0, 0.3, 0.4]])
    found = assign(anchors, boxes, torch.tensor([0, 1]), torch.tensor([False, False]))
    assert found.classes.tolist() == [1, 0]  # the closer one has it


def test_an_image_without_objects_is_background():
    anchors = row((0.0, 0.0, 0.2, 0.2))
    none = torch.zeros(0)
    found = assign(anchors, none.reshape(0, 4), none.long(), none.bool())
    assert found.classes.tolist() == [0]
    assert torch.allclose(found.boxes, corners_of(anchors))
