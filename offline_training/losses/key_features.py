"""Key-feature learning: the middle layers, where it matters that they are a teacher's."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from offline_training.distillation.levels import FEATURES
from offline_training.losses.foreground import foreground
from offline_training.losses.part import BESIDE, LossPart, Predicted, Sizes
from offline_training.losses.taught import (
    adapters,
    feature_names,
    spatial_attention,
    standardised,
)

if TYPE_CHECKING:
    from offline_training.datasets.targets import Batch
    from offline_training.losses.config import LossConfig

_EPS = 1e-9


def weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    """Of maps of one shape; 0 where all weights are."""
    return (values * weights).sum() / weights.sum().clamp(min=_EPS)


def most_differing(values: Tensor, allowed: Tensor, *, count: int) -> Tensor:
    """(B, h, w) bool: in each image the `count` allowed cells of the largest values.

    Args:
        values: (B, h, w), 0 and above.
        allowed: (B, h, w) bool; where fewer are allowed, all of them.
        count: of one image.
    """
    if not count:
        return torch.zeros_like(allowed)
    flat = values.masked_fill(~allowed, -1.0).flatten(1)
    best = flat.topk(count, dim=1).indices
    chosen = torch.zeros_like(flat, dtype=torch.bool).scatter_(1, best, True)
    return chosen.view_as(allowed) & allowed


class KeyFeatures(LossPart):
    """Squared differences of features, at objects and where student and teacher differ most.

    At each map of `FEATURES` that both have, d(p) is half the mean over channels of the squared
    difference of the standardised features, and A(p) the teacher's attention (see `taught`).
    The part is the mean over the maps of the mean of d over objects, weighted by A and one by the
    area of the object, and, with a weight of its own, of the mean of d, weighted by A, over the
    share of cells outside of objects where A d is largest. Which cells these are changes with the
    student. It is added beside the balance of the tasks. An adapter brings the student's channels
    to the teacher's number.

    Source: the idea is the thesis' (its abstract, 1); its formulas are not published. This is our
    reconstruction, after Liang et al. 2023 (the foreground and regions of the largest discrepancy
    of teacher and student), FGD (attention, masks) and PKD (what is compared).

    Raises:
        InvalidOptionError: there is no teacher with such maps.
    """

    task = BESIDE
    asks = frozenset(FEATURES)

    def __init__(self, config: LossConfig, sizes: Sizes) -> None:
        super().__init__()
        self.names = feature_names('key_features', sizes)
        self.adapters = adapters('key_features', sizes, self.names)
        self.options = config.distillation

    def forward(self, predicted: Predicted, batch: Batch) -> Tensor:
        """The mean over the maps."""
        found = []
        for name in self.names:
            own = self.adapters[name](predicted.maps[name].float())
            taught = predicted.taught[name].float()
            found.append(self._of_map(own, taught, batch, FEATURES[name]))
        return torch.stack(found).mean()

    def _of_map(self, own: Tensor, taught: Tensor, batch: Batch, stride: int) -> Tensor:
        height, width = own.shape[-2:]
        differences = (standardised(own) - standardised(taught)).square().mean(dim=1) / 2
        attention = spatial_attention(taught, temperature=self.options.attention_temperature)
        objects = foreground(batch, (height, width), stride=stride)
        key = most_differing(
            (attention * differences).detach(),
            objects == 0,
            count=math.ceil(self.options.key_share * height * width),
        )
        at_objects = weighted_mean(differences, attention * objects)
        elsewhere = weighted_mean(differences, attention * key)
        return at_objects + self.options.key_background * elsewhere
