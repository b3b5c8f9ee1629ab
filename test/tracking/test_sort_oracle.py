"""The preset `sort` against a plain SORT: an object and a filterpy filter per track."""

from __future__ import annotations

import numpy as np
from plain_street import street
from plain_trackers import (
    Array,
    assert_same_tracks,
    best_first,
    box_of,
    iou_distance,
    PlainTrack,
    PlainTracker,
    Xysr,
)
import pytest

from mot_compress_ros.datatypes import Detections
from mot_compress_ros.tracking import Tracker, TrackerConfig


class PlainSort(PlainTracker):
    """SORT (Bewley et al. 2016, `Sort.update` of the published code)."""

    min_score = np.float32(0.0)
    max_age, min_hits = 1, 3  # frames
    frames = 0

    def update(self, frame: Detections, now: int) -> dict[int, Array]:
        dt, _ = self.begin_frame(now)
        self.frames += 1
        for track in self.tracks:
            track.predict(dt)
            track.streak = 0 if track.unseen else track.streak
            track.unseen += 1
        free = best_first(frame, frame.scores >= self.min_score)
        pairs, _, free = self.round(self.tracks, free, frame, iou_distance, 1.0, drop_above=0.7)
        for track, j in pairs:
            self.events['bridged'] += track.unseen > 1
            track.hit(box_of(frame, j), now)
            track.streak, track.unseen = track.streak + 1, 0
        for j in free:
            self.count += 1
            track = PlainTrack(self.count, int(frame.class_ids[j]), Xysr, box_of(frame, j), now)
            track.streak = track.unseen = 0
            self.tracks.append(track)
        shown = {t.number: t.shown for t in self.tracks if self.is_shown(t)}
        alive = [t for t in self.tracks if t.unseen <= self.max_age]
        self.events['expired'] += len(self.tracks) - len(alive)
        self.tracks = alive
        return shown

    def is_shown(self, track: PlainTrack) -> bool:
        enough = track.streak >= self.min_hits or self.frames <= self.min_hits
        return track.unseen == 0 and enough


@pytest.mark.parametrize('seed', [0, 1, 3, 4])
def test_same_tracks_as_the_plain_sort(seed: int) -> None:
    fast, plain = Tracker(TrackerConfig.of('sort')), PlainSort()
    for stamp_ns, detections, _ in street(seed):
        tracks = fast.update(detections, stamp_ns=stamp_ns)
        assert_same_tracks(tracks, plain.update(detections, stamp_ns))
    assert plain.count > 20
    for rule in ('bridged', 'expired'):
        assert plain.events[rule] > 0, rule
