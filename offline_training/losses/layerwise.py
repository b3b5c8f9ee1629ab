"""Attention transfer from layer to layer, AttTrack's rival `Layerwise`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from mot_compress_ros.errors import InvalidOptionError
from offline_training.distillation.levels import LEVELS
from offline_training.losses.part import BESIDE, LossPart, Predicted, Sizes

if TYPE_CHECKING:
    from offline_training.datasets.targets import Batch
    from offline_training.losses.config import LossConfig


def attention_map(features: Tensor) -> Tensor:
    """Where a layer looks: (B, C, h, w) to the sums of squares over channels, (B, h * w).

    Each image's map is of unit length. Source: Zagoruyko & Komodakis 2017, section 3.1, F_sum^2.
    """
    return F.normalize(features.float().square().sum(dim=1).flatten(1), dim=1)


class Layerwise(LossPart):
    """Squared differences of the attention maps of student and teacher, summed over four strides.

    At each stride of the backbones, 4 to 32, the mean over cells and images, as in the authors'
    code, whose weight for it is 1e3. It is added beside the balance of the tasks.
    Source: Zagoruyko & Komodakis 2017, eq. 2.

    Raises:
        InvalidOptionError: there is no teacher.
    """

    task = BESIDE
    asks = frozenset(LEVELS)

    def __init__(self, config: LossConfig, sizes: Sizes) -> None:
        super().__init__()
        if not sizes.teacher_dim:
            raise InvalidOptionError(
                'loss.layerwise: got a weight above 0 without a teacher; pass one with '
                '`train --teacher`'
            )

    def forward(self, predicted: Predicted, batch: Batch) -> Tensor:
        """The sum over strides."""
        return torch.stack(
            [
                (attention_map(predicted.maps[name]) - attention_map(predicted.taught[name]))
                .square()
                .mean()
                for name in LEVELS
            ]
        ).sum()
