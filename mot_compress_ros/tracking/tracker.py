"""One camera's tracker: detections of a frame in, the tracks that the frame shows out."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros import boxes
from mot_compress_ros.datatypes import Detections, Tracks, TrackState
from mot_compress_ros.errors import InvalidDataError
from mot_compress_ros.options import from_mapping, to_mapping
from mot_compress_ros.tracking import fairmot, kalman
from mot_compress_ros.tracking.association import Matches
from mot_compress_ros.tracking.config import TrackerConfig
from mot_compress_ros.tracking.gallery import Gallery
from mot_compress_ros.tracking.store import TrackStore

Scalar = TypeVar('Scalar', bound=np.generic)

_MIN_SIDE_PX = 1.0  # below a pixel a box has no aspect
_MAX_COORDINATE_PX = 1e6  # no image is that large; keeps every square finite


class Tracker:
    """Follows the objects of one camera. Call `update` for every frame, also for an empty one.

    Ids begin at 1, belong to this instance and are never given twice, not even after `reset`.

    Raises:
        InvalidOptionError: a value of `config` is out of its range.
    """

    def __init__(self, config: TrackerConfig) -> None:
        self._config = from_mapping(TrackerConfig, to_mapping(config))
        self._next_id = 1
        self.reset()

    @property
    def config(self) -> TrackerConfig:
        """The options this tracker was made with."""
        return self._config

    @property
    def store(self) -> TrackStore:
        """All tracks as of the last update, tentative and lost ones too; a snapshot to keep."""
        return self._store

    def reset(self) -> None:
        """Forget all tracks and the last stamp. Ids go on where they were."""
        self._store = TrackStore.empty()
        self._last_stamp_ns: int | None = None

    def update(self, detections: Detections, *, stamp_ns: int, source: str = 'student') -> Tracks:
        """Follow the tracks into the frame at `stamp_ns`.

        Args:
            detections: what a network saw in the frame, in any order.
            stamp_ns: time of the frame; the steps of the motion model come from it.
            source: the network that saw it, 'teacher' or 'student'; passed on to the result.

        Returns:
            The confirmed tracks that a detection of this frame updated, in order of id.

        Raises:
            InvalidDataError: the stamp is not after the last one, or the embeddings' dimension
                changed within one embedding space. The tracker is left as it was.
        """
        stamp_ns = int(stamp_ns)
        dt_periods = self._periods_since_last(stamp_ns)
        detections = _usable(detections, min_score=self._config.min_score)
        tracks = _predicted(self._remembered(stamp_ns), dt_periods=dt_periods).aged()
        matches = fairmot.match(tracks, detections, self._config)
        tracks = self._with_hits(tracks, detections, matches, stamp_ns=stamp_ns)
        missed = tracks.frames_since_update > 0
        tracks = tracks[~(missed & tracks.is_in(TrackState.TENTATIVE))]
        unclaimed = np.ones(len(detections), bool)
        unclaimed[matches.detections] = False
        born = self._begin_tracks(detections[unclaimed], stamp_ns=stamp_ns)
        tracks = tracks.join(born)
        duplicate = fairmot.duplicates(tracks, iou_distance=self._config.duplicate_iou_distance)
        tracks = tracks[~duplicate]
        published = self._published(tracks, stamp_ns=stamp_ns, source=source)
        self._store, self._last_stamp_ns = tracks, stamp_ns
        self._next_id += len(born)
        return published

    def _periods_since_last(self, stamp_ns: int) -> float:
        """Time since the last frame in reference periods; 0 for the first frame."""
        if self._last_stamp_ns is None:
            return 0.0
        elapsed_ns = stamp_ns - self._last_stamp_ns
        if elapsed_ns <= 0:
            raise InvalidDataError(
                f'Tracker.update: expected a stamp_ns after {self._last_stamp_ns}, the last one, '
                f'got {stamp_ns}; drop the frame, or call reset() where a new stream begins'
            )
        return elapsed_ns / kalman.REFERENCE_PERIOD_NS

    def _remembered(self, stamp_ns: int) -> TrackStore:
        """The tracks without the lost ones whose time is up.

        This is decided before the frame is associated, so that frames that never came cannot keep
        a track alive. A track that the last frame showed always has its chance in this one.
        """
        unseen_ns = stamp_ns - self._store.updated_ns
        expired = unseen_ns > round(self._config.lost_buffer_s * 1e9)
        return self._store[~(expired & self._store.is_in(TrackState.LOST))]

    def _with_hits(
        self, tracks: TrackStore, detections: Detections, matches: Matches, *, stamp_ns: int
    ) -> TrackStore:
        """The tracks after the matched ones were given their detections; the others are lost."""
        hit, seen = matches.tracks, detections[matches.detections]
        measured = boxes.xyxy_to_xyah(seen.boxes_xyxy_px)
        corrected = kalman.update(tracks.motion[hit], measured)
        hits = tracks.hits.copy()
        hits[hit] += 1
        states = self._states_after(tracks, hits, hit)
        return replace(
            tracks,
            states=states,
            hits=hits,
            scores=_put(tracks.scores, hit, seen.scores),
            updated_ns=_put(tracks.updated_ns, hit, stamp_ns),
            frames_since_update=_put(tracks.frames_since_update, hit, 0),
            motion=kalman.KalmanState(
                _put(tracks.motion.mean, hit, corrected.mean),
                _put(tracks.motion.covariance, hit, corrected.covariance),
            ),
            gallery=tracks.gallery.blend(
                hit,
                seen.embeddings,
                space=detections.embedding_space,
                momentum=self._config.embedding_momentum,
            ),
        )

    def _states_after(
        self, tracks: TrackStore, hits: NDArray[np.int64], hit: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """States (N,): enough hits confirm a track; a miss makes a confirmed one lost."""
        tentative = tracks.is_in(TrackState.TENTATIVE)
        states = np.where(tentative, TrackState.TENTATIVE, TrackState.LOST)
        enough = ~tentative[hit] | (hits[hit] >= self._config.confirm_hits)
        states[hit] = np.where(enough, TrackState.CONFIRMED, TrackState.TENTATIVE)
        return states

    def _begin_tracks(self, unclaimed: Detections, *, stamp_ns: int) -> TrackStore:
        """New tracks from the detections that no track claimed and that score high enough."""
        seen = unclaimed[unclaimed.scores >= self._config.new_track_score]
        n = len(seen)
        at_once = self._last_stamp_ns is None or self._config.confirm_hits == 1
        state = TrackState.CONFIRMED if at_once else TrackState.TENTATIVE
        return TrackStore(
            track_ids=np.arange(self._next_id, self._next_id + n, dtype=np.int64),
            class_ids=seen.class_ids,
            states=np.full(n, state, np.int64),
            scores=seen.scores,
            started_ns=np.full(n, stamp_ns, np.int64),
            updated_ns=np.full(n, stamp_ns, np.int64),
            ages=np.ones(n, np.int64),
            hits=np.ones(n, np.int64),
            frames_since_update=np.zeros(n, np.int64),
            motion=kalman.initiate(boxes.xyxy_to_xyah(seen.boxes_xyxy_px)),
            gallery=Gallery(n).blend(
                np.arange(n), seen.embeddings, space=seen.embedding_space, momentum=0.0
            ),
        )

    def _published(self, tracks: TrackStore, *, stamp_ns: int, source: str) -> Tracks:
        """The confirmed tracks of a size worth publishing; such a track was seen in this frame."""
        large = boxes.area(tracks.boxes_xyxy_px) > self._config.min_area_px2
        shown = tracks[tracks.is_in(TrackState.CONFIRMED) & large]
        periods_per_s = 1e9 / kalman.REFERENCE_PERIOD_NS
        return Tracks(
            stamp_ns=stamp_ns,
            boxes_xyxy_px=shown.boxes_xyxy_px.astype(np.float32),
            scores=shown.scores,
            class_ids=shown.class_ids,
            track_ids=shown.track_ids,
            velocities_px_s=(shown.motion.mean[:, 4:6] * periods_per_s).astype(np.float32),
            states=shown.states,
            ages=shown.ages,
            hits=shown.hits,
            frames_since_update=shown.frames_since_update,
            source=source,
        )


def _usable(detections: Detections, *, min_score: float) -> Detections:
    """The detections worth a look, best first.

    The order follows from what they are, not from how they came, so that ids and ties do too.
    """
    corners = detections.boxes_xyxy_px.astype(np.float64)  # their differences may not fit 32 bits
    sides = corners[:, 2:] - corners[:, :2]  # (M, 2)
    keep = (
        (detections.scores >= min_score)
        & (sides >= _MIN_SIDE_PX).all(axis=1)
        & (np.abs(corners) <= _MAX_COORDINATE_PX).all(axis=1)
    )
    order = np.lexsort((*corners.T, detections.class_ids, -detections.scores))
    return detections[order[keep[order]]]


def _predicted(tracks: TrackStore, *, dt_periods: float) -> TrackStore:
    """The tracks moved in time. A lost box keeps its height: nothing corrects a wrong trend.

    Tentative tracks move too, so that all states belong to one stamp; FairMOT leaves them where
    they were, which differs only in the velocity that their second hit gives them.
    """
    motion = kalman.hold_height(tracks.motion, tracks.is_in(TrackState.LOST))
    return replace(tracks, motion=kalman.predict(motion, dt_periods=dt_periods))


def _put(
    column: NDArray[Scalar], rows: NDArray[np.int64], values: NDArray[Scalar] | int
) -> NDArray[Scalar]:
    """A copy of `column` with `values` in `rows`."""
    changed = column.copy()
    changed[rows] = values
    return changed
