"""Tracks that late evidence has changed, where little more than the filter has to be run again.

Once a track has a detection of its own again, all but its filter, its hits, its streak and what it
looks like are as the record of the frame has them: they follow from the latest detection.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mot_compress_ros.homography import warp_boxes
from mot_compress_ros.tracking import life
from mot_compress_ros.tracking.config import TrackerConfig
from mot_compress_ros.tracking.gallery import Gallery, unit_length
from mot_compress_ros.tracking.kalman import KalmanState
from mot_compress_ros.tracking.late_frames import (
    corrected,
    Evidence,
    FrameRecord,
    overlapping,
    owned,
)
from mot_compress_ros.tracking.motion import MotionModel
from mot_compress_ros.tracking.pairs import BoolArray, Indices
from mot_compress_ros.tracking.rows import put_rows, row_numbers
from mot_compress_ros.tracking.seen import Seen
from mot_compress_ros.tracking.store import LOST, TrackStore


def can_follow(tracks: TrackStore, config: TrackerConfig) -> BoolArray:
    """Mask (N,) of the `tracks` after a frame that may be followed when late evidence hits them.

    A track that is found again has lived another life than its record says, until its next
    detection: that is known where a miss changes no more than the state of a track.
    """
    shown: BoolArray = tracks.frames_since_update == 0
    if not config.sticky or config.direction_frames or config.re_update:
        return shown
    return shown | tracks.is_in(LOST)


class Followed:
    """N tracks that late evidence has changed, from its frame to now.

    Args:
        tracks: all tracks after the frame of the late evidence, which is applied.
        rows: (N,) of those that are followed, ascending.
        looks: the N late detections that those got.
        found: (N,) which of those the frame had not shown.
        stamp_ns: of the frame.
        config: of the tracker.
    """

    def __init__(
        self,
        tracks: TrackStore,
        rows: Indices,
        looks: Seen,
        *,
        found: BoolArray,
        stamp_ns: int,
        config: TrackerConfig,
    ) -> None:
        self._config = config
        self._ids, self._motion = tracks.track_ids[rows], tracks.motion[rows]
        self._lost = tracks.states[rows] == LOST
        relived = found | config.re_update
        self._relived = _Relived(tracks, rows, looks, found, stamp_ns, config)
        # Of the others the late detection is blended in after all that came after it.
        self._learns = row_numbers(looks.comparable & ~relived)
        self._looks, _ = unit_length(looks.embeddings[self._learns])
        self._space = looks.space

    def __len__(self) -> int:
        return len(self._ids)

    def play(self, record: FrameRecord) -> tuple[TrackStore, Indices]:
        """Take the tracks into the next frame.

        Returns:
            The tracks after the frame as they are now known, and the ids of those that are left
            as they were before it: more than their filter may be another than in the record.
        """
        tracks = record.tracks
        motion = life.moved_motion(
            tracks.model,
            self._motion,
            self._lost,
            dt_periods=record.dt_periods,
            camera_motion=record.camera_motion,
        )
        given = [owned(self._ids, owners) for _, owners in record.evidence]
        leaving = self._relived.play(record, motion, given)
        for (seen, _), (mine, detections) in zip(record.evidence, given, strict=True):
            motion = _corrected(tracks.model, motion, seen, mine, detections, self._config)
        here, rows = owned(self._ids, tracks.track_ids)
        left = leaving
        if len(leaving) or len(here) < len(self):
            stays = np.zeros(len(self), bool)
            stays[here] = True
            stays[leaving] = False
            left = self._ids[self._relived.rows[~stays[self._relived.rows]]]
            motion, rows = motion[stays], rows[stays[here]]
            self._drop_all_but(stays)
        self._motion, self._lost = motion, tracks.states[rows] == LOST
        return self._written(tracks, rows), left

    def _drop_all_but(self, stays: BoolArray) -> None:
        self._ids = self._ids[stays]
        self._relived.drop_all_but(stays)
        learns = stays[self._learns]
        self._looks = self._looks[learns]
        self._learns = (np.cumsum(stays) - 1)[self._learns[learns]]

    def _written(self, tracks: TrackStore, rows: Indices) -> TrackStore:
        """The `tracks` of a record, of which `rows` are these."""
        hits = tracks.hits.copy()
        hits[rows] += 1
        every, motion = len(rows) == len(tracks), self._motion
        columns: dict[str, Any] = {
            'gallery': tracks.gallery,
            'hits': hits,
            'motion': motion if every else tracks.motion.put(rows, motion),
        }
        if self._config.re_update:
            columns['anchors'] = tracks.anchors.put(rows, motion)
        if len(self._learns):
            columns['gallery'] = tracks.gallery.blend_units(
                rows[self._learns],
                self._looks,
                space=self._space,
                momentum=self._config.embedding_momentum,
            )
        if len(self._relived.rows):
            columns |= self._relived.columns(tracks, columns['gallery'], rows)
        return tracks.having(**columns)


class _Relived:
    """Of tracks that are followed those whose life is not that of their record any more.

    They may take detections that nobody got, and what they look like is blended anew. Of those
    that were found again the late detection is the latest one, until they get their next one.

    Args:
        tracks: all tracks after the frame of the late evidence, which is applied.
        followed: (N,) their rows that are followed.
        looks: the N late detections that those got.
        found: (N,) which of those the frame had not shown.
        stamp_ns: of the frame.
        config: of the tracker.
    """

    def __init__(
        self,
        tracks: TrackStore,
        followed: Indices,
        looks: Seen,
        found: BoolArray,
        stamp_ns: int,
        config: TrackerConfig,
    ) -> None:
        self._config = config
        self.rows = rows = row_numbers(found | config.re_update)
        own = followed[rows]
        self._class_ids, self._streaks = tracks.class_ids[own], tracks.streaks[own]
        self._gallery = tracks.gallery[own]
        self._unseen, self._scores = found[rows], looks.scores[rows]
        self._observed_xyxy_px = looks.boxes_xyxy_px[rows]
        self._stamp_ns, self._frames = stamp_ns, 0

    def play(
        self,
        record: FrameRecord,
        motion: KalmanState,
        given: Sequence[tuple[Indices, Indices]],
    ) -> Indices:
        """Take the tracks into the next frame.

        Args:
            record: of the frame.
            motion: of all that are followed, predicted.
            given: for each evidence of the frame, who of those got a detection, and which.

        Returns:
            Which of all that are followed cannot be followed any more.
        """
        if not len(self.rows):
            return self.rows
        shown, leaving = np.zeros(len(self.rows), bool), np.zeros(len(self.rows), bool)
        for evidence, (mine, detections) in zip(record.evidence, given, strict=True):
            theirs = np.full(len(motion), -1)
            theirs[mine] = detections
            theirs = theirs[self.rows]
            self._learn(evidence.seen, theirs, shown)
            shown |= theirs >= 0
            if shown.all():
                continue
            if self._config.re_update:  # a gap needs more than the state of the filter
                leaving |= ~shown
            leaving[self._may_take(record, motion, evidence, ~shown)] = True
        self._frames += 1
        self._streaks = np.where(shown, self._streaks + 1, 0)
        if self._unseen.any():
            self._unseen = self._unseen & ~shown
            if record.camera_motion is not None:
                self._observed_xyxy_px = warp_boxes(record.camera_motion, self._observed_xyxy_px)
        return self.rows[leaving]

    def drop_all_but(self, stays: BoolArray) -> None:
        """Forget those that are not among the ones `stays` (N,) chooses of all followed."""
        mine = stays[self.rows]
        self.rows = (np.cumsum(stays) - 1)[self.rows[mine]]
        self._class_ids, self._streaks = self._class_ids[mine], self._streaks[mine]
        self._gallery = self._gallery[mine]
        self._unseen, self._scores = self._unseen[mine], self._scores[mine]
        self._observed_xyxy_px = self._observed_xyxy_px[mine]

    def columns(self, tracks: TrackStore, gallery: Gallery, rows: Indices) -> dict[str, Any]:
        """Columns of a record's `tracks`, in which all that are followed have the `rows`.

        Its gallery has changed to `gallery` already.
        """
        rows = rows[self.rows]
        columns: dict[str, Any] = {'streaks': put_rows(tracks.streaks, rows, self._streaks)}
        if self._gallery.spaces:
            columns['gallery'] = gallery.put(rows, self._gallery)
        if not self._unseen.any():
            return columns
        rows = rows[self._unseen]
        return columns | {
            'scores': put_rows(tracks.scores, rows, self._scores[self._unseen]),
            'updated_ns': put_rows(tracks.updated_ns, rows, self._stamp_ns),
            'frames_since_update': put_rows(tracks.frames_since_update, rows, self._frames),
            'observed_xyxy_px': put_rows(
                tracks.observed_xyxy_px, rows, self._observed_xyxy_px[self._unseen]
            ),
        }

    def _learn(self, seen: Seen, theirs: Indices, shown: BoolArray) -> None:
        """Blend in what the tracks look like in detections `theirs` (R,), -1 for none.

        A weak detection teaches nothing, unless it is a further look at a track that is `shown`.
        """
        if not seen.comparable.any():
            return
        learns = (theirs >= 0) & seen.comparable[theirs]
        learns &= shown | (seen.scores[theirs] >= self._config.high_score)
        self._gallery = self._gallery.blend(
            row_numbers(learns),
            seen.embeddings[theirs[learns]],
            space=seen.space,
            momentum=self._config.embedding_momentum,
        )

    def _may_take(
        self, record: FrameRecord, motion: KalmanState, evidence: Evidence, missed: BoolArray
    ) -> Indices:
        """Which of the `missed` (R,) overlap a detection that nobody got."""
        asks, free = row_numbers(missed), row_numbers(evidence.owners == 0)
        if not len(asks) or not len(free):
            return asks[:0]
        corners = record.tracks.model.boxes(motion.position[self.rows[asks]])
        pairs, cost = overlapping(corners, self._class_ids[asks], evidence.seen[free])
        return asks[pairs.tracks[cost <= self._config.tentative_iou_threshold]]


def _corrected(
    model: MotionModel,
    motion: KalmanState,
    seen: Seen,
    mine: Indices,
    detections: Indices,
    config: TrackerConfig,
) -> KalmanState:
    """States after the tracks `mine` (K,) were given the `detections` (K,)."""
    if not len(mine):
        return motion
    of_each = np.full(len(motion), detections[0])  # any; it is not used where there is none
    of_each[mine] = detections
    after = corrected(model, motion, seen, of_each, config)
    if len(mine) == len(motion):
        return after
    given = np.zeros(len(motion), bool)
    given[mine] = True
    return after.where(given, motion)
