"""MobileNetV2 with a light top-down neck to stride 4: small, and of layers INT8 runtimes like."""

from __future__ import annotations

from torch import nn, Tensor

from mot_compress_ros.networks.channels import scaled_to_nearest
from mot_compress_ros.networks.mobilenet_blocks import conv_norm_relu6, InvertedResidual
from mot_compress_ros.networks.necks.top_down import TopDown

# Expansion, channels, blocks, stride of the first (MobileNetV2, table 2).
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
# Number of the last block of strides 4, 8, 16 and 32.
TAPS = (3, 6, 13, 17)
LEVELS = ('features.3', 'features.6', 'features.13', 'features.17')
NECK_CHANNELS = 64


class MobileNetV2(nn.Module):
    """(B, 3, H, W) RGB in 0..1 -> (B, out_channels, H / 4, W / 4); H and W multiples of 32.

    Below `features.` the parameter names are torchvision's, so that its file fits; the neck is
    `neck.*`.
    """

    def __init__(self, *, width: float) -> None:
        super().__init__()
        channels = scaled_to_nearest(32, width)
        blocks: list[nn.Module] = [conv_norm_relu6(3, channels, kernel=3, stride=2)]
        given = [channels]  # channels that each block gives
        for expansion, c_out, count, first_stride in STAGES:
            c_out = scaled_to_nearest(c_out, width)
            for index in range(count):
                stride = 1 if index else first_stride
                blocks.append(
                    InvertedResidual(given[-1], c_out, stride=stride, expansion=expansion)
                )
                given.append(c_out)
        self.features = nn.Sequential(*blocks)
        self.out_channels = scaled_to_nearest(NECK_CHANNELS, width)
        self.neck = TopDown([given[tap] for tap in TAPS], self.out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Evaluate the backbone and the neck."""
        maps = []
        for index, block in enumerate(self.features):
            x = block(x)
            if index in TAPS:
                maps.append(x)
        joint: Tensor = self.neck(maps)
        return joint
