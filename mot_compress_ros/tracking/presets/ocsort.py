"""OC-SORT (Cao et al. 2023): trust what was observed more than what was predicted.

- Momentum (OCM): a detection that lies in the direction a track moves costs less.
- Recovery (OCR): what is left is compared with where the tracks were last seen, not predicted.
- Re-update (ORU): a track that is found again has its filter run over the way it must have taken.
- Published is the box of the detection.

With these differences:

- tracks and detections of different classes never match, and a lost track is forgotten by the
  clock;
- the filter takes in the detection that ends a gap once; the published code does so twice;
- in the first round, pairs that overlap too little take no part; the published code drops them
  after the assignment;
- the detection that begins a track counts as seen: recovery and momentum work from there on.
"""

from __future__ import annotations

import numpy as np

from mot_compress_ros.tracking import costs
from mot_compress_ros.tracking.config import TrackerConfig
from mot_compress_ros.tracking.kalman import Float64Array
from mot_compress_ros.tracking.pairs import paired_iou, Pairs
from mot_compress_ros.tracking.pools import everyone
from mot_compress_ros.tracking.rounds import Round
from mot_compress_ros.tracking.scene import Scene

DEFAULTS = TrackerConfig(
    preset='ocsort',
    motion_model='xysr',
    min_score=0.6,  # det_thresh; the published code keeps weaker ones and uses none
    high_score=0.6,
    new_track_score=0.6,
    confirm_hits=4,  # the published min_hits is 3 and does not count the first detection
    warm_up_frames=3,
    sticky=False,
    iou_threshold=0.7,
    direction_weight=0.2,
    direction_frames=3,
    re_update=True,
    publish_detections=True,
    lost_buffer_s=1.0,
    duplicate_iou_distance=0.0,
    min_area_px2=0.0,
)


def uses_embeddings(config: TrackerConfig) -> bool:
    """No."""
    return False


def rounds(config: TrackerConfig) -> tuple[Round, ...]:
    """Overlap and direction, then overlap with the last observation."""

    def with_direction(scene: Scene, pairs: Pairs) -> Float64Array:
        overlap = scene.iou(pairs)
        gain = costs.heading_gain(scene, pairs) * scene.seen.scores[pairs.detections]
        cost = -(overlap + config.direction_weight * gain)
        return np.where(1 - overlap <= config.iou_threshold, cost, np.inf)

    return (
        Round(
            tracks=everyone,
            detections=Scene.everything_seen,
            pairs=lambda scene: scene.touching,
            cost=with_direction,
            limit=0.0,  # the published code takes the greatest sum, however small its parts
        ),
        Round(
            tracks=everyone,
            detections=Scene.everything_seen,
            pairs=lambda scene: scene.near(scene.tracks.observed_xyxy_px),
            cost=_distance_to_last_seen,
            limit=1.0,
            drop_above=config.iou_threshold,
        ),
    )


def _distance_to_last_seen(scene: Scene, pairs: Pairs) -> Float64Array:
    last_seen = scene.tracks.observed_xyxy_px[pairs.tracks]
    return 1 - paired_iou(last_seen, scene.seen.boxes_xyxy_px[pairs.detections])
