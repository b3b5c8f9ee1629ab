"""A light feature pyramid: coarse maps are added to finer ones down to the first map's stride."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn, Tensor
from torch.nn import functional as F

from mot_compress_ros.networks.mobilenet_blocks import conv_norm, conv_norm_relu6


class TopDown(nn.Module):
    """Maps of strides s, 2 s, 4 s, ..., finest first -> one map of stride s, (B, C_out, h, w).

    At each stride a 1x1 convolution brings the map to `c_out` channels, the coarser result is
    added, and a depthwise and a 1x1 convolution smooth the sum.
    Source: Lin et al., Feature Pyramid Networks, section 3, with separable convolutions.
    """

    def __init__(self, channels: Sequence[int], c_out: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(conv_norm(c, c_out) for c in channels)
        # The coarsest map has nothing added to it, so it is not smoothed.
        self.smooth = nn.ModuleList(
            nn.Sequential(
                conv_norm_relu6(c_out, c_out, kernel=3, groups=c_out),
                conv_norm_relu6(c_out, c_out),
            )
            for _ in channels[:-1]
        )

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Evaluate the neck."""
        out: Tensor = self.lateral[-1](maps[-1])
        for index in reversed(range(len(self.smooth))):
            coarse = F.interpolate(out, scale_factor=2.0, mode='nearest')
            out = self.smooth[index](coarse + self.lateral[index](maps[index]))
        return out
