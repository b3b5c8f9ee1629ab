"""All tracks of one camera as columns: row i of every array is track i.

There is no object per track, so that the cost of a frame hardly grows with their number. A store
is a value: every step makes a new one, so keeping an old one is a snapshot at no cost.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros import boxes
from mot_compress_ros.datatypes import TrackState
from mot_compress_ros.tracking.gallery import Gallery
from mot_compress_ros.tracking.kalman import KalmanState

Int64Array = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, eq=False, kw_only=True)
class TrackStore:
    """N tracks in ascending order of id, whatever their state.

    Attributes:
        track_ids: (N,) int64, ascending.
        class_ids: (N,) int64; a track never changes its class.
        states: (N,) int64 of `TrackState`.
        scores: (N,) float32, of the latest detection.
        started_ns: (N,) int64, stamp of the first detection.
        updated_ns: (N,) int64, stamp of the latest detection.
        ages: (N,) int64, frames since the track began, its first frame counted as 1.
        hits: (N,) int64, detections the track has been given.
        frames_since_update: (N,) int64.
        motion: Kalman state of the N boxes.
        gallery: embeddings of the N tracks.
    """

    track_ids: Int64Array
    class_ids: Int64Array
    states: Int64Array
    scores: NDArray[np.float32]
    started_ns: Int64Array
    updated_ns: Int64Array
    ages: Int64Array
    hits: Int64Array
    frames_since_update: Int64Array
    motion: KalmanState
    gallery: Gallery

    def __len__(self) -> int:
        return len(self.track_ids)

    def __getitem__(self, rows: BoolArray | Int64Array) -> TrackStore:
        """Rows chosen by a mask or an ascending index array."""
        return TrackStore(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    def join(self, newer: TrackStore) -> TrackStore:
        """These tracks, then `newer` ones, whose ids are all greater."""
        if not len(newer):
            return self
        merged = {
            f.name: np.concatenate([getattr(self, f.name), getattr(newer, f.name)])
            for f in fields(self)
            if f.name not in ('motion', 'gallery')
        }
        motion = KalmanState(
            np.concatenate([self.motion.mean, newer.motion.mean]),
            np.concatenate([self.motion.covariance, newer.motion.covariance]),
        )
        return TrackStore(**merged, motion=motion, gallery=self.gallery.join(newer.gallery))

    def aged(self) -> TrackStore:
        """One frame later, before it is known which tracks it shows."""
        return replace(self, ages=self.ages + 1, frames_since_update=self.frames_since_update + 1)

    def is_in(self, state: TrackState) -> BoolArray:
        """Mask (N,) of the tracks in `state`."""
        mask: BoolArray = self.states == state
        return mask

    @property
    def boxes_xyxy_px(self) -> NDArray[np.float64]:
        """(N, 4) boxes of the motion states; one predicted below zero size is empty."""
        xyah = self.motion.mean[:, :4].copy()
        xyah[:, 2:] = np.maximum(xyah[:, 2:], 0)
        return boxes.xyah_to_xyxy(xyah)

    @classmethod
    def empty(cls) -> TrackStore:
        """No tracks."""
        none = np.zeros(0, np.int64)
        return cls(
            track_ids=none,
            class_ids=none,
            states=none,
            scores=np.zeros(0, np.float32),
            started_ns=none,
            updated_ns=none,
            ages=none,
            hits=none,
            frames_since_update=none,
            motion=KalmanState.empty(),
            gallery=Gallery(0),
        )
