"""The four heads of FairMOT: heat map, box extents, sub-cell offset and re-ID embedding."""

from __future__ import annotations

import torch
from torch import nn

# log((1 - 0.01) / 0.01) / 2: an untrained heat map answers about 0.1 everywhere (CornerNet).
HEATMAP_BIAS = -2.19
# By what they answer at each cell: class, box extents, identity, sub-cell offset.
HEADS = ('hm', 'wh', 'id', 'reg')


class Head(nn.Sequential):
    """3x3 convolution, activation, 1x1 convolution: (B, C, h, w) -> (B, n, h, w), raw values.

    Parameter names are those of the public layout: `0.weight`, `0.bias`, `2.weight`, `2.bias`.
    """

    def __init__(
        self,
        channels: int,
        outputs: int,
        *,
        hidden: int,
        activation: type[nn.SiLU] | type[nn.ReLU] = nn.SiLU,
        bias: float = 0.0,
    ) -> None:
        last = nn.Conv2d(hidden, outputs, 1, bias=True)
        last.bias = nn.Parameter(torch.full((outputs,), bias))
        if bias == 0.0:  # the public recipe draws the last layer of box and re-ID heads small
            nn.init.normal_(last.weight, std=1e-3)
        first = nn.Conv2d(channels, hidden, 3, padding=1, bias=True)
        super().__init__(first, activation(inplace=True), last)
