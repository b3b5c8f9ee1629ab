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

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mot_compress_ros.tracking import life
from mot_compress_ros.tracking.config import TrackerConfig
from mot_compress_ros.tracking.late_frames import FrameRecord, owned
from mot_compress_ros.tracking.late_replay import Replay
from mot_compress_ros.tracking.rounds import Round
from mot_compress_ros.tracking.seen import Seen
from mot_compress_ros.tracking.store import TrackStore

__all__ = ['FrameRecord', 'LateEvidence', 'LateOutcome']


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
        self._latest: FrameRecord | None = None  # kept also where none is for late results

    @property
    def records(self) -> Sequence[FrameRecord]:
        """The frames that are remembered, oldest first."""
        return self._records

    def remember(self, record: FrameRecord) -> None:
        """Add the latest frame; the oldest is forgotten."""
        self._latest = record
        if self._config.late_frames:
            self._records = [*self._records[-self._config.late_frames :], record]

    def latest_objects(self, stamp_ns: int) -> TrackStore | None:
        """What the latest evidence of the frame at `stamp_ns` showed, as tracks after that frame.

        First what went to no track, as new tracks of id 0, then the tracks that it went to or
        began. None where the frame is not remembered.
        """
        known = [*self._records, self._latest] if self._latest else []
        record = next((r for r in known if r.stamp_ns == stamp_ns), None)
        if record is None:
            return None
        seen, owners = record.evidence[-1]
        rows, _ = owned(record.tracks.track_ids, owners)
        rows.sort()
        nobodys = life.begun(
            seen[owners == 0],
            record.tracks.model,
            self._config,
            first_id=0,
            stamp_ns=stamp_ns,
            warm_up=False,
        )
        nobodys = nobodys.having(track_ids=np.zeros(len(nobodys), np.int64))
        return nobodys.join(record.tracks[rows])

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
        replay = Replay(self._records[at], previous, seen, rounds, self._config, next_id=next_id)
        renewed = [replay.first, *map(replay.play, self._records[at + 1 :])]
        if replay.became:
            renewed = [record.renamed(replay.became) for record in renewed]
        self._records = [*self._records[:at], *renewed]
        outcome = LateOutcome(
            applied=True,
            matched=replay.matched,
            found_again=replay.found_again,
            begun=replay.begun,
            frames=len(renewed) - 1,
        )
        return outcome, renewed[-1].tracks
