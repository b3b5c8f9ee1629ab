"""Building blocks of MobileNetV2, with torchvision's parameter names."""

from __future__ import annotations

from torch import nn, Tensor


def conv_norm(
    c_in: int, c_out: int, *, kernel: int = 1, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    """Convolution without bias, BatchNorm; parameter names `0.*` and `1.*`."""
    conv = nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, groups=groups, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode='fan_out')
    return nn.Sequential(conv, nn.BatchNorm2d(c_out))


def conv_norm_relu6(
    c_in: int, c_out: int, *, kernel: int = 1, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    """Convolution without bias, BatchNorm, ReLU6; parameter names `0.*` and `1.*`."""
    block = conv_norm(c_in, c_out, kernel=kernel, stride=stride, groups=groups)
    return block.append(nn.ReLU6(inplace=True))


class InvertedResidual(nn.Module):
    """1x1 expansion, 3x3 depthwise, 1x1 projection: (B, C_in, H, W) -> (B, C_out, H / s, W / s).

    There is a shortcut where the shape is kept. Source: Sandler et al., MobileNetV2, section 3.3.
    """

    def __init__(self, c_in: int, c_out: int, *, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = c_in * expansion
        layers: list[nn.Module] = [conv_norm_relu6(c_in, hidden)] if expansion > 1 else []
        layers.append(conv_norm_relu6(hidden, hidden, kernel=3, stride=stride, groups=hidden))
        layers.extend(conv_norm(hidden, c_out))  # linear, and its names are not nested
        self.conv = nn.Sequential(*layers)
        self.shortcut = stride == 1 and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:
        """Evaluate the block."""
        out: Tensor = self.conv(x)
        return x + out if self.shortcut else out
