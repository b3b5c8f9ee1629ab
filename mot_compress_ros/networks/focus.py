"""Space-to-depth and the 3x3 convolution after it as one 6x6 convolution with stride 2.

`Focus` takes the four pixels of each 2 x 2 square apart into channels. A convolution over 3 x 3
such squares reads 6 x 6 pixels, so its weights, put back where their pixels lie, are those of an
equal convolution on the image, and the strided copies are saved.
"""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

from mot_compress_ros.networks.yolov5_blocks import Focus

M = TypeVar('M', bound=nn.Module)
# Row and column of the pixels in the order in which `Focus` stacks them.
_PIXELS = ((0, 0), (1, 0), (0, 1), (1, 1))


def merge_focus(network: M) -> M:
    """Replace every `Focus` whose BatchNorm is folded, in place, and return the network."""
    for name, block in list(network.named_modules()):
        if isinstance(block, Focus) and isinstance(block.conv.bn, nn.Identity):
            merged = nn.Sequential(_merged(block.conv.conv), block.conv.act)
            network.set_submodule(name, merged)
    return network


def _merged(conv: nn.Conv2d) -> nn.Conv2d:
    """The convolution of the image (C, H, W) that equals `conv` of its squares (4 C, H/2, W/2)."""
    weight = conv.weight.detach()  # (O, 4 C, k, k)
    outputs, stacked, kernel, _ = weight.shape
    channels = stacked // len(_PIXELS)
    spread = weight.new_zeros(outputs, channels, 2 * kernel, 2 * kernel)
    for part, (row, column) in zip(weight.split(channels, dim=1), _PIXELS, strict=True):
        spread[:, :, row::2, column::2] = part
    padding = 2 * (kernel // 2)
    out = nn.Conv2d(channels, outputs, 2 * kernel, stride=2, padding=padding, bias=True)
    with torch.no_grad():
        out.weight.copy_(spread)
        out.bias.copy_(torch.zeros(outputs) if conv.bias is None else conv.bias)  # type: ignore[union-attr]
    return out.to(weight.dtype).train(conv.training)
