"""SORT (Bewley et al. 2016): one assignment by overlap, short memory.

With these differences:

- tracks and detections of different classes never match;
- a track is forgotten by the clock. `lost_buffer_s` gives it the two chances that it has in the
  published code (max_age 1) at 30 FPS; at a lower rate it has one.
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
    lost_buffer_s=0.07,
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
            limit=config.iou_threshold,
        ),
    )
