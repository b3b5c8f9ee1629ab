"""SORT as it was published (Bewley et al. 2016), with one filterpy filter per track.

This is how most trackers in Python are built: an object per track, a small filter in it, and a
loop over them. Overlaps and the assignment are array code, as elsewhere. The authors gave it what
their detector scored above a half; here it gets what the others get.
"""

from __future__ import annotations

import importlib
from typing import Any

import lap
import numpy as np
from numpy.typing import NDArray

from mot_compress_ros import boxes
from mot_compress_ros.datatypes import Detections
from offline_training.benchmarks.association_rivals.contract import missing_packages
from offline_training.datasets.classes import VEHICLE
from offline_training.evaluation.protocols.judge import FoundBoxes

NAME = 'filterpy-sort'
MAX_AGE = 1  # section 3.4, T_lost
# Of its authors' experiments.
MIN_HITS = 3
MIN_IOU = 0.3

Float64Array = NDArray[np.float64]


def names() -> tuple[str, ...]:
    """The one tracker it has."""
    return (NAME,)


def package() -> str:
    """What its filters are from."""
    return 'filterpy'


def missing() -> str:
    """What has to be installed; it comes with what the tests need."""
    return missing_packages(['filterpy'], remedy='pip install -r requirements/dev.txt')


def make(name: str, *, fps: float) -> TextbookSort:
    """SORT; it counts frames."""
    _filterpy()  # its import is not to be timed
    return TextbookSort()


def _filterpy() -> Any:
    return importlib.import_module('filterpy.kalman')


class TextbookSort:
    """Takes boxes (N, 4); gives rows (M, 5) of box and id."""

    def __init__(self) -> None:
        self._tracks: list[_Track] = []
        self._next_id = 1
        self._frames = 0

    def prepare(self, detections: Detections) -> Float64Array:
        """Boxes (N, 4)."""
        return detections.boxes_xyxy_px.astype(np.float64)

    def update(self, prepared: Float64Array, *, stamp_ns: int) -> Float64Array:
        """Predict, associate, correct, begin and end tracks."""
        self._frames += 1
        predicted = np.array([track.predict() for track in self._tracks]).reshape(-1, 4)
        legal = np.isfinite(predicted).all(axis=1)
        self._tracks = [t for t, keep in zip(self._tracks, legal, strict=True) if keep]
        pairs = _associate(predicted[legal], prepared)
        for track, detection in pairs:
            self._tracks[track].update(prepared[detection])
        for detection in set(range(len(prepared))) - {d for _, d in pairs}:
            self._tracks.append(_Track(prepared[detection], self._next_id))
            self._next_id += 1
        shown = [
            [*track.box_xyxy(), track.track_id]
            for track in self._tracks
            if track.misses == 0 and (track.streak >= MIN_HITS or self._frames <= MIN_HITS)
        ]
        self._tracks = [track for track in self._tracks if track.misses <= MAX_AGE]
        return np.array(shown).reshape(-1, 5)

    def found(self, result: Float64Array) -> FoundBoxes:
        """The tracks of this frame; it knows no classes, and the scene has one."""
        return FoundBoxes(
            boxes_xyxy_px=result[:, :4],
            track_ids=result[:, 4].astype(np.int64),
            class_ids=np.full(len(result), VEHICLE, np.int64),
        )


class _Track:
    """State (x, y, area, aspect, and the rates of the first three); the aspect stays."""

    def __init__(self, box_xyxy: Float64Array, track_id: int) -> None:
        self.track_id = track_id
        self.misses = 0  # frames since the last detection
        self.streak = 0  # detections without a miss between, after the first
        self._filter = _constant_velocity_filter()
        self._filter.x[:4, 0] = _to_measurement(box_xyxy)

    def predict(self) -> Float64Array:
        """One frame on; the box there."""
        if self._filter.x[2, 0] + self._filter.x[6, 0] <= 0:
            self._filter.x[6, 0] = 0.0  # an area cannot become negative
        self._filter.predict()
        if self.misses:
            self.streak = 0
        self.misses += 1
        return self.box_xyxy()

    def update(self, box_xyxy: Float64Array) -> None:
        """Correct by a detection."""
        self.misses = 0
        self.streak += 1
        self._filter.update(_to_measurement(box_xyxy)[:, None])

    def box_xyxy(self) -> Float64Array:
        """The box of the state."""
        x, y, area, aspect = self._filter.x[:4, 0]
        width = np.sqrt(area * aspect)
        height = area / width
        return np.array([x - width / 2, y - height / 2, x + width / 2, y + height / 2])


def _constant_velocity_filter() -> Any:
    """Noise of the authors' experiments; the unknown velocities begin with a large variance."""
    kalman = _filterpy().KalmanFilter(dim_x=7, dim_z=4)
    kalman.F = np.eye(7) + np.eye(7, k=4)
    kalman.H = np.eye(4, 7)
    kalman.R = np.diag([1.0, 1.0, 10.0, 10.0])
    kalman.P = np.diag([10.0] * 4 + [1e4] * 3)
    kalman.Q = np.diag([1.0, 1.0, 1.0, 1.0, 0.01, 0.01, 1e-4])
    return kalman


def _to_measurement(box_xyxy: Float64Array) -> Float64Array:
    """Centre, area and aspect (4,) of a box (4,)."""
    width, height = box_xyxy[2:] - box_xyxy[:2]
    x, y = (box_xyxy[:2] + box_xyxy[2:]) / 2
    return np.array([x, y, width * height, width / height])


def _associate(tracks_xyxy: Float64Array, seen_xyxy: Float64Array) -> list[tuple[int, int]]:
    """Pairs of the assignment with the most overlap; pairs with too little are taken out."""
    if not len(tracks_xyxy) or not len(seen_xyxy):
        return []
    overlap = boxes.iou_matrix(tracks_xyxy, seen_xyxy)
    _, column_of_row, _ = lap.lapjv(-overlap, extend_cost=True)
    return [
        (row, int(column))
        for row, column in enumerate(column_of_row)
        if column >= 0 and overlap[row, column] >= MIN_IOU
    ]
