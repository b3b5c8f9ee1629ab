"""CSTrack: YOLOv5 with a reciprocal network and scale-aware attention for re-ID.

Source: Liang et al. 2022, "Rethinking the competition between detection and re-ID in multi-object
tracking"; anchors, sizes and starting values as its authors' public model has them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import math
from typing import ClassVar

import torch
from torch import nn, Tensor
from torch.nn import functional as F

from mot_compress_ros.networks.cstrack_modules import ReciprocalNetwork, ScaleAwareAttention
from mot_compress_ros.networks.cstrack_trunk import PanTrunk
from mot_compress_ros.networks.heads import HEADS
from mot_compress_ros.options import option

FAMILY = 'cstrack'
# Width and height of three boxes in pixels of the network's input, by stride.
ANCHORS_PX = {
    8: ((8, 24), (11, 34), (16, 48)),
    16: ((32, 96), (45, 135), (64, 192)),
    32: ((128, 384), (180, 540), (256, 640)),
}
ID_STRIDE = 8
BOX_VALUES = 5  # x, y, width, height, objectness
# About so many objects are expected in an image of this side when training begins (YOLOv5).
_EXPECTED_OBJECTS, _EXPECTED_SIDE_PX = 8, 640


@dataclass(frozen=True, kw_only=True)
class CstrackConfig:
    """Everything that is needed to build the network anew; stands in its bundle's manifest."""

    name: str = option(FAMILY, 'network family', choices=(FAMILY,))
    width: float = option(
        1.0, 'channel multiple (YOLOv5-l: 1, s: 0.5)', minimum=0.03125, maximum=2.0
    )
    depth: float = option(
        1.0, 'multiple of the blocks (YOLOv5-l: 1, s: 0.33)', minimum=0.0, maximum=2.0
    )
    n_class: int = option(1, 'number of classes', minimum=1, maximum=1000)
    embedding_dim: int = option(512, 're-ID embedding length', minimum=1, maximum=1024)
    id_channels: int = option(
        256, 'hidden channels of scale-aware attention', minimum=4, maximum=1024
    )

    @property
    def pivots(self) -> int:
        """It has none; see `ArchitectureConfig.pivots`."""
        return 0


def box_map(stride: int) -> str:
    """Name of the map of boxes of a stride."""
    return f'box{stride}'


class Cstrack(nn.Module):
    """The network.

    `forward` maps (B, 3, H, W) RGB in 0..1 to raw maps: `box8`, `box16` and `box32`
    (B, 3 (5 + n_class), h, w), for each anchor x, y, width, height, objectness and classes, and
    `id` (B, D, H / 8, W / 8), not normalised. H and W are multiples of 32.
    `inference.anchor_boxes` says how they are read.
    """

    # Modules that give the maps of the neck, by name; see `offline_training.distillation.levels`.
    level_paths: ClassVar[Mapping[str, str]] = {
        'level8': 'trunk.down8',
        'level16': 'trunk.up16',
        'level32': 'trunk.up32',
    }

    def __init__(self, config: CstrackConfig) -> None:
        super().__init__()
        self.config = config
        self.trunk = PanTrunk(width=config.width, depth=config.depth)
        channels = self.trunk.channels
        self.reciprocal = nn.ModuleList(ReciprocalNetwork(c) for c in channels)
        self.boxes = nn.ModuleList(
            _box_layer(c, config.n_class, stride)
            for c, stride in zip(channels, ANCHORS_PX, strict=True)
        )
        self.id = ScaleAwareAttention(
            channels, hidden=config.id_channels, embedding_dim=config.embedding_dim
        )

    @property
    def prior_planes(self) -> int:
        """It takes no prior."""
        return 0

    def forward(
        self, images: Tensor, prior: Tensor | None = None, *, heads: Sequence[str] = HEADS
    ) -> dict[str, Tensor]:
        """Evaluate the network.

        Args:
            images: (B, 3, H, W).
            prior: nothing; it is there so that all networks are called alike.
            heads: as of a `JointDetector`: `id` wants the re-ID vectors, any other the boxes.
        """
        pairs = [split(x) for split, x in zip(self.reciprocal, self.trunk(images), strict=True)]
        maps = {
            box_map(stride): layer(pair[0])
            for stride, layer, pair in zip(ANCHORS_PX, self.boxes, pairs, strict=True)
            if set(heads) - {'id'}
        }
        return {**maps, 'id': self.id([pair[1] for pair in pairs])} if 'id' in heads else maps

    def embeddings(self, vectors: Tensor) -> Tensor:
        """Raw re-ID vectors (K, D) to unit length."""
        return F.normalize(vectors.float(), dim=1)


def _box_layer(channels: int, n_class: int, stride: int) -> nn.Conv2d:
    """The last layer of a stride; scores start at what is expected of an image (YOLOv5)."""
    anchors = len(ANCHORS_PX[stride])
    layer = nn.Conv2d(channels, anchors * (BOX_VALUES + n_class), 1)
    cells = (_EXPECTED_SIDE_PX / stride) ** 2
    with torch.no_grad():
        bias = layer.bias.view(anchors, -1)  # type: ignore[union-attr]
        bias[:, 4] += math.log(_EXPECTED_OBJECTS / cells)
        bias[:, BOX_VALUES:] += math.log(0.6 / (n_class - 0.99))
    return layer
