"""Whatever late evidence says, and whenever it comes: what was given out stays."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from late_worlds import (
    crowd,
    every_kind,
    remembered,
)
import numpy as np

from mot_compress_ros.datatypes import TrackState
from mot_compress_ros.tracking import Tracker, TrackerConfig


def assert_sound(tracker: Tracker, *, looks_back: int) -> None:
    """What holds of all that is remembered; `looks_back` late results came at the most."""
    records = remembered(tracker)
    assert records[-1].tracks is tracker.store
    for record in records:
        tracks, owned = (
            record.tracks,
            np.concatenate([record.owners, *(owners for _, owners in record.late)]),
        )
        assert (np.diff(tracks.track_ids) > 0).all()
        motion = tracks.motion
        assert np.isfinite(motion.mean).all()
        assert (motion.position_variance > 0).all()
        spread = motion.position_variance * motion.velocity_variance
        assert (motion.cross_covariance**2 <= spread * (1 + 1e-9)).all()
        assert (tracks.started_ns <= tracks.updated_ns).all()
        assert (tracks.updated_ns <= record.stamp_ns).all()
        assert (tracks.hits >= 1).all()
        assert (tracks.hits <= tracks.ages + looks_back).all()
        assert (tracks.streaks <= tracks.ages - 1).all()
        shown = tracks.frames_since_update == 0
        assert not tracks.streaks[~shown].any()
        np.testing.assert_array_equal(shown, tracks.updated_ns == record.stamp_ns)
        np.testing.assert_array_equal(shown, np.isin(tracks.track_ids, owned))
        assert not (tracks.is_in(TrackState.LOST) & shown).any()
        for _, owners in [(0, record.owners), *record.late]:  # none has two
            owner = owners[owners > 0]
            assert len(np.unique(owner)) == len(owner)
    for earlier, later in pairwise(records):
        _, a, b = np.intersect1d(
            earlier.tracks.track_ids, later.tracks.track_ids, return_indices=True
        )
        np.testing.assert_array_equal(earlier.tracks.ages[a] + 1, later.tracks.ages[b])
        np.testing.assert_array_equal(earlier.tracks.started_ns[a], later.tracks.started_ns[b])
        np.testing.assert_array_equal(earlier.tracks.class_ids[a], later.tracks.class_ids[b])


@every_kind
@settings(max_examples=20)
@given(
    seed=st.integers(0, 10**9),
    share=st.sampled_from([0.3, 0.6, 0.9]),
    noise=st.sampled_from([1.0, 6.0]),
    turning=st.booleans(),
)
def test_what_was_given_out_stays_and_the_rest_is_sound(name, seed, share, noise, turning) -> None:
    rng = np.random.default_rng(seed)
    values = {} if rng.random() < 0.5 else {'confirm_hits': 1, 'lost_buffer_s': 0.3}
    tracker = Tracker(TrackerConfig.of(name, late_frames=6, **values))
    owners: dict[int, np.ndarray] = {}  # by stamp, as they were given out at once
    published: dict[int, set[int]] = {}
    ever: set[int] = set()
    now, results = 0, 0
    for k in range(14):
        now += int(rng.choice([33, 33, 50, 200])) * 1_000_000
        motion = np.array([[1, 0, rng.uniform(-9, 9)], [0, 1, 0], [0, 0, 1]]) if turning else None
        before = set(tracker.store.track_ids.tolist())
        tracks = tracker.update(
            crowd(rng, k, share=share, noise=noise), stamp_ns=now, camera_motion=motion
        )
        born = set(tracker.store.track_ids.tolist()) - before
        assert not born or min(born) > max(ever, default=0)  # none was ever used, early or late
        owners[now] = remembered(tracker)[-1].owners
        published[now] = set(tracks.track_ids.tolist())
        ever |= born | set(owners[now].tolist())
        for _ in range(rng.integers(0, 3)):
            results += 1
            back = int(rng.integers(0, min(k + 1, 7)))
            at = remembered(tracker)[-1 - back].stamp_ns
            late = crowd(rng, k - back, share=0.8, noise=noise)
            first = max(ever, default=0) + 1
            outcome = tracker.update_late(late, stamp_ns=at)
            assert (outcome.applied, outcome.frames) == (True, back)
            ever |= set(range(first, first + outcome.begun))
            assert set(tracker.store.track_ids.tolist()) <= ever
            assert_sound(tracker, looks_back=results)
            for record in remembered(tracker):
                given_out = owners[record.stamp_ns]
                has_one = given_out > 0
                np.testing.assert_array_equal(record.owners[has_one], given_out[has_one])
                assert published[record.stamp_ns] <= set(record.tracks.track_ids.tolist())
