"""What the pipeline remembers of one camera between its frames."""

from __future__ import annotations

from dataclasses import dataclass
from enum import auto, Enum

import numpy as np

from mot_compress_ros.camera_motion import CameraMotion, Homography, View
from mot_compress_ros.datatypes import Frame, Tracks, TrackState
from mot_compress_ros.keyframe import Attention, CarriedPrior, PriorObjects
from mot_compress_ros.tracking import Tracker, TrackStore

# A source that begins anew goes on behind its old stamps; a frame that was overtaken comes alone.
_LATE_AT_MOST = 2
_A_FEW = 4  # tracks; one of two that comes or goes is no reason for alarm


class Arrival(Enum):
    """What a frame is to the stream of its camera."""

    NEXT = auto()
    DUPLICATE = auto()
    LATE = auto()
    ANEW = auto()


@dataclass
class Stream:
    """One camera's tracker, its camera's motion, and what the teacher last said of it."""

    tracker: Tracker
    motion: CameraMotion
    attention: Attention
    view: View | None = None  # of the frame that the tracker saw last
    size_wh: tuple[int, int] | None = None
    latest: Tracks | None = None
    late_in_a_row: int = 0

    def judge(self, frame: Frame, *, max_gap_s: float) -> Arrival:
        """What `frame` is to this stream; changes nothing."""
        if self.latest is not None:
            ahead_s = (frame.stamp_ns - self.latest.stamp_ns) / 1e9
            if ahead_s == 0:
                return Arrival.DUPLICATE
            if abs(ahead_s) > max_gap_s:
                return Arrival.ANEW
            if ahead_s < 0:
                return Arrival.LATE if self.late_in_a_row < _LATE_AT_MOST else Arrival.ANEW
        return Arrival.NEXT if self.size_wh in (None, frame.size_wh) else Arrival.ANEW

    def prior(self, *, stamp_ns: int, camera_motion: Homography | None) -> CarriedPrior | None:
        """What the student may be told of the next frame; changes nothing."""

        def tracks() -> PriorObjects:
            expected = self.tracker.expected(stamp_ns=stamp_ns, camera_motion=camera_motion)
            return prior_objects(expected, expected=True)

        return self.attention.prior(stamp_ns=stamp_ns, homography=camera_motion, tracks=tracks)

    def forget(self) -> None:
        """Begin anew; ids go on."""
        self.tracker.reset()
        self.attention.reset()
        self.latest, self.view, self.size_wh, self.late_in_a_row = None, None, None, 0


def missed_share(store: TrackStore) -> float:
    """Share of the tracks, lost ones too, that the last frame did not show, in 0..1."""
    lost = int(np.count_nonzero(store.is_in(TrackState.LOST)))
    confirmed = int(np.count_nonzero(store.is_in(TrackState.CONFIRMED)))
    return lost / max(lost + confirmed, _A_FEW)


def born_share(store: TrackStore) -> float:
    """Share of the tracks that the last frame shows that began with it, in 0..1."""
    shown = int(np.count_nonzero(store.frames_since_update == 0))
    return int(np.count_nonzero(store.ages == 1)) / max(shown, _A_FEW)


def prior_objects(tracks: TrackStore, *, expected: bool = False) -> PriorObjects:
    """The tracks as objects of the prior, where their latest detections are.

    Where they are `expected`, they are where the filter puts them.
    """
    return PriorObjects(
        boxes_xyxy_px=tracks.boxes_xyxy_px if expected else tracks.observed_xyxy_px,
        scores=tracks.scores,
        class_ids=tracks.class_ids,
        velocities_px_s=tracks.velocities_px_s,
        position_std_px=tracks.position_std_px,
        velocity_std_px_s=tracks.velocity_std_px_s,
        track_ids=tracks.track_ids,
    )


def turned_share(homography: Homography | None, size_wh: tuple[int, int]) -> float:
    """How far the middle of the image moved, as a share of its width; 0 where it is not known."""
    if homography is None:
        return 0.0
    middle = np.array([size_wh[0] / 2, size_wh[1] / 2, 1.0])
    x, y, depth = homography @ middle
    if depth <= 0:
        return 1.0
    return float(min(np.hypot(x / depth - middle[0], y / depth - middle[1]) / size_wh[0], 1.0))
