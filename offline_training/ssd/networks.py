"""VGG-16-SSD and MobileNetV2-SSDLite.

A detector gives `SsdOutput`: logits of C + 1 classes, of which 0 is the background, and offsets,
for every anchor; and the map that is compared in hint learning, at stride 16.

| | paper | here, 21 classes at 300 px | parameters |
|---|---|---|---|
| VGG-16-SSD | 107.3 MB | 105.1 MB | 26 285 486 |
| MobileNetV2-SSDLite | 14.2 MB | 13.5 MB | 3 383 876 |

The paper prints neither the anchors nor the extra layers; taken are those of SSD300, and of the
SSDLite that follows MobileNetV2: the expansion of its block 14 (stride 16), its last layer, and
four inverted residuals. The teacher's option `norm` puts BatchNorm behind each convolution, which
lets it train without weights from ImageNet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn, Tensor
import torch.nn.functional as F

from mot_compress_ros.errors import InvalidOptionError
from mot_compress_ros.options import option
from offline_training.ssd.anchors import anchors_of, MapAnchors
from offline_training.ssd.layers import (
    conv_norm_relu6,
    conv_relu,
    InvertedResidual,
    scaled,
    separable,
)

_VGG = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
_MOBILENET = (  # expansion, channels, blocks, stride of the first: table 2 of MobileNetV2
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
# Share of the image that the smallest anchor of each map spans, and of one beyond the last.
_VGG_SCALES = (0.1, 0.2, 0.37, 0.54, 0.71, 0.88, 1.05)
_MOBILENET_SCALES = (0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 1.1)


@dataclass(frozen=True, kw_only=True)
class SsdOptions:
    """Which detector."""

    backbone: str = option('vgg16', 'network', choices=('vgg16', 'mobilenetv2'))
    side_px: int = option(300, 'of the square input', minimum=96)
    width: float = option(1.0, 'channels by those of the paper', minimum=0.1, maximum=1.0)
    norm: bool = option(False, 'vgg16: BatchNorm behind each convolution')


@dataclass(frozen=True, eq=False, kw_only=True)
class SsdOutput:
    """Of B images and A anchors: logits (B, A, C + 1), offsets (B, A, 4), hint (B, K, h, w)."""

    logits: Tensor
    offsets: Tensor
    hint: Tensor


class SsdNet(nn.Module):
    """A backbone that gives six maps, and a predictor on each."""

    anchors: Tensor

    def __init__(self, options: SsdOptions, *, classes: int) -> None:
        super().__init__()
        self.options, self.classes = options, classes
        self.backbone = BACKBONES[options.backbone](options)
        sizes = self.backbone.map_sizes(options.side_px)
        scales, ratios = self.backbone.scales, self.backbone.ratios
        maps = [
            MapAnchors(size=size, scale=a, next_scale=b, ratios=ratio)
            for size, a, b, ratio in zip(sizes, scales[:-1], scales[1:], ratios, strict=True)
        ]
        self.register_buffer('anchors', anchors_of(maps), persistent=False)
        counts = [one.per_place for one in maps]
        predict = self.backbone.predictor
        channels = self.backbone.channels
        self.class_heads = nn.ModuleList(
            predict(c, k * (classes + 1)) for c, k in zip(channels, counts, strict=True)
        )
        self.box_heads = nn.ModuleList(
            predict(c, 4 * k) for c, k in zip(channels, counts, strict=True)
        )

    def forward(self, images: Tensor) -> SsdOutput:
        """Images (B, 3, S, S) of -1..1."""
        maps, hint = self.backbone(images)
        logits = [
            _by_anchor(head(one), self.classes + 1)
            for head, one in zip(self.class_heads, maps, strict=True)
        ]
        offsets = [
            _by_anchor(head(one), 4) for head, one in zip(self.box_heads, maps, strict=True)
        ]
        return SsdOutput(logits=torch.cat(logits, 1), offsets=torch.cat(offsets, 1), hint=hint)

    @property
    def hint_channels(self) -> int:
        """Of the map that is compared."""
        return self.backbone.hint_channels


def _by_anchor(planes: Tensor, values: int) -> Tensor:
    """(B, k * values, h, w) to (B, h * w * k, values)."""
    return planes.permute(0, 2, 3, 1).reshape(len(planes), -1, values)


class SsdBackbone(nn.Module):
    """What a backbone tells of its six maps, from fine to coarse."""

    channels: Sequence[int]
    hint_channels: int
    scales: Sequence[float]
    ratios: Sequence[Sequence[int]]

    def predictor(self, before: int, after: int) -> nn.Module:
        """A head."""
        raise NotImplementedError

    def map_sizes(self, side_px: int) -> list[int]:
        """Sides of the maps, of a trial without memory."""
        mode = self.training
        device = next(self.parameters()).device
        with torch.no_grad():
            self.eval()
            maps, _ = self(torch.zeros(1, 3, side_px, side_px, device=device))
        self.train(mode)
        return [int(one.shape[-1]) for one in maps]


class VggBackbone(SsdBackbone):
    """VGG-16 to conv5_3, dilated conv6, conv7, and four pairs of extra layers (SSD300)."""

    scales = _VGG_SCALES
    ratios = ((2,), (2, 3), (2, 3), (2, 3), (2,), (2,))

    def __init__(self, options: SsdOptions) -> None:
        super().__init__()
        width, norm = options.width, options.norm
        stages, before = [], 3
        for stage in _VGG:
            convs = []
            for channels in stage:
                after = scaled(channels, width)
                convs.append(conv_relu(before, after, norm=norm))
                before = after
            stages.append(nn.Sequential(*convs))
        self.stages = nn.ModuleList(stages)
        self.scale = nn.Parameter(torch.full((before,), 20.0))  # of conv4_3 at length 1, by place
        wide = scaled(1024, width)
        self.conv6 = conv_relu(before, wide, padding=6, dilation=6, norm=norm)
        self.conv7 = conv_relu(wide, wide, 1, padding=0, norm=norm)
        self.extras = nn.ModuleList()
        self.channels = [before, wide]
        self.hint_channels = wide
        side = options.side_px
        for _ in range(4):  # as far as conv7
            side = _halved(side)
        for number, (middle, after) in enumerate(((256, 512), (128, 256), (128, 256), (128, 256))):
            stride, padding, side = _extra_step(number, side)
            self.extras.append(
                nn.Sequential(
                    conv_relu(self.channels[-1], scaled(middle, width), 1, padding=0, norm=norm),
                    conv_relu(
                        scaled(middle, width),
                        scaled(after, width),
                        stride=stride,
                        padding=padding,
                        norm=norm,
                    ),
                )
            )
            self.channels.append(scaled(after, width))

    def predictor(self, before: int, after: int) -> nn.Module:
        """One convolution."""
        return nn.Conv2d(before, after, 3, padding=1)

    def forward(self, images: Tensor) -> tuple[list[Tensor], Tensor]:
        """Six maps, and conv7 as the hint."""
        planes = images
        for number, stage in enumerate(self.stages):
            planes = stage(planes)
            if number == 3:
                fine = F.normalize(planes, dim=1) * self.scale[:, None, None]
            if number < 4:
                planes = F.max_pool2d(planes, 2, ceil_mode=True)
        planes = F.max_pool2d(planes, 3, 1, 1)
        seventh = self.conv7(self.conv6(planes))
        maps = [fine, seventh]
        for extra in self.extras:
            maps.append(extra(maps[-1]))
        return maps, seventh


def _halved(side: int) -> int:
    return -(-side // 2)


def _extra_step(number: int, side: int) -> tuple[int, int, int]:
    """Stride, padding and new side: the first two halve, the last two lose their border.

    A map of less than 3 keeps its border: inputs smaller than SSD's 300 px end there.
    """
    if number < 2:
        return 2, 1, _halved(side)
    return (1, 0, side - 2) if side >= 3 else (1, 1, side)


class MobileNetBackbone(SsdBackbone):
    """MobileNetV2, and four inverted residuals of stride 2."""

    scales = _MOBILENET_SCALES
    ratios = ((2, 3),) * 6

    def __init__(self, options: SsdOptions) -> None:
        super().__init__()
        width = options.width
        before = scaled(32, width)
        self.stem = conv_norm_relu6(3, before, 3, stride=2)
        blocks: list[InvertedResidual] = []
        for factor, channels, count, stride in _MOBILENET:
            after = scaled(channels, width)
            for index in range(count):
                blocks.append(
                    InvertedResidual(
                        before,
                        after,
                        hidden=factor * before,
                        stride=stride if index == 0 else 1,
                    )
                )
                before = after
        self.blocks = nn.ModuleList(blocks)
        self._fine = 13  # the first of stride 32; its expansion is still of stride 16
        fine = 6 * scaled(96, width)
        last = scaled(1280, width)
        self.last = conv_norm_relu6(before, last, 1)
        self.channels = [fine, last]
        self.extras = nn.ModuleList()
        for share, channels in ((0.2, 512), (0.25, 256), (0.5, 256), (0.25, 64)):
            after, before = scaled(channels, width), self.channels[-1]
            self.extras.append(
                InvertedResidual(before, after, hidden=round(share * before), stride=2)
            )
            self.channels.append(after)
        self.hint_channels = fine

    def predictor(self, before: int, after: int) -> nn.Module:
        """A separable convolution."""
        return separable(before, after)

    def forward(self, images: Tensor) -> tuple[list[Tensor], Tensor]:
        """Six maps, and the first as the hint."""
        planes = self.stem(images)
        for number, block in enumerate(self.blocks):
            if number == self._fine:
                assert isinstance(block, InvertedResidual)
                fine = block.expand(planes)
                planes = block.project(fine)
                continue
            planes = block(planes)
        maps = [fine, self.last(planes)]
        for extra in self.extras:
            maps.append(extra(maps[-1]))
        return maps, fine


BACKBONES: Mapping[str, type[VggBackbone] | type[MobileNetBackbone]] = {
    'vgg16': VggBackbone,
    'mobilenetv2': MobileNetBackbone,
}


def build_detector(options: SsdOptions, *, classes: int) -> SsdNet:
    """A detector with weights as torch draws them.

    Raises:
        InvalidOptionError: there is nothing to detect.
    """
    if classes < 1:
        raise InvalidOptionError(f'classes: got {classes}, expected 1 or more')
    return SsdNet(options, classes=classes)
