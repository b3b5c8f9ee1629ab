"""Building blocks of the FairMOT light backbone, with the public checkpoint's parameter names.

Names (`conv`, `bn`, `cv1`, `cv2`, `cv3`, `m`) follow the published key layout, so that a public
state dict fits without renaming. Written from the published layer table (FairMOT, arch `yolo`).
"""

from __future__ import annotations

import torch
from torch import nn, Tensor

# The published light model was trained with these, not with torch's defaults.
BATCH_NORM_EPS = 1e-3
BATCH_NORM_MOMENTUM = 0.03


class Conv(nn.Module):
    """Convolution without bias, BatchNorm, SiLU: (B, C_in, H, W) -> (B, C_out, H / s, W / s)."""

    batch_norm_pairs = (('conv', 'bn'),)

    def __init__(self, c_in: int, c_out: int, *, kernel: int = 1, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(c_out, eps=BATCH_NORM_EPS, momentum=BATCH_NORM_MOMENTUM)
        self.act = nn.SiLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Evaluate the block."""
        out: Tensor = self.act(self.bn(self.conv(x)))
        return out


class Focus(nn.Module):
    """Space to depth, then a convolution: (B, C, H, W) -> (B, C_out, H / 2, W / 2)."""

    def __init__(self, c_in: int, c_out: int, *, kernel: int) -> None:
        super().__init__()
        self.conv = Conv(4 * c_in, c_out, kernel=kernel)

    def forward(self, x: Tensor) -> Tensor:
        """Evaluate the block."""
        even_rows, odd_rows = x[..., ::2, :], x[..., 1::2, :]
        parts = [
            even_rows[..., ::2],
            odd_rows[..., ::2],
            even_rows[..., 1::2],
            odd_rows[..., 1::2],
        ]
        out: Tensor = self.conv(torch.cat(parts, dim=1))  # (B, 4 C, H / 2, W / 2) inside
        return out


class Bottleneck(nn.Module):
    """1x1 then 3x3 convolution, with an optional shortcut; shape is kept."""

    def __init__(self, channels: int, *, shortcut: bool) -> None:
        super().__init__()
        self.cv1 = Conv(channels, channels)
        self.cv2 = Conv(channels, channels, kernel=3)
        self.add = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """Evaluate the block."""
        out: Tensor = self.cv2(self.cv1(x))
        return x + out if self.add else out


class C3(nn.Module):
    """Cross-stage partial block with `depth` bottlenecks: (B, C_in, H, W) -> (B, C_out, H, W)."""

    def __init__(self, c_in: int, c_out: int, *, depth: int, shortcut: bool = True) -> None:
        super().__init__()
        hidden = c_out // 2
        self.cv1 = Conv(c_in, hidden)
        self.cv2 = Conv(c_in, hidden)
        self.cv3 = Conv(2 * hidden, c_out)
        self.m = nn.Sequential(*(Bottleneck(hidden, shortcut=shortcut) for _ in range(depth)))

    def forward(self, x: Tensor) -> Tensor:
        """Evaluate the block."""
        out: Tensor = self.cv3(torch.cat([self.m(self.cv1(x)), self.cv2(x)], dim=1))
        return out


class SPP(nn.Module):
    """Spatial pyramid pooling with windows 5, 9 and 13: (B, C, H, W) -> (B, C_out, H, W)."""

    def __init__(self, c_in: int, c_out: int, *, windows: tuple[int, ...] = (5, 9, 13)) -> None:
        super().__init__()
        hidden = c_in // 2
        self.cv1 = Conv(c_in, hidden)
        self.cv2 = Conv(hidden * (len(windows) + 1), c_out)
        self.m = nn.ModuleList(nn.MaxPool2d(k, stride=1, padding=k // 2) for k in windows)

    def forward(self, x: Tensor) -> Tensor:
        """Evaluate the block."""
        x = self.cv1(x)
        out: Tensor = self.cv2(torch.cat([x, *(pool(x) for pool in self.m)], dim=1))
        return out
