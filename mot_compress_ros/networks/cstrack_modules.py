"""What CSTrack adds to a detector: the reciprocal network and scale-aware attention.

Sources: Liang et al. 2022, "Rethinking the competition between detection and re-ID in multi-object
tracking", sections III-B and III-C; sizes as its authors' public model has them.
"""

from __future__ import annotations

import torch
from torch import nn, Tensor

from mot_compress_ros.networks.cstrack_blocks import LeakyConv

POOLED = (6, 10)
SLOPE = 0.3


class ReciprocalNetwork(nn.Module):
    """One map (B, C, h, w) becomes two of its shape, one for detection and one for identity.

    Both tasks weigh the channels by how these go together within the task and across the tasks:
    with Psi_i (C, 60) of task i from the pooled map, X_i = (w_i softmax(Psi_i Psi_i^T)
    + (1 - w_i) softmax(Psi_i Psi_j^T)) X + X, each softmax over the last dimension.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(POOLED)
        self.describe = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(channels, channels, 3, padding=1),
                nn.InstanceNorm2d(channels),
                nn.LeakyReLU(SLOPE, inplace=True),
            )
            for _ in range(2)
        )
        self.own = nn.Parameter(torch.full((2,), 0.5))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """For detection and for identity."""
        pooled = self.pool(features)
        first, second = (describe(pooled).flatten(2) for describe in self.describe)
        return (
            self._of_task(features, first, second, self.own[0]),
            self._of_task(features, second, first, self.own[1]),
        )

    def _of_task(self, features: Tensor, mine: Tensor, other: Tensor, own: Tensor) -> Tensor:
        within = (mine @ mine.transpose(1, 2)).softmax(dim=2)  # (B, C, C)
        across = (mine @ other.transpose(1, 2)).softmax(dim=2)
        weights = own * within + (1 - own) * across
        mixed = weights.to(features.dtype) @ features.flatten(2)
        return mixed.view_as(features) + features


class SpatialAttention(nn.Module):
    """(B, C, h, w) times 1 + a weight in 0..1 for each cell."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.narrow = LeakyConv(channels, channels // 4)
        self.weigh = nn.Conv2d(2, 1, 7, padding=3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Evaluate the block."""
        narrow = self.narrow(x)
        seen = torch.cat([narrow.mean(1, keepdim=True), narrow.amax(1, keepdim=True)], dim=1)
        weight: Tensor = self.weigh(seen).sigmoid()
        return x * weight + x


class ChannelAttention(nn.Module):
    """(B, C, h, w) times 1 + a weight in 0..1 for each channel, from its mean and its maximum."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weigh = nn.Sequential(
            nn.Conv1d(1, 1, 3, padding=1, bias=False),
            nn.LayerNorm([1, channels]),
            nn.LeakyReLU(SLOPE, inplace=True),
            nn.Linear(channels, channels, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Evaluate the block."""
        seen = [x.mean(dim=(2, 3)), x.amax(dim=(2, 3))]  # (B, C) each
        both = torch.stack([self.weigh(values[:, None])[:, 0] for values in seen]).sum(dim=0)
        return x * both.sigmoid()[:, :, None, None] + x


class ScaleAwareAttention(nn.Module):
    """Identity maps of strides 8, 16 and 32 to raw re-ID vectors (B, D, h, w) at stride 8.

    Args:
        channels: of the three maps.
        hidden: channels of each once they are at stride 8.
        embedding_dim: D.
    """

    def __init__(self, channels: tuple[int, int, int], *, hidden: int, embedding_dim: int) -> None:
        super().__init__()
        self.scales = nn.ModuleList(
            nn.Sequential(
                LeakyConv(c, hidden, kernel=3), *_enlarge(hidden, factor), SpatialAttention(hidden)
            )
            for c, factor in zip(channels, (1, 2, 4), strict=True)
        )
        self.join = nn.Sequential(
            ChannelAttention(3 * hidden), LeakyConv(3 * hidden, hidden, kernel=3)
        )
        self.last = nn.Conv2d(hidden, embedding_dim, 1)

    def forward(self, features: list[Tensor]) -> Tensor:
        """Evaluate the network."""
        scales = [scale(x) for scale, x in zip(self.scales, features, strict=True)]
        vectors: Tensor = self.last(self.join(torch.cat(scales, dim=1)))
        return vectors


def _enlarge(channels: int, factor: int) -> list[nn.Module]:
    if factor == 1:
        return []
    size, around = 2 * factor, factor // 2
    return [
        nn.ConvTranspose2d(channels, channels, size, factor, around, groups=channels, bias=False)
    ]
