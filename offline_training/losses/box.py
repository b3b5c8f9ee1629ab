"""Losses of box extents and sub-cell offsets at object centres."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def l1(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean absolute error over K objects and their values; 0 for no objects (FairMOT eq. 2)."""
    return F.l1_loss(predicted, target, reduction='sum') / max(target.numel(), 1)


def giou_ltrb(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean of 1 - GIoU of boxes given as distances (K, 4) from one shared centre, in cells.

    Source: Rezatofighi et al. 2019. Both boxes hold the centre, so they always overlap once the
    distances are positive; negative distances are cut at 0.
    """
    p, t = predicted.clamp(min=0), target.clamp(min=0)
    p_area = (p[:, 0] + p[:, 2]) * (p[:, 1] + p[:, 3])
    t_area = (t[:, 0] + t[:, 2]) * (t[:, 1] + t[:, 3])
    low, high = torch.minimum(p, t), torch.maximum(p, t)
    overlap = (low[:, 0] + low[:, 2]) * (low[:, 1] + low[:, 3])
    hull = (high[:, 0] + high[:, 2]) * (high[:, 1] + high[:, 3])
    union = p_area + t_area - overlap
    giou = overlap / union.clamp(min=1e-6) - (hull - union) / hull.clamp(min=1e-6)
    return (1 - giou).sum() / max(len(t), 1)
