"""What a network costs: parameters and multiply-adds, module by module.

Convention: one multiply-add (MAC) per product of a convolution or linear layer; biases, BatchNorm,
activations, pooling, resizing and sums are free. A deformable convolution costs its products and
those of the convolution that places its taps; the bilinear reading is free. FLOPs are about twice
the MACs. Nothing is computed: shapes flow through a copy of the network on torch's meta device.
"""

from __future__ import annotations

from collections.abc import Callable
import copy
from dataclasses import dataclass
import math

import torch
from torch import nn, Tensor

from mot_compress_ros.errors import InputError
from mot_compress_ros.networks.deformable import DeformConv2d
from mot_compress_ros.preprocess import STRIDE


@dataclass(frozen=True, kw_only=True)
class ModuleCost:
    """A module with parameters of its own: name, class, parameters, MACs; without children."""

    name: str
    kind: str
    parameters: int
    macs: int


@dataclass(frozen=True, kw_only=True)
class ModelCosts:
    """Costs of one image of `size_wh` pixels, in order of the network's modules."""

    size_wh: tuple[int, int]
    modules: tuple[ModuleCost, ...]

    @property
    def parameters(self) -> int:
        """Number of parameters, buffers such as BatchNorm's statistics not counted."""
        return sum(module.parameters for module in self.modules)

    @property
    def macs(self) -> int:
        """Number of multiply-adds."""
        return sum(module.macs for module in self.modules)

    def below(self, *names: str) -> ModelCosts:
        """Costs of the named modules and everything in them, such as `'hm', 'backbone.base'`."""
        kept = tuple(
            module
            for module in self.modules
            if any(module.name == name or module.name.startswith(f'{name}.') for name in names)
        )
        return ModelCosts(size_wh=self.size_wh, modules=kept)


def _per_output(weight: Tensor, _: Tensor, output: Tensor) -> int:
    return output.numel() * math.prod(weight.shape[1:])


def _per_input(weight: Tensor, given: Tensor, _: Tensor) -> int:
    return given.numel() * math.prod(weight.shape[1:])


# MACs of a layer from its weight, input and output; subclasses count as their parent.
_RULES: dict[type[nn.Module], Callable[[Tensor, Tensor, Tensor], int]] = {
    nn.Conv2d: _per_output,
    DeformConv2d: _per_output,
    nn.Linear: _per_output,
    nn.ConvTranspose2d: _per_input,
}
_FREE = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm, nn.PReLU)


def count_costs(network: nn.Module, *, size_wh: tuple[int, int]) -> ModelCosts:
    """Count parameters and MACs of a network for one RGB image.

    Args:
        network: takes (1, 3, H, W); it is left as it is.
        size_wh: width and height of its input, in pixels.

    Returns:
        Costs of every module that has parameters of its own. A module that is called more than
        once costs its MACs each time and its parameters once.

    Raises:
        InputError: a module with parameters is of a class that this counter does not know.
    """
    shadow = copy.deepcopy(network).to('meta').eval()
    macs: dict[str, int] = {}
    parameters = _own_parameters(shadow)
    for name, module in shadow.named_modules():
        if name in parameters:
            _check_known(name, module)
            module.register_forward_hook(_counter(name, macs))
    width, height = size_wh
    with torch.no_grad():
        images = torch.zeros(1, 3, height, width, device='meta')
        shadow(images, *empty_prior(shadow, images))
    modules = tuple(
        ModuleCost(name=name, kind=kind, parameters=count, macs=macs.get(name, 0))
        for name, (kind, count) in parameters.items()
    )
    return ModelCosts(size_wh=size_wh, modules=modules)


def empty_prior(network: nn.Module, images: Tensor) -> tuple[Tensor, ...]:
    """The argument beside `images` (B, 3, H, W) of a network that takes a prior; () of others.

    Told nothing, such a network leaves its fusion out.
    """
    planes = getattr(network, 'prior_planes', 0)
    if not planes:
        return ()
    batch, _, height, width = images.shape
    return (images.new_zeros(batch, planes, height // STRIDE, width // STRIDE),)


def _own_parameters(network: nn.Module) -> dict[str, tuple[str, int]]:
    """Class and number of parameters of each module that has some; a shared one counts once."""
    seen: set[int] = set()
    found = {}
    for name, module in network.named_modules():
        own = list(module.parameters(recurse=False))
        new = [parameter for parameter in own if id(parameter) not in seen]
        seen.update(id(parameter) for parameter in new)
        if own:
            found[name] = (type(module).__name__, sum(parameter.numel() for parameter in new))
    return found


def _check_known(name: str, module: nn.Module) -> None:
    if not isinstance(module, (*_RULES, *_FREE)):
        known = ', '.join(kind.__name__ for kind in _RULES)
        raise InputError(
            f'{name}: cannot count a {type(module).__name__}, expected one of {known}; add its '
            'rule to offline_training/model_costs.py'
        )


def _counter(name: str, macs: dict[str, int]) -> Callable[..., None]:
    """A forward hook that adds the layer's MACs to `macs`."""

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        for kind, rule in _RULES.items():
            if isinstance(module, kind):
                weight = module.get_parameter('weight')
                macs[name] = macs.get(name, 0) + rule(weight, inputs[0], output)

    return count
