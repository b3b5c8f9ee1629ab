"""What the joint detector must know about a backbone to put heads on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import nn


class MakeBackbone(Protocol):
    """Makes a backbone: a module with `out_channels` that maps images to a stride-4 map."""

    def __call__(self, *, width: float) -> nn.Module:
        """Make it at a channel multiple."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """A backbone and the published habits of the network around it.

    Attributes:
        make: makes the backbone from its width.
        levels: modules of the backbone whose outputs are its maps of strides 4, 8, 16 and 32.
        width: the published channel multiple.
        head_channels: hidden channels of the published heads; 0 for those of the feature map.
        head_activation: between the two convolutions of a head.
        head_last_std: deviation of the first weights in the last layer of all heads but the heat
            map; None where they are drawn as torch does.
        public_prefix: what the public key layout puts before the backbone's own keys.
        dead_keys: patterns of keys in public files that nothing reads; full matches.
    """

    make: MakeBackbone
    levels: tuple[str, str, str, str]
    width: float = 1.0
    head_channels: int = 0
    head_activation: type[nn.SiLU] | type[nn.ReLU] = nn.ReLU
    head_last_std: float | None = 1e-3
    public_prefix: str = ''
    dead_keys: tuple[str, ...] = ()
