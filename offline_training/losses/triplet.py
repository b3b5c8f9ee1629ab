"""Batch-hard triplet loss of re-ID embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor
from torch.nn import functional as F

from offline_training.losses.comparisons import comparisons
from offline_training.losses.part import IDENTITY, LossPart, Predicted, Sizes

if TYPE_CHECKING:
    from offline_training.datasets.targets import Batch
    from offline_training.losses.config import LossConfig


def batch_hard_triplet(
    embeddings: Tensor,
    identities: Tensor,
    class_ids: Tensor,
    nameless_clips: Tensor,
    *,
    margin: float,
) -> Tensor:
    """The farthest positive is to be nearer, by `margin`, than the nearest negative.

    Args:
        embeddings: (K, D) raw re-ID vectors; distances are Euclidean between normalised ones,
            0 to 2, because the tracker compares directions.
        identities: (K,) int64, see `comparisons`.
        class_ids: (K,) int64.
        nameless_clips: (K,) int64.
        margin: in that distance.

    Returns:
        Mean over objects that have both a positive and a negative, 0 when none has.

    Source: Hermans et al. 2017, eq. 5 with the hinge.
    """
    unit = F.normalize(embeddings.float(), dim=1)
    same, different = comparisons(identities, class_ids, nameless_clips)  # (K, K) each
    # The root's gradient is infinite at 0: a pair that coincides is kept a little apart.
    distance = (2 - 2 * unit @ unit.T).clamp(min=1e-8).sqrt()  # (K, K)
    anchors = same.any(dim=1) & different.any(dim=1)  # (K,)
    if not anchors.any():
        return (embeddings * 0).sum()
    farthest = distance.masked_fill(~same, float('-inf')).amax(dim=1)[anchors]
    nearest = distance.masked_fill(~different, float('inf')).amin(dim=1)[anchors]
    return F.relu(farthest - nearest + margin).mean()


class Triplet(LossPart):
    """`batch_hard_triplet` of the map `id`."""

    task = IDENTITY

    def __init__(self, config: LossConfig, sizes: Sizes) -> None:
        super().__init__()
        self.margin = config.triplet_margin

    def forward(self, predicted: Predicted, batch: Batch) -> Tensor:
        """Triplet loss at object centres."""
        return batch_hard_triplet(
            predicted.at_centres('id'),
            batch.identities,
            batch.class_ids,
            batch.nameless_clips,
            margin=self.margin,
        )
