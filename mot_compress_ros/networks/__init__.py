"""Torch modules shared by the vehicle and by training."""

from mot_compress_ros.networks.cstrack import (
    ANCHORS_PX,
    box_map,
    Cstrack,
    CstrackConfig,
    ID_STRIDE,
)
from mot_compress_ros.networks.focus import merge_focus
from mot_compress_ros.networks.fuse import fuse_batch_norm
from mot_compress_ros.networks.joint_detector import (
    ArchitectureConfig,
    JointDetector,
    spelled_out,
)
from mot_compress_ros.networks.resize import resized

__all__ = [
    'ANCHORS_PX',
    'ID_STRIDE',
    'ArchitectureConfig',
    'Cstrack',
    'CstrackConfig',
    'JointDetector',
    'box_map',
    'fuse_batch_norm',
    'merge_focus',
    'resized',
    'spelled_out',
]
