"""Losses of box extents and sub-cell offsets at object centres."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from offline_training.losses.part import LossPart, Predicted, Sizes

if TYPE_CHECKING:
    from offline_training.datasets.targets import Batch
    from offline_training.losses.config import LossConfig

_EMPTY = 1e-4  # FairMOT's `RegL1Loss` adds it to the number of values, so that none gives 0


def l1(predicted: Tensor, target: Tensor) -> Tensor:
    """Sum of absolute errors by the number of values + 1e-4: FairMOT's `RegL1Loss` (eq. 2).

    Its mask is spread over the values of an object before it is summed, so it is a mean over
    values, not over objects.
    """
    return F.l1_loss(predicted, target, reduction='sum') / (target.numel() + _EMPTY)


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


class ExtentL1(LossPart):
    """`l1` of the four distances, in cells."""

    def __init__(self, config: LossConfig, sizes: Sizes) -> None:
        super().__init__()

    def forward(self, predicted: Predicted, batch: Batch) -> Tensor:
        """L1 of the map `wh`."""
        return l1(predicted.at_centres('wh'), batch.ltrb)


class ExtentGiou(LossPart):
    """`giou_ltrb` of the four distances."""

    def __init__(self, config: LossConfig, sizes: Sizes) -> None:
        super().__init__()

    def forward(self, predicted: Predicted, batch: Batch) -> Tensor:
        """1 - GIoU of the map `wh`."""
        return giou_ltrb(predicted.at_centres('wh'), batch.ltrb)


class OffsetL1(LossPart):
    """`l1` of the sub-cell offsets."""

    def __init__(self, config: LossConfig, sizes: Sizes) -> None:
        super().__init__()

    def forward(self, predicted: Predicted, batch: Batch) -> Tensor:
        """L1 of the map `reg`."""
        return l1(predicted.at_centres('reg'), batch.offset)
