"""The shipped architectures by name, each as published.

`dataclasses.replace(ZOO[name], n_class=3)` makes one for road users.
"""

from __future__ import annotations

from mot_compress_ros.networks.joint_detector import ArchitectureConfig

ZOO = {
    # FairMOT's teachers: pedestrians, embeddings of 128.
    'fairmot_dla34_dcn': ArchitectureConfig(
        name='dla34_dcn', width=1.0, n_class=1, embedding_dim=128, head_channels=256
    ),
    'fairmot_dla34_conv': ArchitectureConfig(
        name='dla34_conv', width=1.0, n_class=1, embedding_dim=128, head_channels=256
    ),
    # Nearest to AttTrack's DLA34-small, whose layers are not published.
    'dla34_small': ArchitectureConfig(
        name='dla34_small', width=1.0, n_class=1, embedding_dim=128, head_channels=256
    ),
    # The same without deformable convolutions, which training on a CPU cannot afford.
    'dla34_small_conv': ArchitectureConfig(
        name='dla34_small_conv', width=1.0, n_class=1, embedding_dim=128, head_channels=256
    ),
    # FairMOT's light model (AttTrack's YOLOv5), and AttTrack's two students.
    'fairmot_light': ArchitectureConfig(
        name='yolov5_light', width=0.5, n_class=1, embedding_dim=64, head_channels=64
    ),
    'light_mid': ArchitectureConfig(
        name='yolov5_light', width=0.25, n_class=1, embedding_dim=64, head_channels=32
    ),
    'light_small': ArchitectureConfig(
        name='yolov5_light', width=0.125, n_class=1, embedding_dim=64, head_channels=16
    ),
    'mobilenetv2': ArchitectureConfig(
        name='mobilenetv2', width=1.0, n_class=1, embedding_dim=64, head_channels=64
    ),
    # CenterNet's ResNets with its heads, and a head for embeddings.
    'resnet18': ArchitectureConfig(
        name='resnet18', width=1.0, n_class=1, embedding_dim=128, head_channels=64
    ),
    'resnet34': ArchitectureConfig(
        name='resnet34', width=1.0, n_class=1, embedding_dim=128, head_channels=64
    ),
}
