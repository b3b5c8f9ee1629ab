"""Offline tracking of one clip: boxes per frame in, whole tracks out.

Frame by frame, sure boxes are matched to tracks first and unsure ones to what is left (the two
passes of ByteTrack, arXiv 2110.06864), by overlap with a constant-velocity forecast. Then, with
the whole clip known: tracks that break off are joined to ones that begin where they were heading,
gaps are interpolated, boxes are smoothed over three frames, and short or weak tracks are given up:
they come back as `kept=False`, regions to ignore.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import lap
import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.boxes import iou_matrix
from mot_compress_ros.options import option
from offline_training.pseudo_labels.road_classes import RoadBoxes, UNATTENDED


@dataclass(frozen=True, kw_only=True)
class LinkConfig:
    """When two boxes are one object."""

    high_score: float = option(0.45, 'boxes this sure start tracks', minimum=0.0, maximum=1.0)
    low_score: float = option(0.2, 'boxes this sure extend tracks', minimum=0.0, maximum=1.0)
    min_iou: float = option(0.25, 'overlap with the forecast', minimum=0.0, maximum=1.0)
    class_penalty: float = option(
        0.2, 'overlap that a change of class costs', minimum=0.0, maximum=1.0
    )
    max_gap_frames: int = option(7, 'longest gap bridged', minimum=0, unit='frames')
    min_length_frames: int = option(6, 'boxes a track needs', minimum=1, unit='frames')
    min_mean_score: float = option(0.5, 'mean score a track needs', minimum=0.0, maximum=1.0)


@dataclass(frozen=True, eq=False, kw_only=True)
class LinkedTrack:
    """One object: frame indices (N,) ascending from 0, boxes (N, 4) px, scores (N,), its class.

    `scores` are 0 where the box was interpolated. `kept` is False for what to ignore.
    """

    frames: NDArray[np.int64]
    xyxy_px: NDArray[np.float64]
    scores: NDArray[np.float64]
    class_id: int
    kept: bool


@dataclass
class _Open:
    """A track that is being built."""

    frames: list[int] = field(default_factory=list)
    boxes: list[NDArray[np.float64]] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    classes: list[int] = field(default_factory=list)

    def add(self, frame: int, boxes: RoadBoxes, row: int) -> None:
        self.frames.append(frame)
        self.boxes.append(boxes.xyxy_px[row])
        self.scores.append(float(boxes.scores[row]))
        self.classes.append(int(boxes.class_ids[row]))

    def forecast(self, frame: int, *, backward: bool = False) -> NDArray[np.float64]:
        """The box at `frame`, by the mean speed of its last (or first) few boxes."""
        part = slice(None, 5) if backward else slice(-5, None)
        frames, boxes = np.array(self.frames[part], np.float64), np.array(self.boxes[part])
        near = 0 if backward else -1
        if len(frames) < 2:
            return np.asarray(boxes[near])
        speed = (boxes[-1] - boxes[0]) / (frames[-1] - frames[0])  # (4,) px per frame
        moved = boxes[near] + speed * (frame - frames[near])
        legal = moved[2] > moved[0] + 1 and moved[3] > moved[1] + 1
        return np.asarray(moved if legal else boxes[near])

    @property
    def class_id(self) -> int:
        """The class with the largest sum of scores."""
        return int(np.bincount(self.classes, weights=self.scores).argmax())


def link(clip: Sequence[RoadBoxes], config: LinkConfig) -> list[LinkedTrack]:
    """Tracks of a clip, in order of their first frame."""
    joined = _join(_associate(clip, config), config)
    finished = [_finish(track, config) for track in joined]
    return sorted(finished, key=lambda t: (int(t.frames[0]), float(t.xyxy_px[0, 0])))


def _associate(clip: Sequence[RoadBoxes], config: LinkConfig) -> list[_Open]:
    tracks: list[_Open] = []
    for frame, boxes in enumerate(clip):
        usable = boxes.class_ids != UNATTENDED
        sure = np.flatnonzero(usable & (boxes.scores >= config.high_score))
        unsure = np.flatnonzero(
            usable & (boxes.scores >= config.low_score) & (boxes.scores < config.high_score)
        )
        alive = [t for t in tracks if frame - t.frames[-1] <= config.max_gap_frames + 1]
        free_tracks, new = _match(alive, sure, boxes, frame, config)
        _, weak = _match(free_tracks, unsure, boxes, frame, config)
        for row in [*new, *weak]:  # a weak box alone becomes a track too short to be kept
            tracks.append(_Open())
            tracks[-1].add(frame, boxes, row)
    return tracks


def _match(
    tracks: list[_Open],
    rows: NDArray[np.int64],
    boxes: RoadBoxes,
    frame: int,
    config: LinkConfig,
) -> tuple[list[_Open], list[int]]:
    """Add matched boxes to their tracks; return the tracks and the rows that are left over."""
    if not tracks or not len(rows):
        return tracks, rows.tolist()
    forecasts = np.stack([t.forecast(frame) for t in tracks])  # (T, 4)
    differs = np.array([t.class_id for t in tracks])[:, None] != boxes.class_ids[rows][None, :]
    cost = 1 - iou_matrix(forecasts, boxes.xyxy_px[rows]) + config.class_penalty * differs
    _, to_row, to_track = lap.lapjv(cost, extend_cost=True, cost_limit=1 - config.min_iou)
    for track, column in zip(tracks, to_row, strict=True):
        if column >= 0:
            track.add(frame, boxes, int(rows[column]))
    left = [t for t, column in zip(tracks, to_row, strict=True) if column < 0]
    return left, [int(rows[j]) for j in np.flatnonzero(to_track < 0)]


def _join(tracks: list[_Open], config: LinkConfig) -> list[_Open]:
    """Join a track that ends to one that begins soon after where the two forecasts meet."""
    ordered = sorted(tracks, key=lambda t: t.frames[0])
    result: list[_Open] = []
    for track in ordered:
        before = [
            t
            for t in result
            if 0 < track.frames[0] - t.frames[-1] <= config.max_gap_frames + 1
            and t.class_id == track.class_id
        ]
        fit = [_meeting_iou(t, track) for t in before]
        if fit and max(fit) >= config.min_iou:
            best = before[int(np.argmax(fit))]
            best.frames += track.frames
            best.boxes += track.boxes
            best.scores += track.scores
            best.classes += track.classes
        else:
            result.append(track)
    return result


def _meeting_iou(first: _Open, second: _Open) -> float:
    middle = (first.frames[-1] + second.frames[0]) // 2
    ahead, back = first.forecast(middle), second.forecast(middle, backward=True)
    return float(iou_matrix(ahead[None], back[None])[0, 0])


def _finish(track: _Open, config: LinkConfig) -> LinkedTrack:
    known = np.array(track.frames, np.int64)
    frames = np.arange(known[0], known[-1] + 1)
    boxes = np.stack(
        [np.interp(frames, known, np.array(track.boxes)[:, k]) for k in range(4)], axis=1
    )
    scores = np.zeros(len(frames))
    scores[known - known[0]] = track.scores
    long_enough = len(known) >= config.min_length_frames
    sure = float(np.mean(track.scores)) >= config.min_mean_score
    return LinkedTrack(
        frames=frames,
        xyxy_px=smooth(boxes),
        scores=scores,
        class_id=track.class_id,
        kept=long_enough and sure,
    )


def smooth(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Boxes (N, 4) averaged over three frames, weights 1 2 1; both ends are left as they are."""
    result = boxes.copy()
    if len(boxes) > 2:
        result[1:-1] = (boxes[:-2] + 2 * boxes[1:-1] + boxes[2:]) / 4
    return result


def scaled(track: LinkedTrack, factor: float) -> LinkedTrack:
    """The track in an image resized by `factor`."""
    return replace(track, xyxy_px=track.xyxy_px * factor)
