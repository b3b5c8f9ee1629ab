"""SSD's multibox loss, and the detection distillation of Chen et al. (2017).

Chen et al. distil a two-stage detector, whose teacher and student see the same proposals. Here the
proposals are the student's anchors, and the teacher's answer at an anchor is that of the anchor of
its own that overlaps it most (`correspondence`); its box is written as offsets of the student's.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
import torch.nn.functional as F

from mot_compress_ros.options import option
from offline_training.ssd.anchors import boxes_of, corners_of, iou, offsets_of

_NEGATIVES = 3  # for each positive: those that are most wrong (SSD, section 2.2)


@dataclass(frozen=True, kw_only=True)
class DetectionLesson:
    """Weights of Chen et al., by their names; without a teacher none counts."""

    mu: float = option(
        0.5,
        "labels' share of the class loss (eq. 2), the rest is the teacher's",
        minimum=0.0,
        maximum=1.0,
    )
    background: float = option(1.5, 'weight of the background in the soft loss (eq. 3)')
    nu: float = option(0.5, 'weight of the bounded regression (eq. 4)', minimum=0.0)
    margin: float = option(0.0, 'by how much the student has to be better (eq. 4)', minimum=0.0)
    gamma: float = option(0.5, 'weight of the hint (eq. 1)', minimum=0.0)


def chosen_anchors(logits: Tensor, classes: Tensor) -> Tensor:
    """Positives, and three times as many of the backgrounds with the largest loss: (B, A) bool.

    An image without an object gives as many as if it had one.
    """
    positive = classes > 0
    with torch.no_grad():
        wrong = -F.log_softmax(logits, dim=-1)[..., 0]
        wrong = torch.where(classes == 0, wrong, torch.full_like(wrong, -1.0))
        order = wrong.argsort(dim=1, descending=True)
        rank = torch.empty_like(order).scatter_(
            1, order, torch.arange(order.shape[1], device=order.device).expand_as(order)
        )
        count = _NEGATIVES * positive.sum(dim=1, keepdim=True).clamp(min=1)
    return positive | ((rank < count) & (classes == 0))


def class_loss(logits: Tensor, classes: Tensor, chosen: Tensor) -> Tensor:
    """Sum of the cross-entropy over the chosen anchors."""
    return F.cross_entropy(logits[chosen], classes[chosen], reduction='sum')


def box_loss(offsets: Tensor, targets: Tensor, positive: Tensor) -> Tensor:
    """Sum of the smooth L1 loss over the positives; (B, A, 4) both."""
    return F.smooth_l1_loss(offsets[positive], targets[positive], reduction='sum')


def soft_class_loss(
    student: Tensor, teacher: Tensor, chosen: Tensor, *, background: float
) -> Tensor:
    """Equation 3: minus the sum of w_c P_t log P_s, where w is `background` at 0 and else 1.

    Args:
        student: logits (B, A, C + 1).
        teacher: logits of the same, no gradient flows into them.
        chosen: anchors that count.
        background: the background's weight: its mistakes are many and weigh more.
    """
    said = F.softmax(teacher.detach()[chosen], dim=-1)
    weight = torch.ones(student.shape[-1], device=student.device)
    weight[0] = background
    return -(weight * said * F.log_softmax(student[chosen], dim=-1)).sum()


def bounded_regression(
    student: Tensor, teacher: Tensor, targets: Tensor, positive: Tensor, *, margin: float
) -> Tensor:
    """Equation 4: the squared distance to the truth where the student is not better by `margin`.

    The teacher is no target, only a bound: where the student is closer to the truth than it by
    more than the margin, nothing is lost.
    """
    mine = (student[positive] - targets[positive]).square().sum(dim=-1)
    bound = (teacher.detach()[positive] - targets[positive]).square().sum(dim=-1)
    return torch.where(mine + margin > bound, mine, torch.zeros_like(mine)).sum()


def hint_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Equation 6: mean squared difference of two maps, of which the student's is adapted.

    Where the maps are not equally large, the teacher's is averaged to the student's size.
    """
    given = teacher.detach()
    if given.shape[-2:] != student.shape[-2:]:
        given = F.adaptive_avg_pool2d(given, (student.shape[-2], student.shape[-1]))
    return F.mse_loss(student, given)


def correspondence(student: Tensor, teacher: Tensor) -> Tensor:
    """For each anchor (A, 4) of the student the teacher's (T, 4) that overlaps it most: (A,)."""
    boxes = corners_of(teacher)
    parts = [iou(corners_of(part), boxes).argmax(dim=1) for part in student.split(512)]
    return torch.cat(parts)


def translated(offsets: Tensor, teacher: Tensor, student: Tensor) -> Tensor:
    """The teacher's offsets (B, A, 4) from its anchors (A, 4) as offsets from the student's."""
    return offsets_of(boxes_of(offsets, teacher), student)
