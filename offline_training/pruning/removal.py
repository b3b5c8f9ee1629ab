"""A network without some of its channels: smaller tensors, not masks.

`without` makes a new network and leaves the old one alone. What remains of every tensor is copied,
so the smaller network computes what the whole one does with those channels at zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
import copy
from typing import TypeVar

import torch
from torch import nn

from mot_compress_ros.networks import JointDetector
from mot_compress_ros.networks.resize import channel_counts, Counts, resized
from offline_training.pruning.graph import BOTH, ChannelGroup, cuts_of, IN, OUT

M = TypeVar('M', bound=nn.Module)
# By the name of a group: its channels that go.
Removal = Mapping[str, Sequence[int]]
Shapes = Mapping[str, Sequence[int]]
_Sides = Mapping[tuple[str, str], set[int]]


def without(network: M, groups: Iterable[ChannelGroup], removal: Removal) -> M:
    """A copy of the network without the named channels.

    Args:
        network: it is left as it is.
        groups: all that belongs together in it (`channel_groups`).
        removal: what goes.
    """
    gone = _by_side(groups, removal)
    state = network.state_dict()
    for (name, side), channels in gone.items():
        for path, dimension in cuts_of(network.get_submodule(name), side):
            key = f'{name}.{path}'
            kept = [k for k in range(state[key].shape[dimension]) if k not in channels]
            index = torch.tensor(kept, device=state[key].device)
            state[key] = state[key].index_select(dimension, index)
    smaller = resized(copy.deepcopy(network), _counts_without(network, gone))
    smaller.load_state_dict(state)
    return smaller


def shapes_without(network: nn.Module, groups: Iterable[ChannelGroup], removal: Removal) -> Shapes:
    """Shapes of the tensors that `without` would leave, by their names; nothing is cut."""
    shapes = {key: list(value.shape) for key, value in network.state_dict().items()}
    for (name, side), channels in _by_side(groups, removal).items():
        for path, dimension in cuts_of(network.get_submodule(name), side):
            shapes[f'{name}.{path}'][dimension] -= len(channels)
    return shapes


def changed_channels(network: nn.Module) -> Counts:
    """What a bundle has to say of a network: the layers that are not the architecture's.

    {} where a network has none to be compared with, as it is no `JointDetector`.
    """
    if not isinstance(network, JointDetector):
        return {}
    with torch.device('meta'):  # shapes alone, no memory
        architecture = channel_counts(JointDetector(network.config))
    counts = channel_counts(network)
    return {name: pair for name, pair in counts.items() if pair != architecture[name]}


def _by_side(groups: Iterable[ChannelGroup], removal: Removal) -> dict[tuple[str, str], set[int]]:
    """Channels of each layer and side that go, in the numbers that the network has now."""
    gone: dict[tuple[str, str], set[int]] = {}
    for group in groups:
        chosen = torch.tensor(sorted(set(removal.get(group.name, ()))), dtype=torch.int64)
        for piece in group.slices if len(chosen) else ():
            hit = piece.index[torch.isin(piece.channel, chosen)]
            gone.setdefault((piece.layer, piece.side), set()).update(hit.tolist())
    return gone


def _counts_without(network: nn.Module, gone: _Sides) -> Counts:
    counts = channel_counts(network)
    changed = {}
    for name, _ in gone:
        c_in, c_out = counts[name]
        both = len(gone.get((name, BOTH), ()))
        c_in -= both + len(gone.get((name, IN), ()))
        c_out -= both + len(gone.get((name, OUT), ()))
        changed[name] = (c_in, c_out)
    return changed
