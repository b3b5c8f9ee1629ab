"""Options of the tracker.

The defaults are those of FairMOT (Zhang et al. 2021, JDETracker), but for detections between
`decode.min_score` and `new_track_score`: they keep tracks alive, where FairMOT has one threshold
for both. Set both to 0.4 for its behaviour.
"""

from __future__ import annotations

from dataclasses import dataclass

from mot_compress_ros.options import option


@dataclass(frozen=True, kw_only=True)
class TrackerConfig:
    """Thresholds of association and of a track's life."""

    min_score: float = option(
        0.0,
        'detections below this score are ignored altogether; 0 uses all that decode.min_score '
        'lets through',
        minimum=0.0,
        maximum=1.0,
    )
    new_track_score: float = option(
        0.4, 'a detection needs this score to begin a track', minimum=0.0, maximum=1.0
    )
    confirm_hits: int = option(
        2,
        'detections in successive frames that confirm a track; in the first frame one is enough',
        minimum=1,
        maximum=30,
        unit='frames',
    )
    embedding_threshold: float = option(
        0.4,
        'largest cost of a match by appearance: cosine distance, with a share of motion',
        minimum=0.0,
        maximum=1.0,
    )
    motion_weight: float = option(
        0.02,
        'share of the squared Mahalanobis distance in the cost of a match by appearance',
        minimum=0.0,
        maximum=1.0,
    )
    embedding_momentum: float = option(
        0.9,
        'share of the old embedding when a new one is averaged into it',
        minimum=0.0,
        maximum=0.999,
    )
    iou_threshold: float = option(
        0.5,
        'largest IoU distance (1 - IoU) of a match by overlap',
        minimum=0.0,
        maximum=1.0,
    )
    tentative_iou_threshold: float = option(
        0.7,
        'largest IoU distance (1 - IoU) of a match of a track that is not confirmed yet',
        minimum=0.0,
        maximum=1.0,
    )
    lost_buffer_s: float = option(
        1.0,
        'a lost track that was not seen for longer than this is forgotten',
        minimum=0.0,
        maximum=60.0,
        unit='s',
    )
    duplicate_iou_distance: float = option(
        0.15,
        'a seen and a lost track of one class closer than this are one object; the older stays',
        minimum=0.0,
        maximum=1.0,
    )
    min_area_px2: float = option(
        100.0,
        'tracks whose box is not larger than this are kept but not published',
        minimum=0.0,
        maximum=1e9,
        unit='px^2',
    )
