"""The re-update against one plain filterpy filter per track, run along the way in between."""

from __future__ import annotations

from dataclasses import replace

from filterpy.kalman import KalmanFilter
import numpy as np
import pytest

from mot_compress_ros.tracking import life, Tracker, TrackerConfig
from mot_compress_ros.tracking.kalman import KalmanState
from mot_compress_ros.tracking.motion import MODELS, NoiseWeights
from mot_compress_ros.tracking.re_update import re_updated
from mot_compress_ros.tracking.seen import look_at
from mot_compress_ros.tracking.store import TrackStore

PERIOD_NS = 33_333_333
SORT = MODELS['xysr'](NoiseWeights())


def area_and_aspect(box: np.ndarray) -> np.ndarray:
    """x, y, s, r of one box, as in SORT."""
    w, h = box[2] - box[0], box[3] - box[1]
    return np.array([box[0] + w / 2, box[1] + h / 2, w * h, w / h])


def plain(
    anchor_x: np.ndarray,
    anchor_p: np.ndarray,
    first: np.ndarray,
    last: np.ndarray,
    steps: int,
    dt: float,
) -> KalmanFilter:
    """SORT's filter from its last detection on, given a made-up box in every frame of the gap."""
    kf = KalmanFilter(dim_x=7, dim_z=4)
    kf.x, kf.P, kf.H = anchor_x[:7, None].copy(), anchor_p[:7, :7].copy(), np.eye(4, 7)
    F = np.eye(7) + dt * np.eye(7, k=4)
    Q = dt * np.diag([1, 1, 1, 1, 1e-2, 1e-2, 1e-4])
    for k in range(1, steps + 1):
        if kf.x[2, 0] + dt * kf.x[6, 0] <= 0:
            kf.x[6, 0] = 0
        kf.predict(F=F, Q=Q)
        kf.update(area_and_aspect(first + k / steps * (last - first)), R=np.diag([1, 1, 10, 10]))
    return kf


def lost_tracks(detect, n: int, rng: np.random.Generator) -> TrackStore:
    """Tracks last seen at stamp 0 whose filter knows a velocity."""
    low = rng.uniform(0, 800, (n, 2))
    boxes = np.concatenate([low, low + rng.uniform(20, 100, (n, 2))], axis=1)
    seen, _ = look_at(detect(boxes), min_score=0.0)
    tracks = life.begun(
        seen, SORT, TrackerConfig.of('ocsort'), first_id=1, stamp_ns=0, warm_up=True
    )
    cross = rng.uniform(-3, 3, (n, 4)) * [1, 1, 1, 0]
    anchors = KalmanState.of(
        tracks.motion.position + rng.normal(0, 2, (n, 4)) * [1, 1, 1, 0],
        rng.normal(0, 3, (n, 4)) * [1, 1, 20, 0],
        rng.uniform(5, 20, (n, 4)),
        cross,
        rng.uniform(2, 9, (n, 4)) * [1, 1, 1, 0],
    )
    return replace(tracks, anchors=anchors)


def test_it_is_a_filter_over_the_straight_line(detect) -> None:
    rng = np.random.default_rng(0)
    steps = np.array([2, 3, 3, 7, 20, 2])
    tracks = replace(lost_tracks(detect, 6, rng), frames_since_update=steps)
    last = tracks.observed_xyxy_px + np.tile(rng.normal(0, 60, (6, 2)), 2)
    last[:, 2:] += rng.uniform(0, 40, (6, 2))
    elapsed_ns = 4 * PERIOD_NS  # the frames of the gap did not come at the same pace for all
    found = re_updated(tracks, SORT.measure(last), stamp_ns=elapsed_ns)
    for i in range(6):
        kf = plain(
            tracks.anchors.mean[i],
            tracks.anchors.covariance[i],
            tracks.observed_xyxy_px[i],
            last[i],
            int(steps[i]),
            elapsed_ns / (1e9 / 30) / steps[i],
        )
        np.testing.assert_allclose(found.mean[i, :7], kf.x[:, 0], rtol=1e-8, atol=1e-8)
        np.testing.assert_allclose(found.covariance[i, :7, :7], kf.P, rtol=1e-8, atol=1e-8)


def test_each_track_has_a_clock_of_its_own(detect) -> None:
    rng = np.random.default_rng(1)
    tracks = lost_tracks(detect, 2, rng)
    tracks = replace(
        tracks,
        frames_since_update=np.array([2, 5]),
        updated_ns=np.array([30, 10], np.int64) * PERIOD_NS,
    )
    last = tracks.observed_xyxy_px + 25
    together = re_updated(tracks, SORT.measure(last), stamp_ns=40 * PERIOD_NS)
    for i in range(2):
        alone = re_updated(
            tracks[np.array([i])], SORT.measure(last[i : i + 1]), stamp_ns=40 * PERIOD_NS
        )
        np.testing.assert_array_equal(alone.mean[0], together.mean[i])
        np.testing.assert_array_equal(alone.covariance[0], together.covariance[i])


def test_the_velocity_of_the_way_is_learnt(detect) -> None:
    """40 px in 10 periods: 4 px a period, whatever the filter thought before."""
    tracks = replace(
        lost_tracks(detect, 3, np.random.default_rng(2)), frames_since_update=np.full(3, 10)
    )
    last = tracks.observed_xyxy_px + np.array([40, -20, 40, -20])
    found = re_updated(tracks, SORT.measure(last), stamp_ns=round(10 * 1e9 / 30))
    np.testing.assert_allclose(found.velocity[:, :2], np.tile([4, -2], (3, 1)), atol=0.6)
    np.testing.assert_allclose(found.position[:, :2], (last[:, :2] + last[:, 2:]) / 2, atol=2)


@pytest.mark.parametrize('re_update', [False, True])
def test_the_tracker_asks_for_it_after_a_gap_alone(re_update, detect) -> None:
    tracker = Tracker(TrackerConfig.of('ocsort', re_update=re_update))
    plain_one = Tracker(TrackerConfig.of('ocsort', re_update=not re_update))
    shown = [0, 1, 2, 3, 4, 6, 7, 8]  # a miss of one frame, then of three
    for k in range(13):
        x = 100.0 + 3 * k + (15 if k > 8 else 0)
        seen = detect([[x, 100, x + 60, 200]] if k in shown or k == 12 else [])
        same = k < 6
        for t in (tracker, plain_one):
            t.update(seen, stamp_ns=(k + 1) * PERIOD_NS)
        if same:
            np.testing.assert_array_equal(tracker.store.motion.mean, plain_one.store.motion.mean)
    assert tracker.store.track_ids.tolist() == plain_one.store.track_ids.tolist() == [1]
    assert (tracker.store.motion.mean != plain_one.store.motion.mean).any()
