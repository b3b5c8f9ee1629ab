"""AttTrack's fusion: the prior's heat maps are appended to the feature.

Source: AttTrack, eq. 4 and section 4.3. "The fused features are fed into heatmap and re-ID
branches"; the box branches, which it does not name, read the plain feature.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from mot_compress_ros.networks.fusions.contract import Fusion
from mot_compress_ros.networks.heads import HEADS

FUSED = ('hm', 'id')


class Concatenation(Fusion):
    """`hm` and `id` read C + n_class channels; it has no parameters of its own."""

    def __init__(self, *, channels: int, n_class: int) -> None:
        super().__init__(channels=channels, n_class=n_class)

    @staticmethod
    def prior_planes(n_class: int) -> int:
        """The heat maps, without age and uncertainty."""
        return n_class

    @staticmethod
    def extra_channels(n_class: int) -> Mapping[str, int]:
        """Those of the heat maps."""
        return dict.fromkeys(FUSED, n_class)

    def forward(self, feature: Tensor, prior: Tensor) -> Mapping[str, Tensor]:
        """The feature, and for two heads feature and heat maps."""
        fused = torch.cat([feature, prior], dim=1)  # (B, C + n_class, h, w)
        return {**dict.fromkeys(HEADS, feature), **dict.fromkeys(FUSED, fused)}
