"""CSTrack's trunk: YOLOv5 with CSP bottlenecks and a path aggregation neck."""

from __future__ import annotations

import torch
from torch import nn, Tensor
from torch.nn import functional as F

from mot_compress_ros.networks.channels import scaled
from mot_compress_ros.networks.cstrack_blocks import (
    BottleneckCsp,
    LeakyConv,
    LeakyFocus,
    LeakySpp,
)


class PanTrunk(nn.Module):
    """(B, 3, H, W) RGB in 0..1 -> maps of strides 8, 16 and 32; H and W multiples of 32.

    Width and depth 1 are YOLOv5-l, 0.5 and 0.33 YOLOv5-s. `channels` are those of the maps.
    """

    def __init__(self, *, width: float, depth: float) -> None:
        super().__init__()
        c64, c128, c256, c512, c1024 = (scaled(c, width) for c in (64, 128, 256, 512, 1024))
        d3, d9 = (max(round(n * depth), 1) for n in (3, 9))
        self.channels = (c256, c512, c1024)
        self.to_stride4 = nn.Sequential(
            LeakyFocus(c64),
            LeakyConv(c64, c128, kernel=3, stride=2),
            BottleneckCsp(c128, c128, depth=d3),
        )
        self.to_stride8 = nn.Sequential(
            LeakyConv(c128, c256, kernel=3, stride=2), BottleneckCsp(c256, c256, depth=d9)
        )
        self.to_stride16 = nn.Sequential(
            LeakyConv(c256, c512, kernel=3, stride=2), BottleneckCsp(c512, c512, depth=d9)
        )
        self.to_stride32 = nn.Sequential(
            LeakyConv(c512, c1024, kernel=3, stride=2),
            LeakySpp(c1024),
            BottleneckCsp(c1024, c1024, depth=d3, shortcut=False),
        )
        self.narrow32 = LeakyConv(c1024, c512)
        self.down16 = BottleneckCsp(2 * c512, c512, depth=d3, shortcut=False)
        self.narrow16 = LeakyConv(c512, c256)
        self.down8 = BottleneckCsp(2 * c256, c256, depth=d3, shortcut=False)
        self.shrink8 = LeakyConv(c256, c256, kernel=3, stride=2)
        self.up16 = BottleneckCsp(2 * c256, c512, depth=d3, shortcut=False)
        self.shrink16 = LeakyConv(c512, c512, kernel=3, stride=2)
        self.up32 = BottleneckCsp(2 * c512, c1024, depth=d3, shortcut=False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The maps of strides 8, 16 and 32."""
        at8 = self.to_stride8(self.to_stride4(images))
        at16 = self.to_stride16(at8)
        narrow32 = self.narrow32(self.to_stride32(at16))
        narrow16 = self.narrow16(self.down16(torch.cat([_twice(narrow32), at16], dim=1)))
        out8 = self.down8(torch.cat([_twice(narrow16), at8], dim=1))
        out16 = self.up16(torch.cat([self.shrink8(out8), narrow16], dim=1))
        out32 = self.up32(torch.cat([self.shrink16(out16), narrow32], dim=1))
        return out8, out16, out32


def _twice(features: Tensor) -> Tensor:
    return F.interpolate(features, scale_factor=2.0, mode='nearest')
