"""Tracks that are followed through the replay end as if they had lived those frames anew."""

from __future__ import annotations

from late_worlds import (
    assert_same_store,
    box,
    crowd,
    made,
    NOBODY,
    remembered,
    stamp,
    street,
)
import numpy as np
import pytest

from mot_compress_ros.datatypes import TrackState
from mot_compress_ros.tracking import late_follow, late_replay, PRESETS, Tracker, TrackerConfig
from mot_compress_ros.tracking.store import BoolArray, TrackStore

every_preset = pytest.mark.parametrize('name', sorted(PRESETS))


def only_shown(tracks: TrackStore, config: TrackerConfig) -> BoolArray:
    """Tracks that were found again are not followed but live anew."""
    return tracks.frames_since_update == 0


def played(name: str, seed: int) -> tuple[Tracker, int]:
    """A crowd with misses, turns of the camera and late results; how many those found again."""
    rng = np.random.default_rng(seed)
    tracker, found, now = Tracker(TrackerConfig.of(name, late_frames=8)), 0, 0
    stamps = []
    for k in range(16):
        now += int(rng.choice([33, 50, 120])) * 1_000_000
        stamps.append(now)
        turn = np.array([[1, 0, rng.uniform(-4, 4)], [0, 1, 0], [0, 0, 1]]) if seed % 2 else None
        seen = crowd(rng, k, share=0.8, noise=2.0)
        tracker.update(seen, stamp_ns=now, camera_motion=turn)
        for back in rng.integers(0, min(k + 1, 8), int(rng.integers(0, 3))):
            late = crowd(rng, k - back, share=0.9, noise=2.0)
            found += tracker.update_late(late, stamp_ns=stamps[k - back]).found_again
    return tracker, found


@every_preset
@pytest.mark.parametrize('seed', range(6))
def test_found_again_is_followed_as_if_it_lived_anew(name, seed, monkeypatch) -> None:
    followed, found = played(name, seed)
    assert found
    monkeypatch.setattr(late_replay, 'can_follow', only_shown)
    anew, _ = played(name, seed)
    for one, other in zip(remembered(followed), remembered(anew), strict=True):
        assert_same_store(one.tracks, other.tracks)
        np.testing.assert_array_equal(one.owners, other.owners)


@every_preset
@pytest.mark.parametrize('misses', [(), (8,), (7, 8), (9, 10, 11)])
def test_found_again_and_missed_later_is_as_good_as_in_time(name, misses, detect) -> None:
    """Until its next detection the late one is the latest that a track has, in all columns."""
    late, in_time = made(name), made(name)
    for k in range(12):
        turn = np.array([[1.002, 0, (-1.0) ** k], [0, 1.002, 0.5], [0, 0, 1]])
        seen = NOBODY if k in misses else street(detect, k)
        late.update(NOBODY if k == 6 else seen, stamp_ns=stamp(k), camera_motion=turn)
        in_time.update(seen, stamp_ns=stamp(k), camera_motion=turn)
    assert late.update_late(street(detect, 6), stamp_ns=stamp(6)).matched == 3
    assert_same_store(late.store, in_time.store)


def test_where_a_miss_changes_more_than_the_state_lost_tracks_are_not_followed(detect) -> None:
    def followed(name: str) -> list[bool]:
        tracker = made(name)
        for k in range(6):
            seen = [box(k), box(k, x=700)] if k < 5 else [box(k)]
            tracker.update(detect(seen), stamp_ns=stamp(k))
        return late_follow.can_follow(tracker.store, tracker.config).tolist()

    for name in ('vehicle', 'fairmot', 'byte', 'botsort'):
        assert followed(name) == [True, True]
    for name in ('sort', 'ocsort'):
        assert followed(name) == [True, False]


def test_one_that_the_record_has_forgotten_lives_on(detect) -> None:
    """It is followed until its record ends, and lives anew from there on."""
    tracker = made('byte', lost_buffer_s=0.15)
    for k in range(14):
        tracker.update(detect([box(k)] if k < 6 else []), stamp_ns=stamp(k))
    assert len(tracker.store) == 0
    ids = [record.tracks.track_ids.tolist() for record in remembered(tracker)]
    assert ids[9:] == [[1], [], [], [], []]
    tracker.update_late(detect([box(9)]), stamp_ns=stamp(9))
    assert tracker.store.track_ids.tolist() == [1]
    assert tracker.store.states.tolist() == [TrackState.LOST]
    assert tracker.store.frames_since_update.tolist() == [4]
