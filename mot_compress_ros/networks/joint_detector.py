"""Joint detection and re-ID network: one backbone, four heads at stride 4 (FairMOT)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
import math

import torch
from torch import nn, Tensor
from torch.nn import functional as F

from mot_compress_ros.errors import InvalidOptionError
from mot_compress_ros.networks.activations import ACTIVATIONS, PUBLISHED, with_activation
from mot_compress_ros.networks.backbones import BACKBONES
from mot_compress_ros.networks.fusions import FUSIONS
from mot_compress_ros.networks.heads import Head, HEADS, HEATMAP_BIAS
from mot_compress_ros.options import option

MIN_PIVOTS = 3  # at two, ln(n - 1) is 0 and every pivot vector is the same


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
    fusion: str = option(
        'none',
        'how the network takes the heat map of a teacher. none: not at all; concat: beside its '
        'feature (AttTrack); gated: it scales and shifts the feature; gated_heat: the same '
        'without the age and the uncertainty of what it saw',
        choices=tuple(FUSIONS),
    )
    pivots: int = option(
        0,
        'length of the pivot vector that a linear layer makes of the re-ID embedding and that '
        'takes its place (AttTrack, EFM), one for each identity of the training set; 0: none',
        minimum=0,
        maximum=65536,
    )
    activation: str = option(
        PUBLISHED,
        'what takes the place of SiLU, which int8 runtimes leave int8 for; published: nothing',
        choices=tuple(ACTIVATIONS),
    )

    def __post_init__(self) -> None:
        if 0 < self.pivots < MIN_PIVOTS:
            raise InvalidOptionError(
                f'architecture.pivots: got {self.pivots}, expected 0 or at least {MIN_PIVOTS}'
            )


class JointDetector(nn.Module):
    """FairMOT's network.

    `forward` maps (B, 3, H, W) RGB in 0..1 to raw maps at stride 4: `hm` (B, n_class, h, w)
    logits, `wh` (B, 4, h, w) distances left, top, right, bottom in cells, `id` (B, D, h, w) not
    normalised, `reg` (B, 2, h, w) sub-cell offsets (x, y). H and W are multiples of 32. The keys
    of its state dict are `backbone.*`, `hm.*`, `wh.*`, `id.*` and `reg.*`, and `fusion.*` and
    `pivot.*` where it has them; `public_layout` turns them into those of the published
    checkpoints.

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
        extra = FUSIONS[config.fusion].extra_channels(config.n_class)

        def head(name: str, outputs: int, *, bias: float | None = None) -> Head:
            make = partial(Head, hidden=hidden, activation=family.head_activation, bias=bias)
            std = family.head_last_std if bias is None else None
            return make(channels + extra.get(name, 0), outputs, last_std=std)

        self.hm = head('hm', config.n_class, bias=HEATMAP_BIAS)
        self.wh = head('wh', 4)
        self.id = head('id', config.embedding_dim)
        self.reg = head('reg', 2)
        # After the heads, whose first weights are those of a network that has none of these.
        self.fusion = FUSIONS[config.fusion](channels=channels, n_class=config.n_class)
        if config.pivots:
            self.pivot = nn.Linear(config.embedding_dim, config.pivots)
        with_activation(self, config.activation)

    @property
    def prior_planes(self) -> int:
        """Planes of the prior that `forward` takes; 0: none."""
        return self.fusion.prior_planes(self.config.n_class)

    def forward(
        self, images: Tensor, prior: Tensor | None = None, *, heads: Sequence[str] = HEADS
    ) -> dict[str, Tensor]:
        """Evaluate backbone and heads.

        Args:
            images: (B, 3, H, W).
            prior: (B, `prior_planes`, H / 4, W / 4) (`inference.prior`); None is zeros.
            heads: those that are evaluated.
        """
        inputs = self.head_inputs(images, prior)
        return {name: getattr(self, name)(inputs[name]) for name in heads}

    def head_inputs(self, images: Tensor, prior: Tensor | None = None) -> Mapping[str, Tensor]:
        """The map (B, C, H / 4, W / 4) that each head reads, by name; as for `forward`."""
        feature = self.backbone(images)  # (B, C, H / 4, W / 4)
        if prior is None:
            return self.fusion.untold(feature)
        return self.fusion(feature, prior.to(feature.dtype))

    def pivot_vectors(self, vectors: Tensor) -> Tensor:
        """Raw re-ID vectors (K, D) to pivot vectors (K, pivots): logits of the identities.

        The layer gets sqrt(2) ln(n - 1) times the unit vector, n pivots, as FairMOT's classifier.
        Source: AttTrack, section 4.4 (EFM); FairMOT's `MotLoss`.
        """
        scale = math.sqrt(2) * math.log(self.config.pivots - 1)
        given = scale * F.normalize(vectors.float(), dim=1)
        pivots: Tensor = self.pivot(given.to(self.pivot.weight.dtype))
        return pivots

    def embeddings(self, vectors: Tensor) -> Tensor:
        """Raw re-ID vectors (K, D) to what is compared, of unit length: (K, D) or (K, pivots)."""
        raw = self.pivot_vectors(vectors) if self.config.pivots else vectors
        return F.normalize(raw.float(), dim=1)


def spelled_out(config: ArchitectureConfig) -> ArchitectureConfig:
    """The same network with the published values in the place of zeros."""
    with torch.device('meta'):  # shapes alone, no memory
        return JointDetector(config).config
