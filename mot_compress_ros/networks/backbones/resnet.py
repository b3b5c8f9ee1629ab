"""ResNet-18 and -34 with CenterNet's transposed convolutions to stride 4."""

from __future__ import annotations

from torch import nn, Tensor
from torch.nn import functional as F

from mot_compress_ros.networks.channels import scaled
from mot_compress_ros.networks.necks.deconvolution import deconvolutions

NECK_CHANNELS = 256
LEVELS = ('layer1', 'layer2', 'layer3', 'layer4')  # of strides 4, 8, 16 and 32


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut: (B, C_in, H, W) -> (B, C_out, H / s, W / s)."""

    batch_norm_pairs = (('conv1', 'bn1'), ('conv2', 'bn2'))

    def __init__(self, c_in: int, c_out: int, *, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.downsample: nn.Module = nn.Identity()
        if stride > 1 or c_in != c_out:
            self.downsample = nn.Sequential(
                nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Evaluate the block."""
        out = F.relu(self.bn1(self.conv1(x)), inplace=True)
        return F.relu(self.bn2(self.conv2(out)) + self.downsample(x), inplace=True)


class ResNet(nn.Module):
    """(B, 3, H, W) RGB in 0..1 -> (B, out_channels, H / 4, W / 4); H and W multiples of 32.

    Parameter names are those of CenterNet's files: `conv1`, `bn1`, `layer1` to `layer4`,
    `deconv_layers`; those without the last are torchvision's too.

    Args:
        width: channel multiple; 1 is the public model.
        depths: blocks of each of the four stages.
    """

    batch_norm_pairs = (('conv1', 'bn1'),)

    def __init__(self, *, width: float, depths: tuple[int, int, int, int]) -> None:
        super().__init__()
        channels = [scaled(c, width) for c in (64, 128, 256, 512)]
        self.conv1 = nn.Conv2d(3, channels[0], 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(channels[0])
        self.maxpool = nn.MaxPool2d(3, 2, padding=1)
        self.layer1 = _stage(channels[0], channels[0], depth=depths[0], stride=1)
        self.layer2 = _stage(channels[0], channels[1], depth=depths[1], stride=2)
        self.layer3 = _stage(channels[1], channels[2], depth=depths[2], stride=2)
        self.layer4 = _stage(channels[2], channels[3], depth=depths[3], stride=2)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode='fan_out', nonlinearity='relu')
        self.out_channels = scaled(NECK_CHANNELS, width)
        self.deconv_layers = deconvolutions(channels[3], self.out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Evaluate the backbone and the neck."""
        x = self.maxpool(F.relu(self.bn1(self.conv1(x)), inplace=True))
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        feature: Tensor = self.deconv_layers(x)
        return feature


def _stage(c_in: int, c_out: int, *, depth: int, stride: int) -> nn.Sequential:
    first = ResidualBlock(c_in, c_out, stride=stride)
    return nn.Sequential(first, *(ResidualBlock(c_out, c_out) for _ in range(depth - 1)))
