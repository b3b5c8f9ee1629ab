"""Torch modules shared by the vehicle and by training."""

from mot_compress_ros.networks.fuse import fuse_batch_norm
from mot_compress_ros.networks.joint_detector import (
    ArchitectureConfig,
    JointDetector,
    spelled_out,
)

__all__ = ['ArchitectureConfig', 'JointDetector', 'fuse_batch_norm', 'spelled_out']
