"""What a student learns from a teacher's logits (sections 3.1.2, equation 1).

Equation 1 is printed as

    1/m sum_j { 2 T^2 a D_KL(P, Q) - (1 - a) sum_i y_i log(1 - y^_i) }

with two misprints, which are corrected here. The cross-entropy reads log(1 - y^): that is smallest
where the right class gets no probability at all; meant, and described in the text below it, is
log y^. And the sum from 0 to m has one term more than the m it is divided by. The text says which
divergence is meant: of the student's log softmax from the teacher's softmax, both of logits by T,
so KL(teacher || student). The factor 2 is kept.
"""

from __future__ import annotations

from torch import Tensor
import torch.nn.functional as F


def soft_target_loss(
    student: Tensor, teacher: Tensor, labels: Tensor, *, temperature: float, alpha: float
) -> Tensor:
    """Equation 1, corrected: 2 T^2 a KL(teacher || student) + (1 - a) cross-entropy.

    Args:
        student: logits (B, C).
        teacher: logits (B, C), no gradient flows into them.
        labels: (B,) classes.
        temperature: T, above 0.
        alpha: share of the teacher, 0..1.
    """
    divergence = F.kl_div(
        F.log_softmax(student / temperature, dim=1),
        F.softmax(teacher.detach() / temperature, dim=1),
        reduction='batchmean',
    )
    truth = F.cross_entropy(student, labels)
    return 2 * temperature**2 * alpha * divergence + (1 - alpha) * truth


def logit_loss(student: Tensor, teacher: Tensor, labels: Tensor, *, alpha: float) -> Tensor:
    """Mean squared error of the logits (section 3.1.2), alone at alpha = 1 as in the paper."""
    matched = F.mse_loss(student, teacher.detach())
    return alpha * matched + (1 - alpha) * F.cross_entropy(student, labels)
