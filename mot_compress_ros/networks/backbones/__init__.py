"""Backbones: each maps (B, 3, H, W) RGB in 0..1 to one stride-4 feature map.

A member is a module that states `out_channels` and takes its channel multiple by keyword; it
stands below with what its published network has around it.
"""

from functools import partial

from torch import nn

from mot_compress_ros.networks.backbones import dla34, mobilenetv2, resnet
from mot_compress_ros.networks.backbones.family import Family
from mot_compress_ros.networks.backbones.yolov5_light import YoloV5Light

BACKBONES = {
    'yolov5_light': Family(
        make=YoloV5Light, width=0.5, head_activation=nn.SiLU, public_prefix='backbone.'
    ),
    'dla34_dcn': Family(
        make=partial(dla34.Dla34, deformable=True), head_channels=256, dead_keys=dla34.DEAD_KEYS
    ),
    'dla34_conv': Family(
        make=partial(dla34.Dla34, deformable=False), head_channels=256, dead_keys=dla34.DEAD_KEYS
    ),
    'dla34_small': Family(
        make=partial(dla34.Dla34, deformable=True, deep=False), head_channels=256
    ),
    'resnet18': Family(
        make=partial(resnet.ResNet, depths=(2, 2, 2, 2)),
        head_channels=64,
        dead_keys=resnet.DEAD_KEYS,
    ),
    'resnet34': Family(
        make=partial(resnet.ResNet, depths=(3, 4, 6, 3)),
        head_channels=64,
        dead_keys=resnet.DEAD_KEYS,
    ),
    'mobilenetv2': Family(make=mobilenetv2.MobileNetV2, dead_keys=mobilenetv2.DEAD_KEYS),
}
