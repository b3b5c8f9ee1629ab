"""From detections to tracks, frame by frame, with array code over all tracks at once.

`Tracker` owns the life of tracks and their ids; the rest are pure parts it is put together from:
`kalman` (motion), `association` (costs and assignment), `fairmot` (which rounds, in which order),
`gallery` (embeddings), `store` (the tracks as columns).
"""

from mot_compress_ros.tracking.config import TrackerConfig
from mot_compress_ros.tracking.tracker import Tracker

__all__ = ['Tracker', 'TrackerConfig']
