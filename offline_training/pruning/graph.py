"""Which channels of which layers belong together and can only go together.

A sum needs the same channels on both sides, a BatchNorm those of its convolution, and what reads a
map those that the map has. Torch-Pruning follows them through the graph of autograd (Fang et al.
2023, DepGraph); here its groups become values, by names of layers, of which everything else is a
function. Which tensors of a layer have a channel is said in `CUTS`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn, Tensor

from mot_compress_ros.networks.deformable import DeformConv2d, KERNEL
from mot_compress_ros.networks.resize import sizable, tied
from offline_training.model_costs import empty_prior

IN, OUT, BOTH = 'in', 'out', 'both'
# The tensors of a layer and the dimension of each that counts channels in, channels out, or those
# that are both at once.
CUTS: Mapping[type[nn.Module], Mapping[str, Sequence[tuple[str, int]]]] = {
    nn.Conv2d: {
        IN: [('weight', 1)],
        OUT: [('weight', 0), ('bias', 0)],
        BOTH: [('weight', 0), ('bias', 0)],
    },
    nn.ConvTranspose2d: {
        IN: [('weight', 0)],
        OUT: [('weight', 1), ('bias', 0)],
        BOTH: [('weight', 0), ('bias', 0)],
    },
    nn.BatchNorm2d: {
        BOTH: [(name, 0) for name in ('weight', 'bias', 'running_mean', 'running_var')]
    },
    nn.Linear: {IN: [('weight', 1)], OUT: [('weight', 0), ('bias', 0)]},
    DeformConv2d: {
        IN: [('weight', 1), ('conv_offset_mask.weight', 1)],
        OUT: [('weight', 0), ('bias', 0)],
    },
}
_PROBE_PX = 64


@dataclass(frozen=True, eq=False, kw_only=True)
class Slice:
    """Channels of one layer that belong to a group.

    Attributes:
        layer: its dotted name.
        side: `IN`, `OUT` or `BOTH`.
        index: (n,) int64, channels of the layer.
        channel: (n,) int64, the group's channel that each of them is.
    """

    layer: str
    side: str
    index: Tensor
    channel: Tensor


@dataclass(frozen=True, eq=False, kw_only=True)
class ChannelGroup:
    """Channels that go together: the same `channels` channels in each slice.

    A slice has a channel more than once where a layer reads it more than once, as after a
    concatenation of two maps that have it.

    Attributes:
        name: of the first layer that makes them, in which they have the group's numbers; unique.
        channels: how many there are.
        slices: where they are.
    """

    name: str
    channels: int
    slices: tuple[Slice, ...]


def channel_groups(
    network: nn.Module, *, images: Tensor | None = None
) -> tuple[ChannelGroup, ...]:
    """The groups of a network whose channels may go, in order of their names in it.

    Channels that no layer reads are answers of the network, and in no group.

    Args:
        network: it is left as it is.
        images: an input; by default an image of 64 x 64 pixels.
    """
    import torch_pruning

    traced = _traceable(network)
    given = torch.rand(1, 3, _PROBE_PX, _PROBE_PX) if images is None else images
    graph = torch_pruning.DependencyGraph()
    with torch.enable_grad():
        graph.build_dependency(traced, given, forward_fn=_answers, verbose=False)
    kinds = [kind for kind in CUTS if kind not in (nn.BatchNorm2d, DeformConv2d)]
    names = {layer: name for name, layer in traced.named_modules()}
    order = {name: place for place, (name, _) in enumerate(sizable(network))}
    groups = [
        _group(graph, found, names, order)
        for found in graph.get_all_groups(root_module_types=kinds)
    ]
    chosen = [group for group in groups if any(s.side == IN for s in group.slices)]
    return tuple(sorted(chosen, key=lambda group: order[group.name]))


def _traceable(network: nn.Module) -> nn.Module:
    """A copy for autograd to follow.

    Channels go through a deformable convolution as through a plain one, of which its graph says
    nothing; so there are plain ones in their place.
    """
    copied = copy.deepcopy(network).to('cpu', torch.float32).requires_grad_(True).eval()
    for name, layer in list(copied.named_modules()):
        if isinstance(layer, DeformConv2d):
            c_out, c_in = layer.weight.shape[:2]
            copied.set_submodule(name, nn.Conv2d(c_in, c_out, KERNEL, padding=1))
    return copied


def _answers(network: nn.Module, images: Tensor) -> list[Tensor]:
    """What the network gives, one or several tensors, as a list.

    A network that takes a prior is told one, as channels go through its fusion too.
    """
    given: Any = network(images, *empty_prior(network, images))
    if isinstance(given, Mapping):
        return list(given.values())
    return [given] if isinstance(given, Tensor) else list(given)


def _group(
    graph: Any, found: Any, names: Mapping[nn.Module, str], order: Mapping[str, int]
) -> ChannelGroup:
    """A group of Torch-Pruning's, named by the first layer that makes its channels."""
    slices = []
    for item in found.items:
        layer = item.dep.target.module
        if type(layer) not in CUTS:
            continue  # sums, concatenations and activations have no tensors
        side = OUT if graph.is_out_channel_pruning_fn(item.dep.handler) else IN
        slices.append(
            Slice(
                layer=names[layer],
                side=BOTH if tied(layer) else side,
                index=torch.tensor(item.idxs),
                channel=torch.tensor(item.root_idxs),
            )
        )
    channels = len(found[0].idxs)
    # A layer that is behind a concatenation counts them from another number on.
    makers = [s for s in slices if s.side == OUT and torch.equal(s.index, s.channel)]
    name = min((maker.layer for maker in makers), key=order.__getitem__)
    return ChannelGroup(name=name, channels=channels, slices=tuple(slices))


def cuts_of(layer: nn.Module, side: str) -> list[tuple[str, int]]:
    """Names of the tensors of a layer that have the channels of a side, and their dimensions."""
    found = []
    for path, dimension in CUTS[type(layer)][side]:
        holder, _, name = path.rpartition('.')
        if getattr(layer.get_submodule(holder), name) is not None:
            found.append((path, dimension))
    return found
