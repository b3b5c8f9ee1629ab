"""The maps of a backbone on the way through a network."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from torch import nn, Tensor

from mot_compress_ros.networks import JointDetector
from mot_compress_ros.networks.backbones import BACKBONES
from mot_compress_ros.networks.heads import HEADS

STRIDES = (4, 8, 16, 32)
LEVELS = tuple(f'level{stride}' for stride in STRIDES)


def evaluate(
    network: JointDetector,
    images: Tensor,
    prior: Tensor | None = None,
    *,
    heads: Sequence[str] = HEADS,
    levels: bool = False,
) -> dict[str, Tensor]:
    """The network's maps by name; with `levels` also those of its backbone, `LEVELS`.

    Args:
        network: is left as it was.
        images: (B, 3, H, W).
        prior: (B, P, H / 4, W / 4) where it takes one; None is zeros.
        heads: those that are evaluated.
        levels: whether to keep the backbone's maps, (B, C, H / stride, W / stride) each.
    """
    if not levels:
        return network(images, prior, heads=heads)
    found: dict[str, Tensor] = {}
    paths = BACKBONES[network.config.name].levels
    handles = [
        network.backbone.get_submodule(path).register_forward_hook(partial(_keep, found, name))
        for name, path in zip(LEVELS, paths, strict=True)
    ]
    try:
        maps: dict[str, Tensor] = network(images, prior, heads=heads)
    finally:
        for handle in handles:
            handle.remove()
    return {**maps, **found}


def _keep(
    found: dict[str, Tensor], name: str, module: nn.Module, given: object, output: Tensor
) -> None:
    found[name] = output
