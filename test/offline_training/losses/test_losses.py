"""Losses against their formulas, and at their known values."""

import math

import numpy as np
import pytest
import torch

from mot_compress_ros.boxes import iou_matrix
from offline_training.losses.box import giou_ltrb, l1
from offline_training.losses.focal import heatmap_focal
from offline_training.losses.reid import contrastive, TEMPERATURE

NO_CLIP = torch.tensor(-1)


def test_focal_is_fairmots_formula():
    torch.manual_seed(0)
    logits = torch.randn(2, 3, 6, 8, dtype=torch.float64) * 3
    target = torch.rand(2, 3, 6, 8, dtype=torch.float64) * 0.99
    target[0, 1, 2, 3] = target[1, 0, 4, 4] = 1
    p = logits.sigmoid()
    at = (1 - p) ** 2 * p.log() * (target == 1)
    off = p**2 * (1 - p).log() * (1 - target) ** 4 * (target < 1)
    expected = -(at.sum() + off.sum()) / 2
    assert heatmap_focal(logits, target, torch.ones_like(target)).item() == pytest.approx(
        expected.item(), rel=1e-5
    )


def test_focal_equals_the_clamped_sigmoid_inside_its_range():
    """FairMOT clamps p to 1e-4 .. 1 - 1e-4: logits within 9.21 give the same loss and gradient."""
    torch.manual_seed(1)
    target = torch.rand(2, 3, 6, 8, dtype=torch.float64) * 0.99
    target[:, :, 2, 3] = 1
    logits = (torch.rand(2, 3, 6, 8, dtype=torch.float64) * 18 - 9).requires_grad_()
    ours = heatmap_focal(logits, target, torch.ones_like(target))
    (our_gradient,) = torch.autograd.grad(ours, logits)
    p = logits.sigmoid().clamp(1e-4, 1 - 1e-4)
    at = ((1 - p) ** 2 * p.log())[target == 1].sum()
    off = ((1 - target) ** 4 * p**2 * (1 - p).log())[target < 1].sum()
    theirs = -(at + off) / 6
    (their_gradient,) = torch.autograd.grad(theirs, logits)
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-6)
    torch.testing.assert_close(our_gradient, their_gradient, rtol=1e-6, atol=1e-9)


def test_focal_ignores_what_is_not_to_be_learned_but_keeps_centres():
    target = torch.zeros(1, 1, 4, 4)
    target[0, 0, 1, 1] = 1
    logits = torch.full((1, 1, 4, 4), 3.0)
    none = heatmap_focal(logits, target, torch.zeros_like(target))
    p = 1 / (1 + math.exp(-3))
    assert none.item() == pytest.approx(-((1 - p) ** 2) * math.log(p), rel=1e-4)


def test_focal_without_objects_is_finite():
    zero = torch.zeros(1, 3, 4, 4)
    assert heatmap_focal(zero + 50, zero, zero + 1).isfinite()


def test_l1():
    assert l1(torch.tensor([[1.0, 3.0]]), torch.tensor([[2.0, 1.0]])).item() == pytest.approx(
        3 / (2 + 1e-4)
    )
    assert l1(torch.zeros(0, 4), torch.zeros(0, 4)).item() == 0


def test_giou_equals_iou_where_one_box_holds_the_other():
    """Then the hull is the larger box, and GIoU is IoU."""
    rng = np.random.default_rng(0)
    outer = rng.uniform(2, 5, (20, 4))
    inner = outer * rng.uniform(0.2, 1, (20, 1))
    boxes = [np.concatenate([-d[:, :2], d[:, 2:]], axis=1) for d in (outer, inner)]
    expected = 1 - np.diag(iou_matrix(*boxes)).mean()
    got = giou_ltrb(torch.from_numpy(inner), torch.from_numpy(outer)).item()
    assert got == pytest.approx(expected, rel=1e-5)
    assert giou_ltrb(torch.from_numpy(outer), torch.from_numpy(outer)).item() == pytest.approx(0)


def test_giou_hand_made():
    """A 4 x 2 and a 2 x 4 box around one centre: overlap 4, union 12, hull 16."""
    wide, tall = torch.tensor([[2.0, 1, 2, 1]]), torch.tensor([[1.0, 2, 1, 2]])
    assert giou_ltrb(wide, tall).item() == pytest.approx(1 - (4 / 12 - 4 / 16))


def test_giou_of_nothing_and_of_negative_distances():
    assert giou_ltrb(torch.zeros(0, 4), torch.zeros(0, 4)).item() == 0
    assert giou_ltrb(torch.full((1, 4), -1.0), torch.ones(1, 4)).isfinite()


def test_contrastive_hand_made():
    """One object seen twice and one other of its class, at right angles."""
    embeddings = torch.tensor([[2.0, 0], [5.0, 0], [0, 1.0]])
    loss = contrastive(
        embeddings, torch.tensor([7, 7, 8]), torch.zeros(3, dtype=torch.long), NO_CLIP.expand(3)
    )
    expected = -math.log(math.exp(1 / TEMPERATURE) / (math.exp(1 / TEMPERATURE) + 1))
    assert loss.item() == pytest.approx(expected, abs=1e-6)


def test_contrastive_does_not_compare_classes():
    torch.manual_seed(0)
    embeddings = torch.randn(4, 8)
    ids, classes = torch.tensor([1, 1, 2, 3]), torch.tensor([0, 0, 1, 1])
    assert contrastive(embeddings, ids, classes, NO_CLIP.expand(4)).item() == pytest.approx(
        0, abs=1e-5
    )


def test_contrastive_without_pairs_or_objects_is_zero():
    ids = torch.arange(3)
    assert (
        contrastive(torch.randn(3, 4), ids, torch.zeros_like(ids), NO_CLIP.expand(3)).item() == 0
    )
    none = torch.zeros(0, dtype=torch.long)
    assert contrastive(torch.zeros(0, 4), none, none, none).item() == 0


def test_contrastive_takes_no_negatives_from_a_clip_without_identities():
    """Frames 1 and 2 of one clip, each seen twice, show one object under two numbers."""
    embeddings = torch.tensor([[1.0, 0], [1.0, 0.1], [1.0, 0.2], [1.0, 0.1]])
    ids, classes = torch.tensor([1, 1, 2, 2]), torch.zeros(4, dtype=torch.long)
    assert contrastive(embeddings, ids, classes, torch.full((4,), 9)).item() == pytest.approx(0)
    assert contrastive(embeddings, ids, classes, NO_CLIP.expand(4)).item() > 0.5
    other = torch.tensor([9, 9, 3, 3])  # two clips: they are negatives of each other
    assert contrastive(embeddings, ids, classes, other).item() > 0.5
