"""Focal loss of centre heat maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor
from torch.nn import functional as F

from offline_training.losses.part import LossPart, Predicted, Sizes

if TYPE_CHECKING:
    from offline_training.datasets.targets import Batch
    from offline_training.losses.config import LossConfig


def heatmap_focal(logits: Tensor, target: Tensor, learn: Tensor) -> Tensor:
    """CornerNet's modified focal loss (alpha 2, beta 4), divided by the number of objects.

    Args:
        logits: (B, C, h, w) raw heat map.
        target: (B, C, h, w) gaussians, exactly 1 at object centres.
        learn: (B, C, h, w), 0 where negatives are not to be punished.

    Source: FairMOT eq. 1. Its code clamps the sigmoid to 1e-4 .. 1 - 1e-4, for logits beyond
    +-9.21; there the gradient is 0, so that a surely wrong pixel learns nothing. From logits,
    through log-sigmoid, the value is the same inside that range and goes on outside of it.
    """
    log_p, log_not_p = F.logsigmoid(logits), F.logsigmoid(-logits)
    p = log_p.exp()
    positive = target.eq(1).float()
    at_centres = (1 - p).square() * log_p * positive
    elsewhere = p.square() * log_not_p * (1 - target).pow(4) * (1 - positive) * learn
    return -(at_centres.sum() + elsewhere.sum()) / positive.sum().clamp(min=1)


class HeatmapFocal(LossPart):
    """`heatmap_focal` of the map `hm`."""

    def __init__(self, config: LossConfig, sizes: Sizes) -> None:
        super().__init__()

    def forward(self, predicted: Predicted, batch: Batch) -> Tensor:
        """Focal loss of all classes."""
        return heatmap_focal(predicted.maps['hm'].float(), batch.heatmap, batch.learn)
