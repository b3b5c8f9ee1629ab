"""The maps on the way through a network."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial

import torch
from torch import nn, Tensor

from mot_compress_ros.networks import JointDetector
from mot_compress_ros.networks.backbones import BACKBONES
from mot_compress_ros.networks.cstrack import Cstrack
from mot_compress_ros.networks.heads import HEADS

Network = JointDetector | Cstrack
STRIDES = (4, 8, 16, 32)
LEVELS = tuple(f'level{stride}' for stride in STRIDES)
# Other maps by the module that gives them: what all heads begin with, and what a head has before
# its last layer.
INSIDE = {'feature': 'backbone', 'hm_hidden': 'hm.1', 'wh_hidden': 'wh.1'}
# Those that a student's features are compared at, with their strides: all but the first of the
# backbone, whose stride the neck's last map has too.
FEATURES = {'feature': 4, 'level8': 8, 'level16': 16, 'level32': 32}
_PROBE_PX = 64


def evaluate(
    network: Network,
    images: Tensor,
    prior: Tensor | None = None,
    *,
    heads: Sequence[str] = HEADS,
    levels: bool = False,
    inside: Collection[str] = (),
) -> dict[str, Tensor]:
    """The network's maps by name; with `levels` also those of its backbone, `LEVELS`.

    Args:
        network: is left as it was.
        images: (B, 3, H, W).
        prior: (B, P, H / 4, W / 4) where it takes one; None is zeros.
        heads: those that are evaluated.
        levels: whether to keep the backbone's maps, (B, C, H / stride, W / stride) each.
        inside: names in `INSIDE` of other maps to keep, those that the network has; a head's only
            where it is evaluated.
    """
    if not levels and not inside:
        return network(images, prior, heads=heads)
    found: dict[str, Tensor] = {}
    handles = [
        network.get_submodule(path).register_forward_hook(partial(_keep, found, name))
        for name, path in _paths(network).items()
        if name in inside or (levels and name in LEVELS)
    ]
    try:
        maps: dict[str, Tensor] = network(images, prior, heads=heads)
    finally:
        for handle in handles:
            handle.remove()
    return {**maps, **found}


def channels_of(network: Network) -> dict[str, int]:
    """Channels of the maps of `LEVELS` and `INSIDE` that it has, by evaluating a small image.

    So they are right of a pruned network too. The network is left as it was.
    """
    was = network.training
    first = next(network.parameters())
    image = torch.zeros(1, 3, _PROBE_PX, _PROBE_PX, dtype=first.dtype, device=first.device)
    with torch.no_grad():
        maps = evaluate(network.eval(), image, levels=True, inside=INSIDE)
    network.train(was)
    return {name: maps[name].shape[1] for name in _paths(network)}


def shared_channels(student: Network, teacher: Network | None) -> dict[str, tuple[int, int]]:
    """Of the student and the teacher, by name of the maps that both have; {} without a teacher."""
    if teacher is None:
        return {}
    own, taught = channels_of(student), channels_of(teacher)
    return {name: (own[name], taught[name]) for name in own if name in taught}


def _paths(network: Network) -> dict[str, str]:
    """Modules of the maps that a network has, by name."""
    if isinstance(network, Cstrack):
        return dict(network.level_paths)
    levels = BACKBONES[network.config.name].levels
    return {**{n: f'backbone.{p}' for n, p in zip(LEVELS, levels, strict=True)}, **INSIDE}


def _keep(
    found: dict[str, Tensor], name: str, module: nn.Module, given: object, output: Tensor
) -> None:
    found[name] = output
