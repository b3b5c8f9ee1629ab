"""PKD, a rival: features whose correlation with a teacher's is to be 1."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from offline_training.distillation.levels import FEATURES
from offline_training.losses.part import BESIDE, LossPart, Predicted, Sizes
from offline_training.losses.taught import adapters, feature_names, standardised

if TYPE_CHECKING:
    from offline_training.datasets.targets import Batch
    from offline_training.losses.config import LossConfig


class Pearson(LossPart):
    """Half the mean squared difference of the standardised features, summed over the maps.

    The authors compare maps of equal channels; where the numbers differ, an adapter stands before.
    It is added beside the balance of the tasks.
    Source: PKD (Cao et al. 2022), eq. 3 and 4.

    Raises:
        InvalidOptionError: there is no teacher with such maps.
    """

    task = BESIDE
    asks = frozenset(FEATURES)

    def __init__(self, config: LossConfig, sizes: Sizes) -> None:
        super().__init__()
        self.names = feature_names('pkd', sizes)
        self.adapters = adapters('pkd', sizes, self.names)

    def forward(self, predicted: Predicted, batch: Batch) -> Tensor:
        """The sum over the maps of `FEATURES`."""
        found = []
        for name in self.names:
            own = self.adapters[name](predicted.maps[name].float())
            taught = predicted.taught[name].float()
            found.append(F.mse_loss(standardised(own), standardised(taught)) / 2)
        return torch.stack(found).sum()
