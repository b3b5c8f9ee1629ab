"""Joint detection and re-ID network: one backbone, four heads at stride 4 (FairMOT)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn, Tensor

from mot_compress_ros.networks.backbones import BACKBONES
from mot_compress_ros.networks.heads import Head, HEATMAP_BIAS
from mot_compress_ros.options import option


@dataclass(frozen=True, kw_only=True)
class ArchitectureConfig:
    """Everything that is needed to build the network anew; stands in every bundle's manifest."""

    name: str = option('yolov5_light', 'backbone family', choices=tuple(BACKBONES))
    width: float = option(0.5, 'channel multiple of the backbone', minimum=0.03125, maximum=2.0)
    n_class: int = option(3, 'number of classes of the heat map', minimum=1, maximum=1000)
    embedding_dim: int = option(64, 're-ID embedding length', minimum=1, maximum=1024)
    head_channels: int = option(
        0,
        'hidden channels of the heads; 0 takes those of the feature map',
        minimum=0,
        maximum=1024,
    )


class JointDetector(nn.Module):
    """FairMOT's network.

    `forward` maps (B, 3, H, W) RGB in 0..1 to raw maps at stride 4: `hm` (B, n_class, h, w)
    logits, `wh` (B, 4, h, w) distances left, top, right, bottom in cells, `id` (B, D, h, w) not
    normalised, `reg` (B, 2, h, w) sub-cell offsets (x, y). The key layout of its state dict is the
    public one (`backbone.model.*`, `hm.*`, `wh.*`, `id.*`, `reg.*`).
    """

    def __init__(self, config: ArchitectureConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = BACKBONES[config.name](width=config.width)
        channels = self.backbone.out_channels
        hidden = config.head_channels or channels
        self.hm = Head(channels, config.n_class, hidden=hidden, bias=HEATMAP_BIAS)
        self.wh = Head(channels, 4, hidden=hidden)
        self.id = Head(channels, config.embedding_dim, hidden=hidden)
        self.reg = Head(channels, 2, hidden=hidden)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Evaluate backbone and heads."""
        feature = self.backbone(images)  # (B, C, H / 4, W / 4)
        return {name: getattr(self, name)(feature) for name in ('hm', 'wh', 'id', 'reg')}
