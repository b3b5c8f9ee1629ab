"""Contrastive re-ID loss over the objects of one batch of image pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor
from torch.nn import functional as F

from offline_training.losses.comparisons import comparisons
from offline_training.losses.part import IDENTITY, LossPart, Predicted, Sizes

if TYPE_CHECKING:
    from offline_training.datasets.targets import Batch
    from offline_training.losses.config import LossConfig

TEMPERATURE = 0.1


def contrastive(
    embeddings: Tensor, identities: Tensor, class_ids: Tensor, nameless_clips: Tensor
) -> Tensor:
    """Supervised contrastive loss: an object is to be found among all objects of its class.

    Args:
        embeddings: (K, D) raw re-ID vectors at object centres.
        identities: (K,) int64, see `comparisons`.
        class_ids: (K,) int64.
        nameless_clips: (K,) int64.

    Returns:
        Mean over objects that have a positive, 0 when none has.

    Source: Khosla et al. 2020, eq. 2. It replaces FairMOT's identity classifier, whose size grows
    with the number of identities, where most boxes have no identity beyond their own image.
    """
    unit = F.normalize(embeddings.float(), dim=1)
    same, different = comparisons(identities, class_ids, nameless_clips)  # (K, K) each
    similarity = unit @ unit.T / TEMPERATURE  # (K, K)
    rest = similarity.masked_fill(~(same | different), -1e4).logsumexp(dim=1, keepdim=True)
    positives = same.sum(dim=1)  # (K,)
    per_object = -((similarity - rest) * same).sum(dim=1) / positives.clamp(min=1)
    found = positives > 0
    return (per_object * found).sum() / found.sum().clamp(min=1)


class Contrastive(LossPart):
    """`contrastive` of the map `id`."""

    task = IDENTITY

    def __init__(self, config: LossConfig, sizes: Sizes) -> None:
        super().__init__()

    def forward(self, predicted: Predicted, batch: Batch) -> Tensor:
        """Contrastive loss at object centres."""
        return contrastive(
            predicted.at_centres('id'), batch.identities, batch.class_ids, batch.nameless_clips
        )
