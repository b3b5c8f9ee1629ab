"""FairMOT's association: who matches whom, and which two tracks are one object.

The rounds are those of JDETracker (Zhang et al. 2021, section 3.5), with these differences, the
last two of which are the tracker's:

- tracks and detections of different classes never match;
- embeddings of different networks are never compared. A track that has no embedding in the space
  of this frame's detections has no say in the first round and is left to the second, by overlap,
  even where it is lost: otherwise nothing could ever find it again. Where all embeddings come from
  one network this changes nothing;
- a lost track is forgotten by the clock and before the frame is associated, so that frames that
  never came cannot keep it alive; FairMOT counts frames and looks after it, one frame later;
- tentative tracks are predicted like the others; FairMOT leaves them where they were, which
  differs in the velocity that their second hit gives them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros import boxes
from mot_compress_ros.datatypes import Detections, TrackState
from mot_compress_ros.tracking import association, kalman
from mot_compress_ros.tracking.association import Matches
from mot_compress_ros.tracking.config import TrackerConfig
from mot_compress_ros.tracking.gallery import unit_length
from mot_compress_ros.tracking.store import TrackStore

BoolArray = NDArray[np.bool_]


def match(tracks: TrackStore, detections: Detections, config: TrackerConfig) -> Matches:
    """Match tracks, predicted to the stamp of the frame, with its detections.

    Raises:
        InvalidDataError: the detections' embedding space had another dimension before.
    """
    confirmed, lost = tracks.is_in(TrackState.CONFIRMED), tracks.is_in(TrackState.LOST)
    appearance, comparable = _appearance_cost(tracks, detections, config)
    first = association.assign(
        np.where((confirmed | lost)[:, None], appearance, np.inf),
        limit=config.embedding_threshold,
    )
    by_overlap = confirmed | (lost & ~comparable)
    second = _overlap_round(tracks, detections, by_overlap, [first], config.iou_threshold)
    third = _overlap_round(
        tracks,
        detections,
        tracks.is_in(TrackState.TENTATIVE),
        [first, second],
        config.tentative_iou_threshold,
    )
    return _together([first, second, third])


def duplicates(tracks: TrackStore, *, iou_distance: float) -> BoolArray:
    """Mask (N,) of the tracks to drop, because a lost and a seen track cover the same object.

    Of such a pair that one stays which was followed for longer; at a tie it is the lost one.
    """
    lost = np.flatnonzero(tracks.is_in(TrackState.LOST))
    seen = np.flatnonzero(~tracks.is_in(TrackState.LOST))
    drop = np.zeros(len(tracks), bool)
    corners = tracks.boxes_xyxy_px
    cost = association.iou_cost(corners[seen], corners[lost])
    cost = association.within_class(cost, tracks.class_ids[seen], tracks.class_ids[lost])
    seen_row, lost_row = np.nonzero(cost < iou_distance)
    followed_ns = tracks.updated_ns - tracks.started_ns
    a, b = seen[seen_row], lost[lost_row]
    seen_is_older = followed_ns[a] > followed_ns[b]
    drop[np.where(seen_is_older, b, a)] = True
    return drop


def _appearance_cost(
    tracks: TrackStore, detections: Detections, config: TrackerConfig
) -> tuple[association.CostMatrix, BoolArray]:
    """Cost (N, M) of the first round, and which tracks (N,) have an embedding to compare."""
    embeddings, usable = unit_length(detections.embeddings)
    if not usable.any():  # an empty frame, or a network without re-ID head
        return np.full((len(tracks), len(detections)), np.inf), np.zeros(len(tracks), bool)
    remembered = tracks.gallery.space(detections.embedding_space, dim=embeddings.shape[1])
    cost = association.embedding_cost(remembered.vectors, embeddings)
    measured = boxes.xyxy_to_xyah(detections.boxes_xyxy_px)
    distance = kalman.gating_distance(tracks.motion, measured, limit=kalman.CHI2_95_4DOF)
    cost = association.fuse_motion(cost, distance, motion_weight=config.motion_weight)
    cost = association.within_class(cost, tracks.class_ids, detections.class_ids)
    comparable = remembered.known
    return np.where(comparable[:, None] & usable[None, :], cost, np.inf), comparable


def _overlap_round(
    tracks: TrackStore,
    detections: Detections,
    candidates: BoolArray,
    earlier: list[Matches],
    limit: float,
) -> Matches:
    """Match by IoU what `earlier` rounds left of the `candidates` (N,) and the detections."""
    taken = _together(earlier)
    candidates, unclaimed = candidates.copy(), np.ones(len(detections), bool)
    candidates[taken.tracks] = unclaimed[taken.detections] = False
    rows, columns = np.flatnonzero(candidates), np.flatnonzero(unclaimed)
    if not len(rows) or not len(columns):
        return Matches(rows[:0], columns[:0])
    cost = association.iou_cost(tracks.boxes_xyxy_px[rows], detections.boxes_xyxy_px[columns])
    cost = association.within_class(cost, tracks.class_ids[rows], detections.class_ids[columns])
    found = association.assign(cost, limit=limit)
    return Matches(rows[found.tracks], columns[found.detections])


def _together(rounds: list[Matches]) -> Matches:
    return Matches(
        np.concatenate([m.tracks for m in rounds]), np.concatenate([m.detections for m in rounds])
    )
