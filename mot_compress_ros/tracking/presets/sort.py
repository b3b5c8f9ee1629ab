"""SORT (Bewley et al. 2016): one assignment by overlap, short memory.

With one difference: tracks and detections of different classes never match.
"""

from __future__ import annotations

from mot_compress_ros.tracking import costs
from mot_compress_ros.tracking.config import TrackerConfig
from mot_compress_ros.tracking.pools import everyone
from mot_compress_ros.tracking.rounds import Round
from mot_compress_ros.tracking.scene import Scene

DEFAULTS = TrackerConfig(
    preset='sort',
    motion_model='xysr',
    min_score=0.0,
    high_score=0.0,
    new_track_score=0.0,
    confirm_hits=4,  # the published min_hits is 3 and does not count the first detection
    warm_up_frames=3,
    sticky=False,
    iou_threshold=0.7,
    lost_buffer_s=0.0,
    lost_frames=1,  # the published max_age
    duplicate_iou_distance=0.0,
    min_area_px2=0.0,
)


def uses_embeddings(config: TrackerConfig) -> bool:
    """No."""
    return False


def rounds(config: TrackerConfig) -> tuple[Round, ...]:
    """All tracks with all detections."""
    return (
        Round(
            tracks=everyone,
            detections=Scene.everything_seen,
            pairs=lambda scene: scene.touching,
            cost=costs.iou_distance,
            limit=1.0,  # the greatest sum of overlaps; what is too small goes afterwards
            drop_above=config.iou_threshold,
        ),
    )
