"""Our fusion: the prior scales and shifts the feature where it says something.

All planes of the prior go in, so that the network can trust a fresh and sure one more than an old
one. The convolutions have no bias and the activation keeps 0, so a cell whose neighbourhood of the
prior is empty keeps its feature to the bit: a teacher that says nothing does no harm. The last
layer starts at 0, so a network that is given this fusion starts as what it was.
Source of the form: Perez et al. 2018 (FiLM), with a gain that stays between 0 and 2.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn, Tensor

from mot_compress_ros.networks.fusions.contract import Fusion
from mot_compress_ros.networks.heads import HEADS

HIDDEN = 16
KERNEL = 5  # cells: a prior that is 2 cells beside its object still reaches it
# Of the first weights: the planes are small numbers in few cells, of which the hidden channels are
# to be of order 1. What torch draws, 0.05, makes little of them, and the gate learns late.
FIRST_STD = 1.0
TRUST = 2  # planes beside the heat maps: age and uncertainty


class Gate(Fusion):
    """F' = F * (1 + tanh(gain)) + shift, gain and shift (B, C, h, w) from the prior alone."""

    def __init__(self, *, channels: int, n_class: int) -> None:
        super().__init__(channels=channels, n_class=n_class)
        planes = self.prior_planes(n_class)
        first = nn.Conv2d(planes, HIDDEN, KERNEL, padding=KERNEL // 2, bias=False)
        nn.init.normal_(first.weight, std=FIRST_STD)
        self.look = nn.Sequential(first, nn.SiLU(inplace=True))
        # Two layers: halves of one's output lie scattered in memory, which the products pay for.
        self.gain = nn.Conv2d(HIDDEN, channels, 1, bias=False)
        self.shift = nn.Conv2d(HIDDEN, channels, 1, bias=False)
        for last in (self.gain, self.shift):
            nn.init.zeros_(last.weight)

    @staticmethod
    def prior_planes(n_class: int) -> int:
        """Heat maps, age and uncertainty."""
        return n_class + TRUST

    @staticmethod
    def extra_channels(n_class: int) -> Mapping[str, int]:
        """None: the feature keeps its size."""
        return {}

    def untold(self, feature: Tensor) -> Mapping[str, Tensor]:
        """The feature as it is, which costs nothing."""
        return dict.fromkeys(HEADS, feature)

    def forward(self, feature: Tensor, prior: Tensor) -> Mapping[str, Tensor]:
        """The changed feature for all heads."""
        seen = self.look(prior)  # (B, HIDDEN, h, w)
        # 1 + tanh(x) is 2 sigmoid(2 x), which is 1 at 0 to the bit too, and faster in bf16.
        changed = feature * (2 * (2 * self.gain(seen)).sigmoid()) + self.shift(seen)
        return dict.fromkeys(HEADS, changed)


class HeatGate(Gate):
    """The same from the heat maps alone: what age and uncertainty are worth is the difference."""

    @staticmethod
    def prior_planes(n_class: int) -> int:
        """Heat maps, without age and uncertainty."""
        return n_class
