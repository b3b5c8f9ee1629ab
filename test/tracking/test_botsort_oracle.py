"""The preset `botsort` against a plain BoT-SORT: an object and a filterpy filter per track."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from plain_street import street
from plain_trackers import (
    Array,
    assert_same_tracks,
    box_of,
    iou,
    look_of,
    PlainByte,
    PlainTrack,
    score_fused,
    Xywh,
)
import pytest

from mot_compress_ros.datatypes import Detections
from mot_compress_ros.tracking import Tracker, TrackerConfig


class PlainBotSort(PlainByte):
    """BoT-SORT (Aharon et al. 2022): BYTE's rounds, sides in the filter, looks, camera motion."""

    form = Xywh

    def cost(self, track: PlainTrack, frame: Detections, j: int) -> float:
        """The overlap or half the look, where the look is near enough to count (eq. 12, 13)."""
        by_box = score_fused(track, frame, j)
        if track.look is None or not frame.embeddings.shape[1]:
            return by_box
        by_look = max(0.0, 1 - float(track.look @ look_of(frame, j))) / 2
        if 1 - iou(track.box, box_of(frame, j)) > 0.5 or by_look > 0.25:
            by_look = 1.0
        self.events['by look'] += bool(by_look < by_box)
        return min(by_box, by_look)

    def follow_camera(self, track: PlainTrack) -> None:
        """Section 3.2, eq. 7 and 8, after the prediction: the whole state turns and scales."""
        if self.motion is None:
            return
        turn = np.kron(np.eye(4), self.motion[:2, :2])
        track.kf.x = turn @ track.kf.x
        track.kf.x[:2, 0] += self.motion[:2, 2]
        track.kf.P = turn @ track.kf.P @ turn.T


def follow(seed: int, *, shaky: bool, told: bool, looks: bool) -> PlainBotSort:
    fast, plain = Tracker(TrackerConfig.of('botsort')), PlainBotSort()
    for stamp_ns, seen, step in street(seed, shaky=shaky):
        detections = seen if looks else replace(seen, embeddings=seen.embeddings[:, :0])
        motion: Array | None = step if told else None
        plain.motion = motion
        wanted = plain.update(detections, stamp_ns)
        tracks = fast.update(detections, stamp_ns=stamp_ns, camera_motion=motion)
        assert_same_tracks(tracks, wanted)
    return plain


@pytest.mark.parametrize('looks', [True, False], ids=['looks', 'boxes only'])
@pytest.mark.parametrize('seed', [4, 5])
def test_same_tracks_as_the_plain_botsort(seed: int, looks: bool) -> None:
    plain = follow(seed, shaky=False, told=False, looks=looks)
    assert plain.count > 20
    for rule in ('first', 'low', 'tentative', 'dropped', 'found again', 'expired', 'duplicates'):
        assert plain.events[rule] > 0, rule
    assert (plain.events['by look'] > 0) == looks


@pytest.mark.parametrize('seed', [0, 1])
def test_the_camera_moves_the_state_as_published(seed: int) -> None:
    told = follow(seed, shaky=True, told=True, looks=True)
    blind = follow(seed, shaky=True, told=False, looks=True)
    assert told.count < 0.7 * blind.count  # and it matters
