"""The preset `ocsort` against a plain OC-SORT: an object and a filterpy filter per track."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
from plain_street import street
from plain_trackers import (
    Array,
    assert_same_tracks,
    best_first,
    box_of,
    centre_and_size,
    corners,
    iou,
    PlainTrack,
    PlainTracker,
    Xysr,
)
import pytest

from mot_compress_ros.datatypes import Detections
from mot_compress_ros.tracking import Tracker, TrackerConfig


def direction(start: Array, end: Array) -> Array:
    """Unit vector between two box centres; zero where they are the same."""
    step = np.array(centre_and_size(end)[:2]) - centre_and_size(start)[:2]
    unit: Array = step / (np.linalg.norm(step) + 1e-6)
    return unit


class ObservedTrack(PlainTrack):
    """A track that remembers what was seen of it (Cao et al. 2023, section 4)."""

    def __init__(self, number: int, kind: int, box: Array, now: int) -> None:
        super().__init__(number, kind, Xysr, box, now)
        self.age = self.unseen = self.streak = 0
        self.heading = np.zeros(2)
        self.observed = {0: box}  # by age in frames
        self.frozen: Any = deepcopy(self.kf)  # the filter right after the last observation

    @property
    def last(self) -> Array:
        return self.observed[max(self.observed)]

    @property
    def shown(self) -> Array:
        return np.r_[self.last, super().shown[4:]]

    def before(self, delta: int = 3) -> Array:
        """The observation `delta` frames ago, or the oldest one since, or the last of all."""
        for back in range(delta, 0, -1):
            if self.age - back in self.observed:
                return self.observed[self.age - back]
        return self.last

    def advance(self, dt: float) -> None:
        self.predict(dt)
        self.age += 1
        self.streak = 0 if self.unseen else self.streak
        self.unseen += 1

    def observe(self, box: Array, now: int, dt: float) -> None:
        self.heading = direction(self.before(), box)
        if self.unseen > 1:
            self.replay(box, dt)
        self.hit(box, now)
        self.frozen = deepcopy(self.kf)
        self.observed[self.age] = box
        self.streak, self.unseen = self.streak + 1, 0

    def replay(self, box: Array, dt: float) -> None:
        """ORU: from the frozen filter over a straight virtual path, up to before `box` itself."""
        self.kf, gap = self.frozen, self.unseen
        path = np.linspace(centre_and_size(self.last), centre_and_size(box), gap + 1)
        for virtual in path[1:-1]:
            self.predict(dt)
            self.correct(corners(*virtual))
        self.predict(dt)


class PlainOcSort(PlainTracker):
    """OC-SORT (Cao et al. 2023, `OCSort.update` of the published code, without `use_byte`)."""

    min_score = np.float32(0.6)
    min_hits, inertia, min_iou = 3, 0.2, 0.3
    unmatched_cost = 1.0  # of IoU + direction term, taken from 1
    frames = 0

    def update(self, frame: Detections, now: int) -> dict[int, Array]:
        dt, _ = self.begin_frame(now)
        self.frames += 1
        alive = [t for t in self.tracks if not (t.unseen and now - t.seen > self.buffer_ns)]
        self.events['expired'] += len(self.tracks) - len(alive)
        self.tracks = alive
        for track in self.tracks:
            track.advance(dt)
        free = best_first(frame, frame.scores >= self.min_score)
        pairs, left, free = self.round(self.tracks, free, frame, self.cost, self.unmatched_cost)
        again, _, free = self.round(
            left, free, frame, self.from_last_seen, 1.0, drop_above=1 - self.min_iou
        )
        self.events['found by the last box'] += len(again)
        for track, j in pairs + again:
            self.events['replayed'] += track.unseen > 1
            track.observe(box_of(frame, j), now, dt)
        for j in free:
            self.count += 1
            kind = int(frame.class_ids[j])
            self.tracks.append(ObservedTrack(self.count, kind, box_of(frame, j), now))
        return {t.number: t.shown for t in self.tracks if self.is_shown(t)}

    def cost(self, track: ObservedTrack, frame: Detections, j: int) -> float:
        """1 - (IoU + OCM), forbidden below the least IoU."""
        box = box_of(frame, j)
        overlap = iou(track.box, box)
        if overlap < self.min_iou:
            return np.inf
        cosine = np.clip(track.heading @ direction(track.before(), box), -1, 1)
        agreement = (np.pi / 2 - np.arccos(cosine)) / np.pi  # 0.5 same way, -0.5 the other
        self.events['directed'] += bool(agreement != 0)
        return float(1 - overlap - self.inertia * agreement * frame.scores[j])

    def from_last_seen(self, track: ObservedTrack, frame: Detections, j: int) -> float:
        """OCR: an object that stopped while it was hidden is where it was last seen."""
        return 1 - iou(track.last, box_of(frame, j))

    def is_shown(self, track: ObservedTrack) -> bool:
        enough = track.streak >= self.min_hits or self.frames <= self.min_hits
        return track.unseen == 0 and enough


@pytest.mark.parametrize('seed', [0, 1, 3, 4])
def test_same_tracks_as_the_plain_ocsort(seed: int) -> None:
    fast, plain = Tracker(TrackerConfig.of('ocsort')), PlainOcSort()
    for stamp_ns, detections, _ in street(seed):
        tracks = fast.update(detections, stamp_ns=stamp_ns)
        assert_same_tracks(tracks, plain.update(detections, stamp_ns))
    assert plain.count > 20
    for rule in ('directed', 'found by the last box', 'replayed', 'expired'):
        assert plain.events[rule] > 0, rule
