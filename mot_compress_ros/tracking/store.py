"""All tracks of one camera as columns: row i of every array is track i.

There is no object per track, so that the cost of a frame hardly grows with their number. A store
is a value: every step makes a new one, so keeping an old one is a snapshot at no cost.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.datatypes import TrackState
from mot_compress_ros.tracking.gallery import Gallery
from mot_compress_ros.tracking.kalman import Float64Array, KalmanState, REFERENCE_PERIOD_NS
from mot_compress_ros.tracking.motion import MotionModel
from mot_compress_ros.tracking.rows import row_numbers
from mot_compress_ros.tracking.value import Value

Int64Array = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


# Members of an enumeration are slow to look up and to compare with arrays.
TENTATIVE, CONFIRMED, LOST = (int(state) for state in TrackState)
_PERIODS_PER_S = 1e9 / REFERENCE_PERIOD_NS


@dataclass(frozen=True, eq=False, kw_only=True)
class TrackStore(Value):
    """N tracks in ascending order of id, whatever their state.

    Attributes:
        model: what the quantities of `motion` mean.
        track_ids: (N,) int64, ascending.
        class_ids: (N,) int64; a track never changes its class.
        states: (N,) int64 of `TrackState`.
        scores: (N,) float32, of the latest detection.
        started_ns: (N,) int64, stamp of the first detection.
        updated_ns: (N,) int64, stamp of the latest detection.
        ages: (N,) int64, frames since the track began, its first frame counted as 1.
        hits: (N,) int64, detections the track has been given.
        streaks: (N,) int64, detections in a row since the first one or since the last miss.
        frames_since_update: (N,) int64.
        motion: Kalman state of the N boxes.
        anchors: Kalman state right after the latest detection; moved with the camera, not in time.
        observed_xyxy_px: (N, 4) box of the latest detection, moved with the camera.
        recent_xyxy_px: (N, D, 4) boxes of the detections 1 to D frames ago, NaN where there was
            none; D is 0 where no part of the association asks.
        headings: (N, 2) unit vector in which the detections move, zero where it is not known.
        gallery: embeddings of the N tracks.
    """

    model: MotionModel
    track_ids: Int64Array
    class_ids: Int64Array
    states: Int64Array
    scores: NDArray[np.float32]
    started_ns: Int64Array
    updated_ns: Int64Array
    ages: Int64Array
    hits: Int64Array
    streaks: Int64Array
    frames_since_update: Int64Array
    motion: KalmanState
    anchors: KalmanState
    observed_xyxy_px: Float64Array
    recent_xyxy_px: Float64Array
    headings: Float64Array
    gallery: Gallery

    def __len__(self) -> int:
        return len(self.track_ids)

    def __getitem__(self, rows: BoolArray | Int64Array) -> TrackStore:
        """Rows chosen by a mask or an index array."""
        numbers = row_numbers(rows)
        columns: dict[str, Any] = {}
        for name in _COLUMNS:
            column = getattr(self, name)
            is_array = isinstance(column, np.ndarray)
            columns[name] = column.take(numbers, axis=0) if is_array else column[numbers]
        return self.having(**columns)

    def join(self, newer: TrackStore) -> TrackStore:
        """These tracks, then `newer` ones, whose ids are all greater."""
        if not len(newer):
            return self
        merged: dict[str, Any] = {}
        for name in _COLUMNS:
            mine, theirs = getattr(self, name), getattr(newer, name)
            if isinstance(mine, np.ndarray):
                merged[name] = np.concatenate([mine, theirs])
            else:
                merged[name] = mine.join(theirs)
        return TrackStore(model=self.model, **merged)

    def is_in(self, state: int) -> BoolArray:
        """Mask (N,) of the tracks in `state`."""
        mask: BoolArray = self.states == state
        return mask

    @property
    def boxes_xyxy_px(self) -> Float64Array:
        """(N, 4) boxes of the motion states; one predicted below zero size is empty."""
        return self.model.boxes(self.motion.position)

    @property
    def velocities_px_s(self) -> Float64Array:
        """(N, 2) of the centres of the boxes."""
        return np.asarray(self.motion.velocity[:, :2] * _PERIODS_PER_S)

    @property
    def position_std_px(self) -> Float64Array:
        """(N,) standard deviation of the centres, the mean of x and y."""
        return np.asarray(np.sqrt(self.motion.position_variance[:, :2].mean(axis=1)))

    @property
    def velocity_std_px_s(self) -> Float64Array:
        """(N,) standard deviation of the velocities, the mean of x and y."""
        deviation = np.sqrt(self.motion.velocity_variance[:, :2].mean(axis=1))
        return np.asarray(deviation * _PERIODS_PER_S)

    @classmethod
    def empty(cls, model: MotionModel, *, recent_frames: int = 0) -> TrackStore:
        """No tracks."""
        none = np.zeros(0, np.int64)
        return cls(
            model=model,
            track_ids=none,
            class_ids=none,
            states=none,
            scores=np.zeros(0, np.float32),
            started_ns=none,
            updated_ns=none,
            ages=none,
            hits=none,
            streaks=none,
            frames_since_update=none,
            motion=KalmanState.empty(),
            anchors=KalmanState.empty(),
            observed_xyxy_px=np.zeros((0, 4)),
            recent_xyxy_px=np.zeros((0, recent_frames, 4)),
            headings=np.zeros((0, 2)),
            gallery=Gallery(0),
        )


_COLUMNS = tuple(f.name for f in fields(TrackStore) if f.name != 'model')
