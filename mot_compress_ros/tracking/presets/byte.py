"""ByteTrack (Zhang et al. 2022): weak detections keep the tracks that the strong ones left over.

With these differences: tracks and detections of different classes never match, a lost track is
forgotten by the clock and tentative tracks are predicted too, as in presets/fairmot.py.
"""

from __future__ import annotations

from mot_compress_ros.tracking import costs
from mot_compress_ros.tracking.config import TrackerConfig
from mot_compress_ros.tracking.pools import (
    confirmed,
    confirmed_or_lost,
    scoring,
    scoring_less,
    tentative,
)
from mot_compress_ros.tracking.rounds import Round

DEFAULTS = TrackerConfig(
    preset='byte',
    motion_model='xyah',
    min_score=0.1,
    high_score=0.6,
    new_track_score=0.7,
    iou_threshold=0.8,
    low_iou_threshold=0.5,
    tentative_iou_threshold=0.7,
    duplicate_iou_distance=0.15,
    min_area_px2=10.0,
)


def uses_embeddings(config: TrackerConfig) -> bool:
    """No."""
    return False


def rounds(config: TrackerConfig) -> tuple[Round, ...]:
    """Strong detections, then weak ones; at last tentative tracks with what is left of the first.

    Weak detections are for tracks of the last frame alone: what was lost is not found by noise.
    """
    strong = scoring(at_least=config.high_score)
    return (
        Round(
            tracks=confirmed_or_lost,
            detections=strong,
            pairs=lambda scene: scene.touching,
            cost=costs.scored_iou_distance,
            limit=config.iou_threshold,
        ),
        Round(
            tracks=confirmed,
            detections=scoring_less(than=config.high_score),
            pairs=lambda scene: scene.touching,
            cost=costs.iou_distance,
            limit=config.low_iou_threshold,
        ),
        Round(
            tracks=tentative,
            detections=strong,
            pairs=lambda scene: scene.touching,
            cost=costs.scored_iou_distance,
            limit=config.tentative_iou_threshold,
        ),
    )
