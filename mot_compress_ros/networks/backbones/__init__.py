"""Backbones: each maps (B, 3, H, W) RGB in 0..1 to one stride-4 feature map.

A member is a module that states `out_channels` and takes its channel multiple by keyword; it
stands below with what its published network has around it.
"""

from functools import partial

from torch import nn

from mot_compress_ros.networks.backbones import dla34, mobilenetv2, resnet
from mot_compress_ros.networks.backbones.family import Family
from mot_compress_ros.networks.backbones.yolov5_light import LEVELS, YoloV5Light

_of_dla = partial(Family, levels=dla34.LEVELS, head_channels=256, head_last_std=None)

BACKBONES = {
    'yolov5_light': Family(
        make=YoloV5Light,
        levels=LEVELS,
        width=0.5,
        head_activation=nn.SiLU,
        public_prefix='backbone.',
    ),
    'dla34_dcn': _of_dla(make=partial(dla34.Dla34, deformable=True), dead_keys=dla34.DEAD_KEYS),
    'dla34_conv': _of_dla(make=partial(dla34.Dla34, deformable=False), dead_keys=dla34.DEAD_KEYS),
    'dla34_small': _of_dla(make=partial(dla34.Dla34, deformable=True, deep=False)),
    'dla34_small_conv': _of_dla(make=partial(dla34.Dla34, deformable=False, deep=False)),
    'resnet18': Family(
        make=partial(resnet.ResNet, depths=(2, 2, 2, 2)),
        levels=resnet.LEVELS,
        head_channels=64,
    ),
    'resnet34': Family(
        make=partial(resnet.ResNet, depths=(3, 4, 6, 3)),
        levels=resnet.LEVELS,
        head_channels=64,
    ),
    'mobilenetv2': Family(make=mobilenetv2.MobileNetV2, levels=mobilenetv2.LEVELS),
}
