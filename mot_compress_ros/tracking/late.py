"""Evidence that comes after its frame: applied where it belongs, and carried to now.

A network that works beside the frames answers for frame k when the tracker is at frame k + d. The
last frames are remembered: the tracks after each, the detections, and which track got which. As
a store is a value, remembering one costs nothing.

Late detections are matched with the tracks as they were after frame k, and correct those in
addition to what frame k had itself. Then the frames after k are played again with the matches
they had. For most tracks this is the filter alone. Some are open to new matches, by overlap:

- A track that the late evidence found again may take detections that nobody got.
- A track that the late evidence began may do so too. Where it meets a detection that began a track
  in a later frame, it is the same object and takes on that track's id; where it meets one that an
  older track got, it is a duplicate and ends.

So ids that were given out stay with their detections. Nothing is published again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mot_compress_ros.datatypes import TrackState
from mot_compress_ros.tracking import kalman, life
from mot_compress_ros.tracking.assignment import assign, Matches
from mot_compress_ros.tracking.config import TrackerConfig
from mot_compress_ros.tracking.kalman import Float64Array
from mot_compress_ros.tracking.pairs import (
    Indices,
    near_pairs,
    paired_iou,
    Pairs,
    sides_and_centres,
)
from mot_compress_ros.tracking.rounds import match, Round
from mot_compress_ros.tracking.scene import Scene
from mot_compress_ros.tracking.seen import Seen
from mot_compress_ros.tracking.store import TrackStore


@dataclass(frozen=True, eq=False)
class FrameRecord:
    """What the tracker did with a frame.

    Attributes:
        stamp_ns: of the frame.
        dt_periods: reference periods since the frame before.
        camera_motion: from the frame before to this one; None where the camera stood still.
        warm_up: whether one detection was enough to confirm a track.
        seen: detections of the frame.
        owners: (M,) id of the track that each detection went to or began; 0 for none.
        tracks: after the frame.
    """

    stamp_ns: int
    dt_periods: float
    camera_motion: Float64Array | None
    warm_up: bool
    seen: Seen
    owners: Indices
    tracks: TrackStore


@dataclass(frozen=True, kw_only=True)
class LateOutcome:
    """What became of late evidence.

    Attributes:
        applied: False where its frame is not remembered; then nothing has changed.
        matched: tracks that got a detection.
        found_again: of those, tracks that the frame had not shown.
        begun: ids that were given to new tracks; some may have ended or become others by now.
        frames: that were played again.
    """

    applied: bool
    matched: int = 0
    found_again: int = 0
    begun: int = 0
    frames: int = 0


class LateEvidence:
    """The last frames of one tracker, oldest first.

    Args:
        config: of the tracker; `late_frames` are remembered beside the latest.
    """

    def __init__(self, config: TrackerConfig) -> None:
        self._config = config
        self._records: list[FrameRecord] = []

    def remember(self, record: FrameRecord) -> None:
        """Add the latest frame; the oldest is forgotten."""
        if self._config.late_frames:
            self._records = [*self._records[-self._config.late_frames :], record]

    def apply(
        self, seen: Seen, rounds: Sequence[Round], *, stamp_ns: int, next_id: int
    ) -> tuple[LateOutcome, TrackStore | None]:
        """Apply detections of the remembered frame at `stamp_ns`.

        Args:
            seen: late detections.
            rounds: of the association.
            stamp_ns: of their frame.
            next_id: the first id that was never given.

        Returns:
            What became of it, and the tracks as they are now, None where nothing has changed.
        """
        stamps = [record.stamp_ns for record in self._records]
        if stamp_ns not in stamps:
            return LateOutcome(applied=False), None
        at = stamps.index(stamp_ns)
        replay = _Replay(self._records[at], seen, rounds, self._config, next_id=next_id)
        renewed = [replay.first, *map(replay.play, self._records[at + 1 :])]
        self._records = [*self._records[:at], *renewed]
        outcome = LateOutcome(
            applied=True,
            matched=replay.matched,
            found_again=replay.found_again,
            begun=replay.begun,
            frames=len(renewed) - 1,
        )
        return outcome, renewed[-1].tracks


class _Replay:
    """Tracks that late evidence has changed, taken from its frame to now.

    Of those that their frame had shown too, only the state of the filter is followed: `_ids` and
    `_motion`. The others, `_open`, live their life anew.

    Attributes:
        first: the frame of the late evidence as it is now known to have been.
        matched: tracks that got a late detection.
        found_again: of those, tracks that the frame had not shown.
        begun: tracks that the late evidence began.
    """

    def __init__(
        self,
        record: FrameRecord,
        seen: Seen,
        rounds: Sequence[Round],
        config: TrackerConfig,
        *,
        next_id: int,
    ) -> None:
        self._config, self._seen, self._first_fresh_id = config, seen, next_id
        before = record.tracks
        matches = match(Scene(before, seen, stamp_ns=record.stamp_ns), rounds)
        after = life.with_hits(
            before, seen, matches, config, stamp_ns=record.stamp_ns, warm_up=record.warm_up
        )
        # A re-update needs more than the state of the filter.
        follow = (before.frames_since_update[matches.tracks] == 0) & (not config.re_update)
        order = np.argsort(matches.tracks[follow])
        rows = matches.tracks[follow][order]
        self._ids, self._motion = before.track_ids[rows], after.motion[rows]
        self._looks = matches.detections[follow][order]
        fresh = self._begun(record, matches)
        self._open = after[np.sort(matches.tracks[~follow])].join(fresh)
        self.matched, self.begun = len(matches), len(fresh)
        self.found_again = int((before.frames_since_update[matches.tracks] > 0).sum())
        self._states = before.states[rows]
        tracks = self._with_open(self._with_followed(before, np.arange(len(rows)), rows))
        self.first = replace(record, tracks=tracks)

    def play(self, record: FrameRecord) -> FrameRecord:
        """Take the tracks into the next frame, which is returned as it is now known."""
        tracks, owners = self._follow(record), record.owners
        if not len(self._open):
            return replace(record, tracks=tracks)
        owners = self._relive(record)
        return replace(record, tracks=self._with_open(tracks), owners=owners)

    def _begun(self, record: FrameRecord, matches: Matches) -> TrackStore:
        starting = self._seen.scores >= self._config.new_track_score
        starting[matches.detections] = False
        return life.begun(
            self._seen[starting],
            record.tracks.model,
            self._config,
            first_id=self._first_fresh_id,
            stamp_ns=record.stamp_ns,
            warm_up=record.warm_up,
        )

    def _follow(self, record: FrameRecord) -> TrackStore:
        """The filter of the followed tracks, with the detections they had in this frame."""
        model, tracks = record.tracks.model, record.tracks
        motion = life.moved_motion(
            model,
            self._motion,
            self._states == TrackState.LOST,
            dt_periods=record.dt_periods,
            camera_motion=record.camera_motion,
        )
        mine, detection = _owned(self._ids, record.owners)
        measured = model.measure(record.seen.boxes_xyxy_px[detection])
        given = motion[mine]
        variance = model.measured_variance(given.position)
        motion = motion.put(mine, kalman.update(given, measured, measured_variance=variance))
        here, rows = _owned(self._ids, tracks.track_ids)  # some have ended
        self._ids, self._motion = self._ids[here], motion[here]
        self._looks, self._states = self._looks[here], tracks.states[rows]
        return self._with_followed(tracks, here, rows)

    def _with_followed(self, tracks: TrackStore, here: Indices, rows: Indices) -> TrackStore:
        """`tracks` in whose `rows` are the followed ones."""
        hits = tracks.hits.copy()
        hits[rows] += 1
        looks = self._seen[self._looks]
        usable = looks.comparable
        return replace(
            tracks,
            motion=tracks.motion.put(rows, self._motion),
            hits=hits,
            gallery=tracks.gallery.blend(
                rows[usable],
                looks.embeddings[usable],
                space=looks.space,
                momentum=self._config.embedding_momentum,
            ),
        )

    def _with_open(self, tracks: TrackStore) -> TrackStore:
        """`tracks` in which the open ones are as they live now, in order of id."""
        if not len(self._open):
            return tracks
        joined = tracks[~np.isin(tracks.track_ids, self._open.track_ids)].join(self._open)
        return joined[np.argsort(joined.track_ids)]

    def _relive(self, record: FrameRecord) -> Indices:
        """Take the open tracks into a frame; returns whose its detections are now."""
        config = self._config
        tracks = life.remembered(self._open, config, stamp_ns=record.stamp_ns)
        tracks = life.moved(
            tracks, dt_periods=record.dt_periods, camera_motion=record.camera_motion
        )
        tracks, owners = self._claim(tracks, record)
        rows, detections = _owned(tracks.track_ids, owners)
        tracks = life.with_hits(
            tracks,
            record.seen,
            Matches(rows, detections),
            config,
            stamp_ns=record.stamp_ns,
            warm_up=record.warm_up,
        )
        self._open = life.survivors(tracks, config)
        return owners

    def _claim(self, tracks: TrackStore, record: FrameRecord) -> tuple[TrackStore, Indices]:
        """Let the open tracks without a detection take some; returns those that go on, and whose
        the detections are then.
        """
        owners = record.owners.copy()
        is_fresh = tracks.track_ids >= self._first_fresh_id
        asks = np.flatnonzero(~np.isin(tracks.track_ids, owners))
        pairs = _overlapping(tracks.boxes_xyxy_px[asks], tracks.class_ids[asks], record.seen)
        pairs = Pairs(asks[pairs.tracks], pairs.detections)
        pairs = pairs[is_fresh[pairs.tracks] | (owners[pairs.detections] == 0)]
        corners = tracks.boxes_xyxy_px[pairs.tracks]
        cost = 1 - paired_iou(corners, record.seen.boxes_xyxy_px[pairs.detections])
        found = assign(pairs, cost, limit=self._config.tentative_iou_threshold)
        owner = owners[found.detections]
        free = owner == 0
        owners[found.detections[free]] = tracks.track_ids[found.tracks[free]]
        began_here = record.tracks.started_ns == record.stamp_ns
        begins = ~free & np.isin(owner, record.tracks.track_ids[began_here])
        ids = tracks.track_ids.copy()
        ids[found.tracks[begins]] = owner[begins]
        going = np.ones(len(tracks), bool)
        going[found.tracks[~free & ~begins]] = False
        tracks = replace(tracks, track_ids=ids)[going]
        return tracks[np.argsort(tracks.track_ids)], owners


def _owned(track_ids: Indices, owners: Indices) -> tuple[Indices, Indices]:
    """Rows of `track_ids` (N,), ascending, and of `owners` (M,) that name the same track."""
    if not len(track_ids):
        none = np.zeros(0, np.int64)
        return none, none
    rows = np.minimum(np.searchsorted(track_ids, owners), len(track_ids) - 1)
    named = np.flatnonzero(track_ids[rows] == owners)
    return rows[named], named


def _overlapping(corners: Float64Array, class_ids: Indices, seen: Seen) -> Pairs:
    """Pairs of a box (N, 4) and a detection of one class that touch."""
    sides, centres = sides_and_centres(corners)
    seen_sides, seen_centres = sides_and_centres(seen.boxes_xyxy_px)
    pairs = near_pairs(centres, sides / 2, seen_centres, seen_sides / 2)
    return pairs[class_ids[pairs.tracks] == seen.class_ids[pairs.detections]]
