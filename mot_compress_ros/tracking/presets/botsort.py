"""BoT-SORT (Aharon et al. 2022): ByteTrack with a filter of width and height and with appearance.

With ByteTrack's differences (presets/byte.py), and:

- the compensation of the camera's motion is not part of a preset: `Tracker.update` takes a
  homography, and the pipeline's `camera_motion.source` says where it comes from;
- as published, the smaller of both distances decides. Of look-alikes that overlap, appearance
  says the same of all, and so it cannot tell them apart.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mot_compress_ros.tracking import costs
from mot_compress_ros.tracking.config import TrackerConfig
from mot_compress_ros.tracking.kalman import Float64Array
from mot_compress_ros.tracking.pairs import Pairs
from mot_compress_ros.tracking.presets import byte
from mot_compress_ros.tracking.rounds import Round
from mot_compress_ros.tracking.scene import Scene

DEFAULTS = replace(
    byte.DEFAULTS,
    preset='botsort',
    motion_model='xywh',
    embedding_threshold=0.25,
    proximity=0.5,
)


def uses_embeddings(config: TrackerConfig) -> bool:
    """Yes."""
    return True


def rounds(config: TrackerConfig) -> tuple[Round, ...]:
    """ByteTrack's, of which the first and the last take the better of overlap and appearance."""

    def overlap_or_appearance(scene: Scene, pairs: Pairs) -> Float64Array:
        looks = costs.embedding_distance(scene, pairs) / 2
        apart = costs.iou_distance(scene, pairs) > config.proximity
        looks[apart | (looks > config.embedding_threshold)] = 1.0
        return np.minimum(costs.scored_iou_distance(scene, pairs), looks)

    strong, weak, tentative = byte.rounds(config)
    return (
        replace(strong, cost=overlap_or_appearance),
        weak,
        replace(tentative, cost=overlap_or_appearance),
    )
