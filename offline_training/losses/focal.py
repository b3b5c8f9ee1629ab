"""Focal loss of centre heat maps."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def heatmap_focal(logits: Tensor, target: Tensor, learn: Tensor) -> Tensor:
    """CornerNet's modified focal loss (alpha 2, beta 4), divided by the number of objects.

    Args:
        logits: (B, C, h, w) raw heat map.
        target: (B, C, h, w) gaussians, exactly 1 at object centres.
        learn: (B, C, h, w), 0 where negatives are not to be punished.

    Source: FairMOT eq. 1. Computed from logits through log-sigmoid instead of the clamp at 1e-4.
    """
    log_p, log_not_p = F.logsigmoid(logits), F.logsigmoid(-logits)
    p = log_p.exp()
    positive = target.eq(1).float()
    at_centres = (1 - p).square() * log_p * positive
    elsewhere = p.square() * log_not_p * (1 - target).pow(4) * (1 - positive) * learn
    return -(at_centres.sum() + elsewhere.sum()) / torch.clamp(positive.sum(), min=1)
