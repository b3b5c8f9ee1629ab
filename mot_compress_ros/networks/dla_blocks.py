"""Building blocks of DLA (Yu et al., Deep Layer Aggregation), with the public parameter names.

Names (`tree1`, `tree2`, `root`, `project`) follow the published key layout. Written from the
published layer table (FairMOT, arch `dla_34`).
"""

from __future__ import annotations

from collections.abc import Sequence
import math

import torch
from torch import nn, Tensor
from torch.nn import functional as F


def conv3x3(c_in: int, c_out: int, *, stride: int = 1) -> nn.Conv2d:
    """3x3 convolution without bias."""
    return nn.Conv2d(c_in, c_out, 3, stride, padding=1, bias=False)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut: (B, C_in, H, W) -> (B, C_out, H / s, W / s)."""

    batch_norm_pairs = (('conv1', 'bn1'), ('conv2', 'bn2'))

    def __init__(self, c_in: int, c_out: int, *, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = conv3x3(c_in, c_out, stride=stride)
        self.bn1 = nn.BatchNorm2d(c_out)
        self.conv2 = conv3x3(c_out, c_out)
        self.bn2 = nn.BatchNorm2d(c_out)

    def forward(self, x: Tensor, shortcut: Tensor) -> Tensor:
        """Evaluate the block; `shortcut` has the shape of the output."""
        out = F.relu(self.bn1(self.conv1(x)), inplace=True)
        return F.relu(self.bn2(self.conv2(out)) + shortcut, inplace=True)


class Root(nn.Module):
    """Joins the maps of a tree: concatenation, 1x1 convolution, BatchNorm, ReLU."""

    batch_norm_pairs = (('conv', 'bn'),)

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, 1, bias=False)
        self.bn = nn.BatchNorm2d(c_out)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Evaluate the block; `maps` are (B, c, H, W) with channels that add up to C_in."""
        return F.relu(self.bn(self.conv(torch.cat(tuple(maps), dim=1))), inplace=True)


class Tree(nn.Module):
    """Two blocks and their root: (B, C_in, H, W) -> (B, C_out, H / s, W / s).

    Args:
        c_in: channels of the input.
        c_out: channels of the output.
        stride: of the first block.
        level_root: whether the root also sees the (pooled) input.
        c_more: channels of the maps of outer trees that the root also sees.
    """

    def __init__(
        self, c_in: int, c_out: int, *, stride: int = 1, level_root: bool = False, c_more: int = 0
    ) -> None:
        super().__init__()
        self.level_root = level_root
        self.tree1 = BasicBlock(c_in, c_out, stride=stride)
        self.tree2 = BasicBlock(c_out, c_out)
        self.root = Root(2 * c_out + (c_in if level_root else 0) + c_more, c_out)
        self.downsample = nn.MaxPool2d(stride, stride) if stride > 1 else nn.Identity()
        self.project: nn.Module = nn.Identity()
        if c_in != c_out:
            self.project = nn.Sequential(
                nn.Conv2d(c_in, c_out, 1, bias=False), nn.BatchNorm2d(c_out)
            )

    def forward(self, x: Tensor, more: Sequence[Tensor] = ()) -> Tensor:
        """Evaluate the tree; `more` are the maps of outer trees."""
        bottom = self.downsample(x)
        x1 = self.tree1(x, self.project(bottom))
        x2 = self.tree2(x1, x1)
        return self.root([x2, x1, *more, *([bottom] if self.level_root else [])])


class DeepTree(nn.Module):
    """Two trees, of which the second's root sees both and the input; stride 2.

    FairMOT's files also hold a projection of this outer tree, which its network computes and
    drops; it is left out here.
    """

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.tree1 = Tree(c_in, c_out, stride=2)
        self.tree2 = Tree(c_out, c_out, c_more=c_in + c_out)
        self.downsample = nn.MaxPool2d(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) -> (B, C_out, H / 2, W / 2)."""
        x1 = self.tree1(x)
        return self.tree2(x1, [self.downsample(x), x1])


def conv_level(c_in: int, c_out: int, *, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution, BatchNorm, ReLU; parameter names `0.*` and `1.*`."""
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(c_out),
        nn.ReLU(inplace=True),
    )


def draw_he_weights(module: nn.Module) -> None:
    """Draw every convolution from N(0, 2 / (kernel area * outputs)), as the published DLA does."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            area = math.prod(layer.kernel_size)
            nn.init.normal_(layer.weight, std=math.sqrt(2 / (area * layer.out_channels)))
