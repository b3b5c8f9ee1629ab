"""Frames are played again with the matches they had, after late evidence of an earlier one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mot_compress_ros.tracking import life
from mot_compress_ros.tracking.assignment import assign, Matches
from mot_compress_ros.tracking.config import TrackerConfig
from mot_compress_ros.tracking.late_follow import can_follow, Followed
from mot_compress_ros.tracking.late_frames import (
    corrected,
    Evidence,
    FrameRecord,
    in_order,
    may_pair,
    merged,
    overlapping,
    owned,
    with_streaks,
)
from mot_compress_ros.tracking.pairs import Indices, Pairs
from mot_compress_ros.tracking.rounds import match, Round
from mot_compress_ros.tracking.rows import row_numbers
from mot_compress_ros.tracking.scene import Scene
from mot_compress_ros.tracking.seen import Seen
from mot_compress_ros.tracking.store import TrackStore


class Replay:
    """Tracks that late evidence has changed, taken from its frame to now.

    Of most of them the filter is followed. The others, `_open`, live their life anew.

    Attributes:
        first: the frame of the late evidence as it is now known to have been.
        matched: tracks that got a late detection.
        found_again: of those, tracks that the frame had not shown.
        begun: tracks that the late evidence began.
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
        before = with_streaks(record.tracks, previous)  # the frame itself broke some
        matches = match(Scene(before, seen, stamp_ns=record.stamp_ns), rounds)
        owners = np.zeros(len(seen), np.int64)
        owners[matches.detections] = before.track_ids[matches.tracks]
        evidence = Evidence(seen, owners)
        tracks = self._with_late(before, record, evidence)
        partner = np.full(len(before), -1)
        partner[matches.tracks] = matches.detections
        hit = row_numbers(partner >= 0)
        looks = partner[hit]
        found = before.frames_since_update[hit] > 0
        follow = can_follow(before, config)[hit]
        fresh = self._begun(record, seen, owners)
        self._open = fresh if follow.all() else tracks[hit[~follow]].join(fresh)
        self._followed = Followed(
            tracks,
            hit[follow],
            seen[looks[follow]],
            found=found[follow],
            stamp_ns=record.stamp_ns,
            config=config,
        )
        self._now = with_streaks(tracks.join(fresh))
        self.first = record.having(tracks=self._now, late=(*record.late, evidence))
        self.matched, self.begun = len(matches), len(fresh)
        self.found_again = int(np.count_nonzero(found))

    def play(self, record: FrameRecord) -> FrameRecord:
        """Take the tracks into the next frame, which is returned as it is now known."""
        tracks = record.tracks
        if len(self._followed):
            tracks, left = self._followed.play(record)
            if len(left):
                as_before = self._now[owned(self._now.track_ids, left)[0]]
                self._open = merged(self._open, as_before)
        if len(self._open):
            owners, late = self._relive(record)
            tracks = merged(tracks, self._open)
            record = record.having(owners=owners, late=late)
        self._now = tracks
        return record.having(tracks=tracks)

    def _begun(self, record: FrameRecord, seen: Seen, owners: Indices) -> TrackStore:
        """New tracks; their ids are put into `owners` (M,) of the late detections."""
        starting = row_numbers((owners == 0) & (seen.scores >= self._config.new_track_score))
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
            tracks = with_streaks(tracks, before)
        late = []
        for evidence in record.late:
            tracks, evidence = self._claim(tracks, record, evidence)
            tracks = self._with_late(tracks, record, evidence)
            late.append(evidence)
        self._open = with_streaks(tracks)
        return own.owners, tuple(late)

    def _claim(
        self, tracks: TrackStore, record: FrameRecord, evidence: Evidence
    ) -> tuple[TrackStore, Evidence]:
        """Let missed tracks take detections; returns those that go on, and the new owners."""
        seen, owners = evidence
        missed = tracks.frames_since_update > 0
        asks = row_numbers(missed & ~np.isin(tracks.track_ids, owners))
        if not len(asks) or not len(seen):
            return tracks, evidence
        is_fresh = tracks.track_ids >= self._first_fresh_id
        if owners.all() and not is_fresh[asks].any():
            return tracks, evidence
        corners = tracks.boxes_xyxy_px[asks]
        pairs, cost = overlapping(corners, tracks.class_ids[asks], seen)
        pairs = Pairs(asks[pairs.tracks], pairs.detections)
        legal = is_fresh[pairs.tracks] | (owners[pairs.detections] == 0)
        legal &= may_pair(tracks.states, pairs, seen, high_score=self._config.high_score)
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
        return in_order(tracks.having(track_ids=ids)), Evidence(seen, owners)

    def _with_hits(
        self, tracks: TrackStore, record: FrameRecord, evidence: Evidence
    ) -> TrackStore:
        """The tracks after those that own a detection were given it; the others are missed."""
        return life.with_hits(
            tracks,
            evidence.seen,
            Matches(*owned(tracks.track_ids, evidence.owners)),
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
        rows, detections = owned(tracks.track_ids, evidence.owners)
        shown = tracks.frames_since_update[rows] == 0
        if not shown.all():
            tracks = life.with_hits(
                tracks,
                evidence.seen,
                Matches(rows[~shown], detections[~shown]),
                self._config,
                stamp_ns=record.stamp_ns,
                warm_up=record.warm_up,
                others_missed=False,
            )
        return self._once_more(tracks, rows[shown], evidence.seen, detections[shown])

    def _once_more(
        self, tracks: TrackStore, rows: Indices, seen: Seen, detections: Indices
    ) -> TrackStore:
        """Tracks whose `rows`, which their frame showed, were given `detections` as well."""
        if not len(rows):
            return tracks
        config, looks = self._config, seen[detections]
        motion = corrected(tracks.model, tracks.motion[rows], seen, detections, config)
        usable = looks.comparable
        hits = tracks.hits.copy()
        hits[rows] += 1
        return tracks.having(
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
