"""Evidence that comes after its frame: applied where it belongs, and carried to now.

A network that works beside the frames answers for frame k when the tracker is at frame k + d. The
last frames are remembered: the tracks after each, the detections, and which track got which. As
a store is a value, remembering one costs nothing.

Late detections are matched with the tracks as they were after frame k, and correct those in
addition to what frame k had itself. Then the frames after k are played again with the matches
they had, those with late evidence of their own included. For most tracks this is the filter alone.
Some are open to new matches, by overlap:

- A track that the late evidence found again may take detections that nobody got.
- A track that the late evidence began may do so too. Where it meets a detection that began a track
  in a later frame, it is the same object and takes on that track's id, from its beginning on;
  where it meets one that an older track got, it is a duplicate and ends, as if it had never been.

So ids that were given out stay with their detections. Nothing is published again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from mot_compress_ros.datatypes import TrackState
from mot_compress_ros.tracking import kalman, life
from mot_compress_ros.tracking.assignment import assign, Matches
from mot_compress_ros.tracking.config import TrackerConfig
from mot_compress_ros.tracking.kalman import Float64Array, KalmanState
from mot_compress_ros.tracking.motion import MotionModel
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


class Evidence(NamedTuple):
    """M detections, and the id (M,) of the track that each went to or began; 0 for none."""

    seen: Seen
    owners: Indices


@dataclass(frozen=True, eq=False)
class FrameRecord:
    """What the tracker did with a frame, and what it has learnt of it since.

    Attributes:
        stamp_ns: of the frame.
        dt_periods: reference periods since the frame before.
        camera_motion: from the frame before to this one; None where the camera stood still.
        warm_up: whether one detection was enough to confirm a track.
        seen: detections of the frame.
        owners: (M,) id of the track that each detection went to or began; 0 for none.
        tracks: after the frame.
        late: late detections of the frame and their owners, in the order they came.
    """

    stamp_ns: int
    dt_periods: float
    camera_motion: Float64Array | None
    warm_up: bool
    seen: Seen
    owners: Indices
    tracks: TrackStore
    late: tuple[Evidence, ...] = ()


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

    @property
    def records(self) -> Sequence[FrameRecord]:
        """The frames that are remembered, oldest first."""
        return self._records

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
        previous = self._records[at - 1].tracks if at else None
        replay = _Replay(self._records[at], previous, seen, rounds, self._config, next_id=next_id)
        renewed = [replay.first, *map(replay.play, self._records[at + 1 :])]
        if replay.became:
            renewed = [_renamed(record, replay.became) for record in renewed]
        self._records = [*self._records[:at], *renewed]
        return replace(replay.outcome, frames=len(renewed) - 1), renewed[-1].tracks


class _Replay:
    """Tracks that late evidence has changed, taken from its frame to now.

    Of those that their frame had shown too, only the state of the filter is followed: `_ids` and
    `_motion`. The others, `_open`, live their life anew.

    Attributes:
        first: the frame of the late evidence as it is now known to have been.
        outcome: what became of the late evidence in its own frame.
        became: ids of tracks it began, and those they took on later; 0 for a duplicate.
    """

    def __init__(
        self,
        record: FrameRecord,
        previous: TrackStore | None,
        seen: Seen,
        rounds: Sequence[Round],
        config: TrackerConfig,
        *,
        next_id: int,
    ) -> None:
        self._config, self._first_fresh_id = config, next_id
        self.became: dict[int, int] = {}
        before = _with_streaks(record.tracks, previous)  # the frame itself broke some
        matches = match(Scene(before, seen, stamp_ns=record.stamp_ns), rounds)
        owners = np.zeros(len(seen), np.int64)
        owners[matches.detections] = before.track_ids[matches.tracks]
        tracks = self._with_late(before, record, Evidence(seen, owners))
        order = np.argsort(matches.tracks)
        rows, looks = matches.tracks[order], matches.detections[order]
        shown = before.frames_since_update[rows] == 0
        # A re-update needs more than the state of the filter.
        follow = shown & (not config.re_update)
        fresh = self._begun(record, seen, owners)
        self._open = tracks[rows[~follow]].join(fresh)
        rows, self._looks = rows[follow], seen[looks[follow]]
        self._ids, self._states = tracks.track_ids[rows], tracks.states[rows]
        self._motion = tracks.motion[rows]
        found = {'matched': len(matches), 'found_again': int(np.count_nonzero(~shown))}
        self.outcome = LateOutcome(applied=True, begun=len(fresh), **found)
        late = (*record.late, Evidence(seen, owners))
        self.first = replace(record, tracks=_with_streaks(tracks.join(fresh)), late=late)

    def play(self, record: FrameRecord) -> FrameRecord:
        """Take the tracks into the next frame, which is returned as it is now known."""
        tracks = self._follow(record) if len(self._ids) else record.tracks
        if not len(self._open):
            return replace(record, tracks=tracks)
        owners, late = self._relive(record)
        return replace(record, tracks=_merged(tracks, self._open), owners=owners, late=late)

    def _begun(self, record: FrameRecord, seen: Seen, owners: Indices) -> TrackStore:
        """New tracks; their ids are put into `owners` (M,) of the late detections."""
        starting = np.flatnonzero((owners == 0) & (seen.scores >= self._config.new_track_score))
        if not len(starting):
            return record.tracks[starting]
        owners[starting] = np.arange(len(starting)) + self._first_fresh_id
        return life.begun(
            seen[starting],
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
        for seen, owners in (Evidence(record.seen, record.owners), *record.late):
            mine, detection = _owned(self._ids, owners)
            motion = motion.put(mine, _corrected(model, motion[mine], seen, detection))
        here, rows = _owned(self._ids, tracks.track_ids)
        if len(here) < len(self._ids):  # some have ended
            self._ids, motion, self._looks = self._ids[here], motion[here], self._looks[here]
        self._motion, self._states = motion, tracks.states[rows]
        return self._once_more(tracks, rows, motion, self._looks)

    def _relive(self, record: FrameRecord) -> tuple[Indices, tuple[Evidence, ...]]:
        """Take the open tracks into a frame; returns whose its detections are now."""
        tracks = life.remembered(self._open, self._config, stamp_ns=record.stamp_ns)
        tracks = life.moved(
            tracks, dt_periods=record.dt_periods, camera_motion=record.camera_motion
        )
        tracks, own = self._claim(tracks, record, Evidence(record.seen, record.owners))
        before, tracks = tracks, self._with_hits(tracks, record, own)
        tracks = life.survivors(tracks, self._config)
        if record.late:
            tracks = _with_streaks(tracks, before)
        late = []
        for evidence in record.late:
            tracks, evidence = self._claim(tracks, record, evidence)
            tracks = self._with_late(tracks, record, evidence)
            late.append(evidence)
        self._open = _with_streaks(tracks)
        return own.owners, tuple(late)

    def _claim(
        self, tracks: TrackStore, record: FrameRecord, evidence: Evidence
    ) -> tuple[TrackStore, Evidence]:
        """Let missed tracks take detections; returns those that go on, and the new owners."""
        seen, owners = evidence
        missed = tracks.frames_since_update > 0
        asks = np.flatnonzero(missed & ~np.isin(tracks.track_ids, owners))
        if not len(asks) or not len(seen):
            return tracks, evidence
        pairs, cost = _overlapping(tracks, asks, seen)
        is_fresh = tracks.track_ids[pairs.tracks] >= self._first_fresh_id
        legal = is_fresh | (owners[pairs.detections] == 0)
        limit = self._config.tentative_iou_threshold
        found = assign(pairs[legal], cost[legal], limit=limit)
        owner, ids = owners[found.detections], tracks.track_ids.copy()
        free, owners = owner == 0, owners.copy()
        owners[found.detections[free]] = ids[found.tracks[free]]
        met, owner = found.tracks[~free], owner[~free]
        # Who began here, and was not met yet through other evidence of this frame.
        begins = np.isin(
            owner, record.tracks.track_ids[record.tracks.started_ns == record.stamp_ns]
        )
        taken_on = np.where(begins & ~np.isin(owner, ids), owner, 0)
        self.became.update(zip(ids[met].tolist(), taken_on.tolist(), strict=True))
        ids[met] = taken_on
        return _in_order(replace(tracks, track_ids=ids)), Evidence(seen, owners)

    def _with_hits(
        self, tracks: TrackStore, record: FrameRecord, evidence: Evidence
    ) -> TrackStore:
        """The tracks after those that own a detection were given it; the others are missed."""
        return life.with_hits(
            tracks,
            evidence.seen,
            Matches(*_owned(tracks.track_ids, evidence.owners)),
            self._config,
            stamp_ns=record.stamp_ns,
            warm_up=record.warm_up,
        )

    def _with_late(
        self, tracks: TrackStore, record: FrameRecord, evidence: Evidence
    ) -> TrackStore:
        """Tracks after a frame that got late detections of it as well.

        A track that the frame had shown is corrected once more, which makes it no further frame
        that shows it. One that it had not shown is found again.
        """
        rows, detections = _owned(tracks.track_ids, evidence.owners)
        shown = tracks.frames_since_update[rows] == 0
        missed, looks = np.sort(rows[~shown]), evidence.seen[detections[shown]]
        rows = rows[shown]
        corrected = _corrected(tracks.model, tracks.motion[rows], looks, np.arange(len(rows)))
        found = self._with_hits(tracks[missed], record, evidence) if len(missed) else None
        tracks = self._once_more(tracks, rows, corrected, looks)
        return tracks if found is None else _merged(tracks, found)

    def _once_more(
        self, tracks: TrackStore, rows: Indices, motion: KalmanState, looks: Seen
    ) -> TrackStore:
        """Tracks whose `rows` were seen once more, as `looks`, and have come to `motion`."""
        config, usable = self._config, looks.comparable
        hits = tracks.hits.copy()
        hits[rows] += 1
        return replace(
            tracks,
            motion=tracks.motion.put(rows, motion),
            anchors=tracks.anchors.put(rows, motion) if config.re_update else tracks.anchors,
            hits=hits,
            gallery=tracks.gallery.blend(
                rows[usable],
                looks.embeddings[usable],
                space=looks.space,
                momentum=config.embedding_momentum,
            ),
        )


def _corrected(
    model: MotionModel, motion: KalmanState, seen: Seen, detections: Indices
) -> KalmanState:
    """States after detection `detections[i]` was given to track i."""
    measured = model.measure(seen.boxes_xyxy_px[detections])
    variance = model.measured_variance(motion.position)
    return kalman.update(motion, measured, measured_variance=variance)


def _owned(track_ids: Indices, owners: Indices) -> tuple[Indices, Indices]:
    """Rows of `track_ids` (N,), ascending, and of `owners` (M,) that name the same track."""
    rows = np.searchsorted(track_ids, owners)
    named = np.flatnonzero(rows < len(track_ids))
    named = named[track_ids[rows[named]] == owners[named]]
    return rows[named], named


def _overlapping(tracks: TrackStore, asks: Indices, seen: Seen) -> tuple[Pairs, Float64Array]:
    """Pairs of a track of the rows `asks` and a detection of its class that touch; 1 - IoU."""
    corners = tracks.boxes_xyxy_px
    sides, centres = sides_and_centres(corners[asks])
    seen_sides, seen_centres = sides_and_centres(seen.boxes_xyxy_px)
    pairs = near_pairs(centres, sides / 2, seen_centres, seen_sides / 2)
    pairs = Pairs(asks[pairs.tracks], pairs.detections)
    pairs = pairs[tracks.class_ids[pairs.tracks] == seen.class_ids[pairs.detections]]
    return pairs, 1 - paired_iou(corners[pairs.tracks], seen.boxes_xyxy_px[pairs.detections])


def _with_streaks(tracks: TrackStore, before: TrackStore | None = None) -> TrackStore:
    """`tracks` of which the missed ones have the streak they had in `before`; else none."""
    streaks = np.where(tracks.frames_since_update > 0, 0, tracks.streaks)
    if before is not None:
        theirs, rows = _owned(before.track_ids, tracks.track_ids)
        missed = tracks.frames_since_update[rows] > 0
        streaks[rows[missed]] = before.streaks[theirs[missed]]
    return replace(tracks, streaks=streaks)


def _merged(tracks: TrackStore, changed: TrackStore) -> TrackStore:
    """`tracks` in which the `changed` ones are as they are there, in order of id."""
    joined = tracks.join(changed)
    others = ~np.isin(tracks.track_ids, changed.track_ids)
    rows = np.flatnonzero(np.concatenate([others, np.ones(len(changed), bool)]))
    return joined[rows[np.argsort(joined.track_ids[rows])]]


def _in_order(tracks: TrackStore) -> TrackStore:
    """The tracks that have an id, in order of it."""
    ids = tracks.track_ids
    if (np.diff(ids, prepend=0) > 0).all():
        return tracks
    order = np.argsort(ids)
    return tracks[order[ids[order] > 0]]


def _renamed(record: FrameRecord, became: Mapping[int, int]) -> FrameRecord:
    """The record of a frame in which tracks have the ids they took on later."""
    old, new = np.array(sorted(became.items())).T

    def now(ids: Indices) -> Indices:
        which, places = _owned(old, ids)
        ids = ids.copy()
        ids[places] = new[which]
        return ids

    return replace(
        record,
        owners=now(record.owners),
        tracks=_in_order(replace(record.tracks, track_ids=now(record.tracks.track_ids))),
        late=tuple(Evidence(seen, now(owners)) for seen, owners in record.late),
    )
