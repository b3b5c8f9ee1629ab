"""Frames as the tracker remembers them, and the tracks in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mot_compress_ros.tracking import kalman, life
from mot_compress_ros.tracking.config import TrackerConfig
from mot_compress_ros.tracking.kalman import Float64Array, KalmanState
from mot_compress_ros.tracking.motion import MotionModel
from mot_compress_ros.tracking.pairs import (
    BoolArray,
    Indices,
    near_pairs,
    paired_iou,
    Pairs,
    sides_and_centres,
)
from mot_compress_ros.tracking.rows import row_numbers
from mot_compress_ros.tracking.seen import Seen
from mot_compress_ros.tracking.store import CONFIRMED, TrackStore
from mot_compress_ros.tracking.value import Value

_FEW = 256  # so many pairs are compared faster than searched for those that touch


class Evidence(NamedTuple):
    """M detections, and the id (M,) of the track that each went to or began; 0 for none."""

    seen: Seen
    owners: Indices


@dataclass(frozen=True, eq=False)
class FrameRecord(Value):
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

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """All that was seen of the frame, its own detections first."""
        return Evidence(self.seen, self.owners), *self.late

    def renamed(self, became: Mapping[int, int]) -> FrameRecord:
        """The record after tracks took on other ids; those that became 0 have never been."""
        old, new = np.array(sorted(became.items())).T

        def now(ids: Indices) -> Indices:
            which, places = owned(old, ids)
            ids = ids.copy()
            ids[places] = new[which]
            return ids

        return self.having(
            owners=now(self.owners),
            tracks=in_order(self.tracks.having(track_ids=now(self.tracks.track_ids))),
            late=tuple(Evidence(seen, now(owners)) for seen, owners in self.late),
        )


def corrected(
    model: MotionModel,
    motion: KalmanState,
    seen: Seen,
    detections: Indices,
    config: TrackerConfig,
) -> KalmanState:
    """States after detection `detections[i]` of `seen` was given to track i."""
    measured = model.measure(seen.boxes_xyxy_px[detections])
    noise = life.measured_noise(seen, detections, config)
    variance = noise * model.measured_variance(motion.position)
    return kalman.update(motion, measured, measured_variance=variance)


def owned(track_ids: Indices, owners: Indices) -> tuple[Indices, Indices]:
    """Rows of `track_ids` (N,), ascending, and of `owners` (M,) that name the same track."""
    if not len(track_ids):
        return track_ids, track_ids
    rows = track_ids.searchsorted(owners)
    named = (track_ids.take(rows, mode='clip') == owners).nonzero()[0]
    return rows.take(named), named


def overlapping(
    corners: Float64Array, class_ids: Indices, seen: Seen
) -> tuple[Pairs, Float64Array]:
    """Pairs of a box (N, 4) and a detection of its class, all that touch among them; 1 - IoU."""
    if len(corners) * len(seen) <= _FEW:
        pairs = Pairs(*(class_ids[:, None] == seen.class_ids).nonzero())
    else:
        sides, centres = sides_and_centres(corners)
        seen_sides, seen_centres = sides_and_centres(seen.boxes_xyxy_px)
        pairs = near_pairs(centres, sides / 2, seen_centres, seen_sides / 2)
        pairs = pairs[class_ids[pairs.tracks] == seen.class_ids[pairs.detections]]
    return pairs, 1 - paired_iou(corners[pairs.tracks], seen.boxes_xyxy_px[pairs.detections])


def may_pair(states: Indices, pairs: Pairs, seen: Seen, *, high_score: float) -> BoolArray:
    """Mask (K,) of pairs that a round in time could have had, by the states (N,) of the tracks.

    Weak detections are for tracks that the last frame showed.
    """
    strong = seen.scores >= high_score
    return np.asarray(strong[pairs.detections] | (states[pairs.tracks] == CONFIRMED))


def with_streaks(tracks: TrackStore, before: TrackStore | None = None) -> TrackStore:
    """`tracks` of which the missed ones have the streak they had in `before`; else none."""
    missed = tracks.frames_since_update > 0
    if not missed.any():
        return tracks
    streaks = np.where(missed, 0, tracks.streaks)
    if before is not None:
        theirs, rows = owned(before.track_ids, tracks.track_ids)
        missed = missed[rows]
        streaks[rows[missed]] = before.streaks[theirs[missed]]
    return tracks.having(streaks=streaks)


def merged(tracks: TrackStore, changed: TrackStore) -> TrackStore:
    """`tracks` in which the `changed` ones are as they are there, in order of id."""
    if not len(tracks):
        return changed
    joined = tracks.join(changed)
    others = ~np.isin(tracks.track_ids, changed.track_ids)
    rows = row_numbers(np.concatenate([others, np.ones(len(changed), bool)]))
    return joined[rows[np.argsort(joined.track_ids[rows])]]


def in_order(tracks: TrackStore) -> TrackStore:
    """The tracks that have an id, in order of it."""
    ids = tracks.track_ids
    if (np.diff(ids, prepend=0) > 0).all():
        return tracks
    order = np.argsort(ids)
    return tracks[order[ids[order] > 0]]
