"""Folds BatchNorm into the convolution before it; the network computes the same with less.

A block that applies a BatchNorm right after a convolution says so in `batch_norm_pairs`: pairs of
names below it, `('conv', 'bn')`. In a plain `nn.Sequential` neighbours are pairs by themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TypeVar

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from mot_compress_ros.networks.deformable import DeformConv2d

M = TypeVar('M', bound=nn.Module)
CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d, DeformConv2d)


def fuse_batch_norm(network: M) -> M:
    """Fold every BatchNorm of a network in eval mode, in place, and return the network."""
    for block in list(network.modules()):
        for conv_name, norm_name in list(batch_norm_pairs(block)):
            conv, norm = block.get_submodule(conv_name), block.get_submodule(norm_name)
            if isinstance(norm, nn.BatchNorm2d):  # else it is folded already
                transposed = isinstance(conv, nn.ConvTranspose2d)
                fused = fuse_conv_bn_eval(conv, norm, transpose=transposed)  # type: ignore[type-var]
                block.set_submodule(conv_name, fused)
                block.set_submodule(norm_name, nn.Identity())
    return network


def batch_norm_pairs(block: nn.Module) -> Iterator[tuple[str, str]]:
    """Names of the convolutions of a block, each with that of the BatchNorm that follows it."""
    yield from getattr(block, 'batch_norm_pairs', ())
    if type(block) is nn.Sequential:
        for (first, conv), (second, norm) in pairwise(block.named_children()):
            if isinstance(conv, CONVOLUTIONS) and isinstance(norm, nn.BatchNorm2d):
                yield first, second
