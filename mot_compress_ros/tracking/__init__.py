"""From detections to tracks, frame by frame, with array code over all tracks at once.

`Tracker` owns the life of tracks and their ids; the rest are parts it is put together from:
`presets` (which rounds the association has), `rounds`, `costs`, `pairs` and `assignment` (how one
works), `kalman`, `motion` and `camera_warp` (where tracks go), `life` (how they begin and end),
`gallery` (what they look like), `store` (all of them as columns), `late` (evidence that comes
after its frame).
"""

from mot_compress_ros.tracking.config import TrackerConfig
from mot_compress_ros.tracking.presets import PRESETS
from mot_compress_ros.tracking.store import TrackStore
from mot_compress_ros.tracking.tracker import Tracker

__all__ = ['PRESETS', 'TrackStore', 'Tracker', 'TrackerConfig']
