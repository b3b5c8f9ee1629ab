"""Circle loss of re-ID embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor
from torch.nn import functional as F

from offline_training.losses.comparisons import comparisons
from offline_training.losses.part import IDENTITY, LossPart, Predicted, Sizes

if TYPE_CHECKING:
    from offline_training.datasets.targets import Batch
    from offline_training.losses.config import LossConfig


def circle(
    embeddings: Tensor,
    identities: Tensor,
    class_ids: Tensor,
    nameless_clips: Tensor,
    *,
    margin: float,
    scale: float,
) -> Tensor:
    """Each similarity pulls the harder, the farther it is from where it should be.

    Args:
        embeddings: (K, D) raw re-ID vectors; similarities are cosines.
        identities: (K,) int64, see `comparisons`.
        class_ids: (K,) int64.
        nameless_clips: (K,) int64.
        margin: positives should be above 1 - margin, negatives below margin.
        scale: gamma of the paper. The sum is divided by it, so that the loss is of the order of a
            similarity whatever it is.

    Returns:
        Mean over objects that have both a positive and a negative, 0 when none has.

    Source: Sun et al. 2020, eq. 6 with the optima and margins of section 3.2.
    """
    unit = F.normalize(embeddings.float(), dim=1)
    same, different = comparisons(identities, class_ids, nameless_clips)  # (K, K) each
    similarity = unit @ unit.T  # (K, K)
    # The weights are not learned through.
    pull = F.relu(1 + margin - similarity.detach())
    push = F.relu(similarity.detach() + margin)
    far = (-scale * pull * (similarity - (1 - margin))).masked_fill(~same, -1e4)
    near = (scale * push * (similarity - margin)).masked_fill(~different, -1e4)
    anchors = same.any(dim=1) & different.any(dim=1)  # (K,)
    per_object = F.softplus(far.logsumexp(dim=1) + near.logsumexp(dim=1)) / scale
    return (per_object * anchors).sum() / anchors.sum().clamp(min=1)


class Circle(LossPart):
    """`circle` of the map `id`."""

    task = IDENTITY

    def __init__(self, config: LossConfig, sizes: Sizes) -> None:
        super().__init__()
        self.margin, self.scale = config.circle_margin, config.circle_scale

    def forward(self, predicted: Predicted, batch: Batch) -> Tensor:
        """Circle loss at object centres."""
        return circle(
            predicted.at_centres('id'),
            batch.identities,
            batch.class_ids,
            batch.nameless_clips,
            margin=self.margin,
            scale=self.scale,
        )
