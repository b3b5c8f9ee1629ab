"""What every fusion has; the package says what it means."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from torch import nn, Tensor


class Fusion(nn.Module, ABC):
    """The contract of the members."""

    @abstractmethod
    def __init__(self, *, channels: int, n_class: int) -> None:
        super().__init__()
        self.n_class = n_class

    @staticmethod
    @abstractmethod
    def prior_planes(n_class: int) -> int:
        """Planes of the prior that it takes."""

    @staticmethod
    @abstractmethod
    def extra_channels(n_class: int) -> Mapping[str, int]:
        """Channels that the input of a head has beside those of the feature, by head."""

    def untold(self, feature: Tensor) -> Mapping[str, Tensor]:
        """The same as `forward` makes of a prior of zeros."""
        batch, _, h, w = feature.shape
        planes = self.prior_planes(self.n_class)
        inputs: Mapping[str, Tensor] = self(feature, feature.new_zeros(batch, planes, h, w))
        return inputs

    @abstractmethod
    def forward(self, feature: Tensor, prior: Tensor) -> Mapping[str, Tensor]:
        """The input of each head."""
