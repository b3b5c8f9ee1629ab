"""Activations of a network: what was published, or one that int8 runtimes keep in int8.

SiLU is x * sigmoid(x): a runtime leaves int8 for it after every convolution. ReLU and ReLU6 cost
nothing there, they are the range of the numbers; hard-swish is built into the runtimes' kernels.
The members keep 0 at 0, which the gated fusion relies on, and have no parameters, so weights of a
network with SiLU fit; its answers change though, and it has to be trained on.
Source of the choice: Howard et al. 2019, Searching for MobileNetV3, section 5.2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from torch import nn

M = TypeVar('M', bound=nn.Module)
PUBLISHED = 'published'
# None: each part of the network keeps the activation that it was published with.
ACTIVATIONS: Mapping[str, Callable[[], nn.Module] | None] = {
    PUBLISHED: None,
    'relu': lambda: nn.ReLU(inplace=True),
    'relu6': lambda: nn.ReLU6(inplace=True),
    'hardswish': lambda: nn.Hardswish(inplace=True),
}
# ReLU and ReLU6 of published backbones are as good as any of the members, and stay.
_BREAK_INT8 = (nn.SiLU, nn.GELU, nn.Mish)


def with_activation(network: M, name: str) -> M:
    """Put the member `name` in the place of all that break int8 chains, in place."""
    make = ACTIVATIONS[name]
    if make is None:
        return network
    found = [n for n, module in network.named_modules() if isinstance(module, _BREAK_INT8)]
    for place in found:
        network.set_submodule(place, make())
    return network
