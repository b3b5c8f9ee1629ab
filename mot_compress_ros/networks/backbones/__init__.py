"""Backbones: each maps (B, 3, H, W) RGB in 0..1 to one stride-4 feature map.

A member states `out_channels` and takes its configuration by keyword.
"""

from mot_compress_ros.networks.backbones.yolov5_light import YoloV5Light

BACKBONES = {'yolov5_light': YoloV5Light}
