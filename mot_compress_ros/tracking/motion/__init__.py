"""Which four quantities of a box the Kalman filter follows, and with how much noise.

A member implements `MotionModel` and is made from `NoiseWeights`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mot_compress_ros.tracking.motion.model import MotionModel
from mot_compress_ros.tracking.motion.noise import NoiseWeights
from mot_compress_ros.tracking.motion.xyah import XyahModel
from mot_compress_ros.tracking.motion.xysr import XysrModel
from mot_compress_ros.tracking.motion.xywh import XywhModel

__all__ = ['MODELS', 'MotionModel', 'NoiseWeights']

MODELS: Mapping[str, Callable[[NoiseWeights], MotionModel]] = {
    'xyah': XyahModel,
    'xysr': lambda noise: XysrModel(),  # its noise is in pixels
    'xywh': XywhModel,
}
