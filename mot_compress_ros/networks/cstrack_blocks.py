"""Blocks of CSTrack's trunk: YOLOv5 of 2020, with leaky units and CSP bottlenecks.

Written from the published layer table; see `cstrack`.
"""

from __future__ import annotations

import torch
from torch import nn, Tensor

from mot_compress_ros.networks.yolov5_blocks import BATCH_NORM_EPS, BATCH_NORM_MOMENTUM

SLOPE = 0.1


class LeakyConv(nn.Module):
    """Convolution without bias, BatchNorm, leaky ReLU: (B, C_in, H, W) -> (B, C_out, H/s, W/s)."""

    batch_norm_pairs = (('conv', 'bn'),)

    def __init__(self, c_in: int, c_out: int, *, kernel: int = 1, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(c_out, eps=BATCH_NORM_EPS, momentum=BATCH_NORM_MOMENTUM)
        self.act = nn.LeakyReLU(SLOPE, inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Evaluate the block."""
        out: Tensor = self.act(self.bn(self.conv(x)))
        return out


class Bottleneck(nn.Module):
    """1x1 then 3x3 convolution, with an optional shortcut; shape is kept."""

    def __init__(self, channels: int, *, shortcut: bool) -> None:
        super().__init__()
        self.cv1 = LeakyConv(channels, channels)
        self.cv2 = LeakyConv(channels, channels, kernel=3)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """Evaluate the block."""
        out: Tensor = self.cv2(self.cv1(x))
        return x + out if self.shortcut else out


class BottleneckCsp(nn.Module):
    """Two paths, one of them through `depth` bottlenecks: (B, C_in, H, W) -> (B, C_out, H, W).

    The ends of both paths are plain convolutions with one BatchNorm after they are joined, which
    tells it from the later C3. Source: Wang et al. 2020 (CSPNet), as in YOLOv5 up to release 3.
    """

    def __init__(self, c_in: int, c_out: int, *, depth: int, shortcut: bool = True) -> None:
        super().__init__()
        hidden = c_out // 2
        self.cv1 = LeakyConv(c_in, hidden)
        self.m = nn.Sequential(*(Bottleneck(hidden, shortcut=shortcut) for _ in range(depth)))
        self.cv2 = nn.Conv2d(c_in, hidden, 1, bias=False)
        self.cv3 = nn.Conv2d(hidden, hidden, 1, bias=False)
        self.bn = nn.BatchNorm2d(2 * hidden, eps=BATCH_NORM_EPS, momentum=BATCH_NORM_MOMENTUM)
        self.act = nn.LeakyReLU(SLOPE, inplace=True)
        self.cv4 = LeakyConv(2 * hidden, c_out)

    def forward(self, x: Tensor) -> Tensor:
        """Evaluate the block."""
        paths = torch.cat([self.cv3(self.m(self.cv1(x))), self.cv2(x)], dim=1)
        out: Tensor = self.cv4(self.act(self.bn(paths)))
        return out


class LeakyFocus(nn.Module):
    """Space to depth, then a 3x3 convolution: (B, 3, H, W) -> (B, C_out, H / 2, W / 2)."""

    def __init__(self, c_out: int) -> None:
        super().__init__()
        self.conv = LeakyConv(12, c_out, kernel=3)

    def forward(self, x: Tensor) -> Tensor:
        """Evaluate the block."""
        parts = [x[..., row::2, column::2] for column in (0, 1) for row in (0, 1)]
        out: Tensor = self.conv(torch.cat(parts, dim=1))
        return out


class LeakySpp(nn.Module):
    """Spatial pyramid pooling with windows 5, 9 and 13; shape is kept."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = channels // 2
        self.cv1 = LeakyConv(channels, hidden)
        self.cv2 = LeakyConv(4 * hidden, channels)
        self.m = nn.ModuleList(nn.MaxPool2d(k, stride=1, padding=k // 2) for k in (5, 9, 13))

    def forward(self, x: Tensor) -> Tensor:
        """Evaluate the block."""
        x = self.cv1(x)
        out: Tensor = self.cv2(torch.cat([x, *(pool(x) for pool in self.m)], dim=1))
        return out
