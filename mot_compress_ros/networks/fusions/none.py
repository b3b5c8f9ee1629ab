"""No fusion: the network looks at the image alone."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from mot_compress_ros.networks.fusions.contract import Fusion
from mot_compress_ros.networks.heads import HEADS


class NoFusion(Fusion):
    """Every head reads the feature."""

    def __init__(self, *, channels: int, n_class: int) -> None:
        super().__init__(channels=channels, n_class=n_class)

    @staticmethod
    def prior_planes(n_class: int) -> int:
        """None."""
        return 0

    @staticmethod
    def extra_channels(n_class: int) -> Mapping[str, int]:
        """None."""
        return {}

    def forward(self, feature: Tensor, prior: Tensor) -> Mapping[str, Tensor]:
        """The feature for all heads."""
        return dict.fromkeys(HEADS, feature)
