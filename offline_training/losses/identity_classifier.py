"""FairMOT's re-ID loss: every identity of the training set is a class."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn, Tensor
from torch.nn import functional as F

from mot_compress_ros.errors import InvalidOptionError
from offline_training.losses.part import IDENTITY, LossPart, Predicted, Sizes

if TYPE_CHECKING:
    from offline_training.datasets.targets import Batch
    from offline_training.losses.config import LossConfig

NO_IDENTITY = -1
MIN_IDENTITIES = 3  # at two, ln(n - 1) is 0 and nothing is learned


class IdentityClassifier(LossPart):
    """Cross entropy over n identities of a linear map of sqrt(2) ln(n - 1) * unit embedding.

    The linear map has D * n weights. It trains and is saved with the run, and is no part of the
    network. Identities of n and above, which are those of boxes whose identity nobody knows, are
    left out, as FairMOT leaves out -1.

    Source: FairMOT eq. 4 and its `MotLoss`. There n is one more than the number of identities.

    Raises:
        InvalidOptionError: fewer than 3 identities.
    """

    task = IDENTITY

    def __init__(self, config: LossConfig, sizes: Sizes) -> None:
        super().__init__()
        if sizes.n_identities < MIN_IDENTITIES:
            raise InvalidOptionError(
                f'loss.identity_ce: the sources have {sizes.n_identities} identities, expected at '
                f'least {MIN_IDENTITIES}; add data or set it to 0 and loss.reid above 0'
            )
        self.n_identities = sizes.n_identities
        self.scale = math.sqrt(2) * math.log(sizes.n_identities - 1)
        self.classifier = nn.Linear(sizes.embedding_dim, sizes.n_identities)

    def forward(self, predicted: Predicted, batch: Batch) -> Tensor:
        """Mean over objects of known identity."""
        known = batch.identities < self.n_identities  # (K,)
        target = torch.where(known, batch.identities, NO_IDENTITY)
        unit = F.normalize(predicted.at_centres('id'), dim=1)
        logits = self.classifier(self.scale * unit)  # (K, n)
        total = F.cross_entropy(logits, target, ignore_index=NO_IDENTITY, reduction='sum')
        return total / known.sum().clamp(min=1)
