"""FairMOT's light backbone: a YOLOv5 trunk with a top-down neck that ends at stride 4."""

from __future__ import annotations

import torch
from torch import nn, Tensor

from mot_compress_ros.networks.channels import scaled
from mot_compress_ros.networks.yolov5_blocks import C3, Conv, Focus, SPP

DEPTH_MULTIPLE = 0.33
LEVELS = ('model.2', 'model.4', 'model.6', 'model.9')  # of strides 4, 8, 16 and 32


class YoloV5Light(nn.Module):
    """(B, 3, H, W) RGB in 0..1 -> (B, out_channels, H / 4, W / 4); H and W multiples of 32.

    The 22 layers of FairMOT's `yolo` arch: no bottom-up path, no anchors. Width 0.5 is the public
    model (64 channels at stride 4), 0.25 and 0.125 are AttTrack's `mid` and `small` students.
    """

    def __init__(self, *, width: float) -> None:
        super().__init__()
        c64, c128, c256, c512, c1024 = (scaled(c, width) for c in (64, 128, 256, 512, 1024))
        d3, d9 = _depth(3), _depth(9)
        layers: list[nn.Module] = [
            Focus(3, c64, kernel=3),  # 0, stride 2
            Conv(c64, c128, kernel=3, stride=2),  # 1, stride 4
            C3(c128, c128, depth=d3),  # 2
            Conv(c128, c256, kernel=3, stride=2),  # 3, stride 8
            C3(c256, c256, depth=d9),  # 4
            Conv(c256, c512, kernel=3, stride=2),  # 5, stride 16
            C3(c512, c512, depth=d9),  # 6
            Conv(c512, c1024, kernel=3, stride=2),  # 7, stride 32
            SPP(c1024, c1024),  # 8
            C3(c1024, c1024, depth=d3, shortcut=False),  # 9
            Conv(c1024, c512),  # 10
            nn.Upsample(scale_factor=2, mode='nearest'),  # 11
            nn.Identity(),  # 12: concatenation with layer 6
            C3(2 * c512, c512, depth=d3, shortcut=False),  # 13
            Conv(c512, c256),  # 14
            nn.Upsample(scale_factor=2, mode='nearest'),  # 15
            nn.Identity(),  # 16: concatenation with layer 4
            C3(2 * c256, c256, depth=d3, shortcut=False),  # 17
            Conv(c256, c128),  # 18
            nn.Upsample(scale_factor=2, mode='nearest'),  # 19
            nn.Identity(),  # 20: concatenation with layer 2
            C3(2 * c128, c128, depth=d3, shortcut=False),  # 21
        ]
        self.model = nn.ModuleList(layers)
        self.out_channels = c128
        self._concat_with = {12: 6, 16: 4, 20: 2}

    def forward(self, x: Tensor) -> Tensor:
        """Evaluate the backbone and the neck."""
        kept: dict[int, Tensor] = {}
        for index, layer in enumerate(self.model):
            source = self._concat_with.get(index)
            x = layer(x) if source is None else torch.cat([x, kept[source]], dim=1)
            if index in (2, 4, 6):
                kept[index] = x
        return x


def _depth(count: int) -> int:
    return max(round(count * DEPTH_MULTIPLE), 1)
