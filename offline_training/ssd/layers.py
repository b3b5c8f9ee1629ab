"""Blocks that the detectors are made of."""

from __future__ import annotations

from torch import nn, Tensor


def conv_relu(
    before: int,
    after: int,
    kernel: int = 3,
    *,
    stride: int = 1,
    padding: int = 1,
    dilation: int = 1,
    norm: bool = False,
) -> nn.Sequential:
    """Convolution, BatchNorm where asked for, ReLU."""
    conv = nn.Conv2d(before, after, kernel, stride, padding, dilation=dilation, bias=not norm)
    return nn.Sequential(conv, *([nn.BatchNorm2d(after)] if norm else []), nn.ReLU(inplace=True))


def conv_norm_relu6(
    before: int, after: int, kernel: int, *, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    """Convolution without bias, BatchNorm, ReLU6."""
    return nn.Sequential(
        nn.Conv2d(before, after, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU6(inplace=True),
    )


class InvertedResidual(nn.Module):
    """MobileNetV2's block: 1 x 1 to `hidden`, depth-wise 3 x 3, 1 x 1 to `after`."""

    def __init__(self, before: int, after: int, *, hidden: int, stride: int) -> None:
        super().__init__()
        self.expand = conv_norm_relu6(before, hidden, 1) if hidden != before else nn.Identity()
        self.project = nn.Sequential(
            conv_norm_relu6(hidden, hidden, 3, stride=stride, groups=hidden),
            nn.Conv2d(hidden, after, 1, bias=False),
            nn.BatchNorm2d(after),
        )
        self._residual = stride == 1 and before == after

    def forward(self, planes: Tensor) -> Tensor:
        """(B, before, H, W) to (B, after, H / stride, W / stride)."""
        found: Tensor = self.project(self.expand(planes))
        return planes + found if self._residual else found


def separable(before: int, after: int) -> nn.Sequential:
    """SSDLite's predictor: depth-wise 3 x 3, BatchNorm, ReLU6, then 1 x 1."""
    return nn.Sequential(
        conv_norm_relu6(before, before, 3, groups=before), nn.Conv2d(before, after, 1)
    )


def scaled(channels: int, width: float) -> int:
    """Channels at a width, a multiple of 8 as MobileNetV2 has it; at 1.0 as they are."""
    if width == 1.0:
        return channels
    rounded = max(8, int(channels * width + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels * width else rounded
