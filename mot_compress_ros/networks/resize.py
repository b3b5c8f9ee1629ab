"""A network with other channel counts than its architecture has: one that was pruned.

Pruning takes channels out of layers, and an architecture cannot say which. A bundle says it as
`channels`, the channels in and out of every layer that is not the architecture's; here a network
is given layers of those sizes, so that the bundle's weights fit. No module is ever pickled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from torch import nn

from mot_compress_ros.errors import BundleError
from mot_compress_ros.networks.deformable import DeformConv2d

M = TypeVar('M', bound=nn.Module)
Counts = dict[str, tuple[int, int]]


def resized(network: M, channels: Mapping[str, Sequence[int]]) -> M:
    """Give the named layers these channels, in place, and return the network.

    A layer that changes gets weights as they are drawn at first, on the device and of the type of
    the old ones; the others keep theirs. Attributes such as a backbone's `out_channels` go on
    saying what the architecture has.

    Args:
        network: of the architecture.
        channels: [channels in, channels out] by the dotted name of a convolution, BatchNorm or
            linear layer, as in a bundle's manifest.

    Raises:
        BundleError: there is no such layer, or it cannot have those channels.
    """
    for name, (c_in, c_out) in channels.items():
        try:
            layer = network.get_submodule(name)
            make = _MAKERS[type(layer)]
        except (AttributeError, KeyError):
            known = ', '.join(kind.__name__ for kind in _MAKERS)
            raise BundleError(
                f'channels: {name} is no layer of this network whose channels can be set, '
                f'expected one of {known}; prune the model again'
            ) from None
        if min(c_in, c_out) < 1 or (tied(layer) and c_in != c_out):
            raise BundleError(
                f'channels: {name}: got {c_in} in and {c_out} out, expected '
                f'{"the same number" if tied(layer) else "at least 1"}; prune the model again'
            )
        if (c_in, c_out) != _counts(layer):
            weight = layer.get_parameter('weight')
            new = make(layer, c_in, c_out).to(device=weight.device, dtype=weight.dtype)
            network.set_submodule(name, new.train(layer.training))
    return network


def channel_counts(network: nn.Module) -> Counts:
    """(channels in, channels out) of every layer whose channels `resized` can set, by name."""
    return {name: _counts(layer) for name, layer in sizable(network)}


def sizable(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Layers whose channels can be set, by name; those inside such a layer follow it."""
    for name, child in network.named_children():
        if type(child) in _MAKERS:
            yield name, child
        else:
            yield from ((f'{name}.{inner}', layer) for inner, layer in sizable(child))


def tied(layer: nn.Module) -> bool:
    """Whether each channel out is made of the one channel in at its place."""
    depthwise = isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)) and (
        1 < layer.groups == layer.in_channels == layer.out_channels
    )
    return depthwise or isinstance(layer, nn.BatchNorm2d)


def _counts(layer: Any) -> tuple[int, int]:
    if isinstance(layer, nn.BatchNorm2d):
        return layer.num_features, layer.num_features
    if isinstance(layer, nn.Linear):
        return layer.in_features, layer.out_features
    if isinstance(layer, DeformConv2d):
        return layer.weight.shape[1], layer.weight.shape[0]
    return layer.in_channels, layer.out_channels


def _convolution(layer: Any, c_in: int, c_out: int) -> nn.Module:
    extra = (
        {'output_padding': layer.output_padding} if isinstance(layer, nn.ConvTranspose2d) else {}
    )
    groups = c_in if tied(layer) else layer.groups
    if c_in % groups or c_out % groups:
        raise BundleError(
            f'channels: got {c_in} in and {c_out} out for a convolution of {groups} groups, '
            'expected multiples of them; prune the model again'
        )
    made: nn.Module = type(layer)(
        c_in,
        c_out,
        layer.kernel_size,
        stride=layer.stride,
        padding=layer.padding,
        dilation=layer.dilation,
        groups=groups,
        bias=layer.bias is not None,
        padding_mode=layer.padding_mode,
        **extra,
    )
    return made


def _batch_norm(layer: Any, c_in: int, c_out: int) -> nn.Module:
    return nn.BatchNorm2d(
        c_out,
        eps=layer.eps,
        momentum=layer.momentum,
        affine=layer.affine,
        track_running_stats=layer.track_running_stats,
    )


def _linear(layer: Any, c_in: int, c_out: int) -> nn.Module:
    return nn.Linear(c_in, c_out, bias=layer.bias is not None)


def _deformable(layer: Any, c_in: int, c_out: int) -> nn.Module:
    return DeformConv2d(c_in, c_out)


_MAKERS: dict[type[nn.Module], Callable[[Any, int, int], nn.Module]] = {
    nn.Conv2d: _convolution,
    nn.ConvTranspose2d: _convolution,
    nn.BatchNorm2d: _batch_norm,
    nn.Linear: _linear,
    DeformConv2d: _deformable,
}
