"""FairMOT's association (Zhang et al. 2021, section 3.5; JDETracker).

With these differences:

- tracks and detections of different classes never match;
- embeddings of different networks are never compared. A track that has no embedding in the space
  of this frame's detections has no say in the first round and is left to the second, by overlap,
  even where it is lost: otherwise nothing could ever find it again. Where all embeddings come from
  one network this changes nothing;
- a lost track is forgotten by the clock and before the frame is associated, so that frames that
  never came cannot keep it alive; FairMOT counts frames and looks after it, one frame later;
- tentative tracks are predicted like the others; FairMOT leaves them where they were, which
  differs in the velocity that their second hit gives them.
"""

from __future__ import annotations

import numpy as np

from mot_compress_ros.tracking import costs
from mot_compress_ros.tracking.config import TrackerConfig
from mot_compress_ros.tracking.kalman import Float64Array
from mot_compress_ros.tracking.pairs import BoolArray, Pairs
from mot_compress_ros.tracking.pools import tentative
from mot_compress_ros.tracking.rounds import Round
from mot_compress_ros.tracking.scene import Scene

DEFAULTS = TrackerConfig(
    preset='fairmot',
    motion_model='xyah',
    min_score=0.0,
    high_score=0.0,
    new_track_score=0.4,
    embedding_threshold=0.4,
    iou_threshold=0.5,
    tentative_iou_threshold=0.7,
    duplicate_iou_distance=0.15,
    min_area_px2=100.0,
)


def uses_embeddings(config: TrackerConfig) -> bool:
    """Yes."""
    return True


def rounds(config: TrackerConfig) -> tuple[Round, ...]:
    """By appearance within the gate of the motion; by overlap; tentative tracks by overlap."""

    def appearance(scene: Scene, pairs: Pairs) -> Float64Array:
        return costs.fused_with_motion(
            costs.embedding_distance(scene, pairs),
            costs.squared_mahalanobis(scene, pairs),
            motion_weight=config.motion_weight,
        )

    return (
        Round(
            tracks=lambda scene: scene.confirmed | scene.lost,
            detections=Scene.everything_seen,
            pairs=costs.within_gate,
            cost=appearance,
            limit=config.embedding_threshold,
        ),
        Round(
            tracks=_by_overlap,
            detections=Scene.everything_seen,
            pairs=lambda scene: scene.touching,
            cost=costs.iou_distance,
            limit=config.iou_threshold,
        ),
        Round(
            tracks=tentative,
            detections=Scene.everything_seen,
            pairs=lambda scene: scene.touching,
            cost=costs.iou_distance,
            limit=config.tentative_iou_threshold,
        ),
    )


def _by_overlap(scene: Scene) -> BoolArray:
    """Confirmed tracks, and lost ones that appearance can say nothing about."""
    if not scene.seen.comparable.any():  # a network without re-ID head
        return scene.confirmed | scene.lost
    return np.asarray(scene.confirmed | (scene.lost & ~scene.remembered.known))
