"""Joint detection and re-ID network: one backbone, four heads at stride 4 (FairMOT)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import nn, Tensor

from mot_compress_ros.networks.backbones import BACKBONES
from mot_compress_ros.networks.heads import Head, HEADS, HEATMAP_BIAS
from mot_compress_ros.options import option


@dataclass(frozen=True, kw_only=True)
class ArchitectureConfig:
    """Everything that is needed to build the network anew; stands in every bundle's manifest."""

    name: str = option('yolov5_light', 'backbone family', choices=tuple(BACKBONES))
    width: float = option(
        0.0,
        'channel multiple of the backbone; 0 takes the published one, 0.5 for yolov5_light and '
        '1 for the others',
        minimum=0.0,
        maximum=2.0,
    )
    n_class: int = option(3, 'number of classes of the heat map', minimum=1, maximum=1000)
    embedding_dim: int = option(64, 're-ID embedding length', minimum=1, maximum=1024)
    head_channels: int = option(
        0,
        'hidden channels of the heads; 0 takes the published ones: 256 for dla34_*, 64 for '
        'resnet*, those of the feature map for the others',
        minimum=0,
        maximum=1024,
    )


class JointDetector(nn.Module):
    """FairMOT's network.

    `forward` maps (B, 3, H, W) RGB in 0..1 to raw maps at stride 4: `hm` (B, n_class, h, w)
    logits, `wh` (B, 4, h, w) distances left, top, right, bottom in cells, `id` (B, D, h, w) not
    normalised, `reg` (B, 2, h, w) sub-cell offsets (x, y). H and W are multiples of 32. The keys
    of its state dict are `backbone.*`, `hm.*`, `wh.*`, `id.*` and `reg.*`; `public_layout` turns
    them into those of the published checkpoints.

    `config` is what it was made of, with the published values in the place of zeros.
    """

    def __init__(self, config: ArchitectureConfig) -> None:
        super().__init__()
        family = BACKBONES[config.name]
        width = config.width or family.width
        self.backbone = family.make(width=width)
        channels = int(self.backbone.out_channels)  # type: ignore[arg-type]
        hidden = config.head_channels or family.head_channels or channels
        self.config = replace(config, width=width, head_channels=hidden)
        head = partial(Head, channels, hidden=hidden, activation=family.head_activation)
        self.hm = head(config.n_class, bias=HEATMAP_BIAS)
        self.wh = head(4, last_std=family.head_last_std)
        self.id = head(config.embedding_dim, last_std=family.head_last_std)
        self.reg = head(2, last_std=family.head_last_std)

    @property
    def prior_planes(self) -> int:
        """Planes of the prior that `forward` takes; 0: none."""
        return 0

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Evaluate backbone and heads."""
        feature = self.backbone(images)  # (B, C, H / 4, W / 4)
        return {name: getattr(self, name)(feature) for name in HEADS}


def spelled_out(config: ArchitectureConfig) -> ArchitectureConfig:
    """The same network with the published values in the place of zeros."""
    with torch.device('meta'):  # shapes alone, no memory
        return JointDetector(config).config
