"""Folds BatchNorm into the convolution before it; the network computes the same with less."""

from __future__ import annotations

from typing import TypeVar

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from mot_compress_ros.networks.yolov5_blocks import Conv

M = TypeVar('M', bound=nn.Module)


def fuse_batch_norm(network: M) -> M:
    """Fold every `Conv` block of a network in eval mode, in place, and return it."""
    for block in network.modules():
        if isinstance(block, Conv):
            block.conv = fuse_conv_bn_eval(block.conv, block.bn)
            block.bn = nn.Identity()  # type: ignore[assignment]
    return network
