"""SSD's loss and the distillation of Chen et al., each by hand."""

import math

import pytest
import torch

from offline_training.ssd.anchors import boxes_of
from offline_training.ssd.losses import (
    bounded_regression,
    box_loss,
    chosen_anchors,
    class_loss,
    correspondence,
    hint_loss,
    soft_class_loss,
    translated,
)


def test_three_of_the_worst_backgrounds_for_each_object():
    # The larger the background's logit, the smaller its loss.
    logits = torch.zeros(1, 8, 2)
    logits[0, :, 0] = torch.arange(8.0)
    classes = torch.tensor([[0, 0, 0, 0, 0, 1, -1, 0]])
    assert chosen_anchors(logits, classes)[0].tolist() == [
        *(True, True, True),  # the worst backgrounds
        *(False, False),
        True,  # the object
        *(False, False),  # ignored, and a background that is right
    ]
    none = torch.zeros(1, 8, dtype=torch.long)
    assert chosen_anchors(logits, none).sum() == 3


def test_class_and_box_loss_by_hand():
    logits = torch.tensor([[[0.0, 0.0], [2.0, 0.0], [9.0, 0.0]]])
    classes = torch.tensor([[1, 0, 0]])
    chosen = torch.tensor([[True, True, False]])
    wanted = math.log(2) - math.log(math.exp(2) / (math.exp(2) + 1))
    assert float(class_loss(logits, classes, chosen)) == pytest.approx(wanted, rel=1e-5)
    offsets = torch.tensor([[[0.5, 0.0, 3.0, 0.0], [9.0, 9.0, 9.0, 9.0]]])
    positive = torch.tensor([[True, False]])
    found = box_loss(offsets, torch.zeros(1, 2, 4), positive)
    assert float(found) == pytest.approx(0.5 * 0.5**2 + (3.0 - 0.5))


def test_the_background_weighs_more_in_the_soft_loss():
    student, teacher = torch.tensor([[[1.0, 0.0]]]), torch.tensor([[[0.0, 1.0]]])
    chosen = torch.tensor([[True]])
    e = math.e
    said = [1 / (1 + e), e / (1 + e)]
    mine = [math.log(e / (1 + e)), math.log(1 / (1 + e))]
    for weight in (1.0, 1.5):
        wanted = -(weight * said[0] * mine[0] + said[1] * mine[1])
        found = soft_class_loss(student, teacher, chosen, background=weight)
        assert float(found) == pytest.approx(wanted, rel=1e-5)


def test_regression_is_bounded_by_the_teacher():
    targets = torch.zeros(1, 3, 4)
    teacher = torch.zeros(1, 3, 4)
    teacher[0, :, 0] = 2.0  # a squared error of 4 at each
    student = torch.zeros(1, 3, 4)
    student[0, 0, 0], student[0, 1, 0], student[0, 2, 0] = 1.0, 3.0, 5.0
    positive = torch.tensor([[True, True, False]])
    found = bounded_regression(student, teacher, targets, positive, margin=0.0)
    assert float(found) == 9.0  # the first is better than the teacher, the third is no object
    found = bounded_regression(student, teacher, targets, positive, margin=3.5)
    assert float(found) == 1.0 + 9.0  # better, but not by 3.5


def test_no_gradient_where_the_student_is_better_and_none_to_the_teacher():
    student = torch.tensor([[[1.0, 0, 0, 0], [3.0, 0, 0, 0]]], requires_grad=True)
    teacher = torch.tensor([[[2.0, 0, 0, 0], [2.0, 0, 0, 0]]], requires_grad=True)
    positive = torch.tensor([[True, True]])
    bounded_regression(student, teacher, torch.zeros(1, 2, 4), positive, margin=0.0).backward()
    assert student.grad[0, :, 0].tolist() == [0.0, 6.0]
    assert teacher.grad is None


def test_hint_is_a_mean_square_at_the_size_of_the_student():
    student = torch.ones(1, 1, 2, 2)
    teacher = torch.tensor([[[[0.0, 2.0], [4.0, 6.0]]]])
    assert float(hint_loss(student, teacher)) == pytest.approx((1 + 1 + 9 + 25) / 4)
    large = teacher.repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert float(hint_loss(student, large)) == pytest.approx(9.0)


def test_teacher_answers_move_to_the_anchors_of_the_student():
    teacher = torch.tensor([[0.2, 0.2, 0.2, 0.2], [0.7, 0.7, 0.3, 0.3]])
    student = torch.tensor([[0.7, 0.7, 0.25, 0.3], [0.2, 0.25, 0.2, 0.2], [0.6, 0.6, 0.3, 0.3]])
    which = correspondence(student, teacher)
    assert which.tolist() == [1, 0, 1]
    said = torch.randn(2, 2, 4, generator=torch.Generator().manual_seed(0))
    moved = translated(said[:, which], teacher[which], student)
    boxes = boxes_of(said, teacher)[:, which]
    assert torch.allclose(boxes_of(moved, student), boxes, atol=1e-5)
