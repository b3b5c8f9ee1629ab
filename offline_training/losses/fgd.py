"""FGD, a rival: focal distillation by attention and masks, global by relations of cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn, Tensor

from offline_training.distillation.levels import FEATURES
from offline_training.losses.foreground import foreground
from offline_training.losses.part import BESIDE, LossPart, Predicted, Sizes
from offline_training.losses.taught import adapters, feature_names, spatial_attention

if TYPE_CHECKING:
    from offline_training.datasets.targets import Batch
    from offline_training.losses.config import LossConfig

TEMPERATURE = 0.5
# Of objects, of what is around them, of the attention maps, of the relations.
ALPHA, BETA, GAMMA, LAMBDA = 1e-3, 5e-4, 1e-3, 5e-6


def channel_attention(features: Tensor) -> Tensor:
    """(B, C), of mean 1 in each image. Source: FGD, eq. 3 and 4."""
    share = (features.abs().mean(dim=(2, 3)) / TEMPERATURE).softmax(dim=1)
    return share * share.shape[1]


class Context(nn.Module):
    """(B, C, h, w) with what a global context block (Cao et al. 2019) adds: FGD's eq. 9.

    At the start it adds nothing.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(channels // 2, 1)
        self.where = nn.Conv2d(channels, 1, 1)
        self.add = nn.Sequential(
            nn.Linear(channels, hidden),
            nn.LayerNorm(hidden),
            nn.ReLU(),
            nn.Linear(hidden, channels),
        )
        for values in self.add[3].parameters():
            nn.init.zeros_(values)

    def forward(self, features: Tensor) -> Tensor:
        """Evaluate the block."""
        share = self.where(features).flatten(2).softmax(dim=2)  # (B, 1, h * w)
        context = (features.flatten(2) * share).sum(dim=2)  # (B, C)
        added: Tensor = self.add(context)
        return features + added[:, :, None, None]


class FocalAndGlobal(LossPart):
    """FGD's four terms at each map of `FEATURES`, with its published weights, summed.

    As published they are sums over cells and channels, by the number of images, so that larger
    maps count more. It is added beside the balance of the tasks.
    Source: FGD (Yang et al. 2022), eq. 1 to 10.

    Raises:
        InvalidOptionError: there is no teacher with such maps.
    """

    task = BESIDE
    asks = frozenset(FEATURES)

    def __init__(self, config: LossConfig, sizes: Sizes) -> None:
        super().__init__()
        self.names = feature_names('fgd', sizes)
        self.adapters = adapters('fgd', sizes, self.names)
        channels = {name: sizes.channels[name][1] for name in self.names}
        self.own_context = nn.ModuleDict({n: Context(c) for n, c in channels.items()})
        self.taught_context = nn.ModuleDict({n: Context(c) for n, c in channels.items()})

    def forward(self, predicted: Predicted, batch: Batch) -> Tensor:
        """The sum over the maps."""
        found = []
        for name in self.names:
            own = self.adapters[name](predicted.maps[name].float())
            taught = predicted.taught[name].float()
            relations = self.own_context[name](own) - self.taught_context[name](taught)
            local = _focal(own, taught, batch, FEATURES[name])
            found.append((local + LAMBDA * relations.square().sum()) / len(own))
        return torch.stack(found).sum()


def _focal(own: Tensor, taught: Tensor, batch: Batch, stride: int) -> Tensor:
    """Features by masks and attention, and the attention itself: sums over the batch."""
    objects = foreground(batch, (own.shape[2], own.shape[3]), stride=stride)  # (B, h, w)
    free = (objects == 0).float()
    around = free / free.sum(dim=(1, 2), keepdim=True).clamp(min=1)
    spatial = [spatial_attention(f, temperature=TEMPERATURE) for f in (own, taught)]
    channel = [channel_attention(f) for f in (own, taught)]
    squares = (own - taught).square() * channel[1][:, :, None, None]
    at_cells = squares.sum(dim=1) * spatial[1]  # (B, h, w)
    attention = (spatial[0] - spatial[1]).abs().sum() + (channel[0] - channel[1]).abs().sum()
    return (
        ALPHA * (objects * at_cells).sum() + BETA * (around * at_cells).sum() + GAMMA * attention
    )
