"""Costs of pairs by hand, and against scipy."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis

from mot_compress_ros import boxes
from mot_compress_ros.datatypes import Detections
from mot_compress_ros.tracking import costs, life, TrackerConfig
from mot_compress_ros.tracking.kalman import CHI2_95_4DOF, KalmanState
from mot_compress_ros.tracking.motion import MODELS, NoiseWeights
from mot_compress_ros.tracking.pairs import Pairs
from mot_compress_ros.tracking.scene import Scene
from mot_compress_ros.tracking.seen import look_at

STAMP_NS = 100_000_000


def all_pairs(scene: Scene) -> Pairs:
    return Pairs(*(g.ravel() for g in np.indices((len(scene.tracks), len(scene.seen)))))


def scene_of(tracked: Detections, seen: Detections, *, model: str = 'xywh') -> Scene:
    """Tracks that were seen once, and what the frame shows, both best first."""
    first, _ = look_at(tracked, min_score=0.0)
    tracks = life.begun(
        first,
        MODELS[model](NoiseWeights()),
        TrackerConfig.of('ocsort'),
        first_id=1,
        stamp_ns=0,
        warm_up=True,
    )
    now, _ = look_at(seen, min_score=0.0)
    return Scene(tracks, now, stamp_ns=STAMP_NS)


def square(x: float, y: float = 0.0, side: float = 10.0) -> list[float]:
    return [x, y, x + side, y + side]


def falling(n: int) -> np.ndarray:
    """Scores that keep the order of the detections."""
    return np.linspace(0.9, 0.5, n)


def test_overlap_by_hand(detect) -> None:
    scene = scene_of(
        detect([square(0)]),
        detect([square(0), square(0, 5), square(20, 20)], scores=[1.0, 0.5, 0.25]),
    )
    pairs = all_pairs(scene)
    np.testing.assert_allclose(costs.iou_distance(scene, pairs), [0, 2 / 3, 1])
    np.testing.assert_allclose(costs.scored_iou_distance(scene, pairs), [0, 1 - 1 / 6, 1])


def test_overlap_of_many_is_the_matrix(detect) -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.uniform(0, 60, (n, 2)) for n in (7, 9))
    a, b = (np.concatenate([low, low + rng.uniform(5, 40, low.shape)], axis=1) for low in (a, b))
    scene = scene_of(detect(a, scores=falling(7)), detect(b, scores=falling(9)))
    wanted = 1 - boxes.iou_matrix(a.astype('f4'), b.astype('f4')).ravel()
    np.testing.assert_allclose(costs.iou_distance(scene, all_pairs(scene)), wanted, atol=1e-6)


def test_buffered_overlap_by_hand(detect) -> None:
    # 4 px apart. Grown by half a side on each edge both are 20 wide: 6 of them in common.
    scene = scene_of(detect([square(0)]), detect([square(14)]))
    one = all_pairs(scene)
    assert costs.buffered_iou(scene, one, np.array([0.0])) == 0
    wanted = 6 * 20 / (2 * 400 - 6 * 20)
    np.testing.assert_allclose(costs.buffered_iou(scene, one, np.array([0.5])), [wanted])
    # The detection of a pair is grown as its track is.
    two = Pairs(np.array([0, 0]), np.array([0, 0]))
    found = costs.buffered_iou(scene, two, np.array([0.0, 0.5]))
    np.testing.assert_allclose(found, [0, wanted])


def test_appearance_by_hand(detect) -> None:
    looks = np.array([[1, 0], [0.6, 0.8], [-1, 0], [0, 0]], np.float32)
    scene = scene_of(
        detect([square(0), square(20)], looks=looks[[0, 3]], scores=falling(2)),
        detect([square(0)] * 4, looks=looks, scores=falling(4)),
    )
    found = costs.embedding_distance(scene, all_pairs(scene)).reshape(2, 4)
    np.testing.assert_allclose(found[0], [0, 0.4, 2, np.inf], atol=1e-6)
    np.testing.assert_array_equal(found[1], np.inf)  # the track was seen, but not what it is like


def test_other_spaces_are_never_compared(detect) -> None:
    scene = scene_of(
        detect([square(0)], looks=[1], space='teacher'), detect([square(0)], looks=[1])
    )
    np.testing.assert_array_equal(costs.embedding_distance(scene, all_pairs(scene)), [np.inf])


@pytest.mark.parametrize('model', MODELS)
def test_mahalanobis_agrees_with_scipy(model, detect) -> None:
    rng = np.random.default_rng(1)
    low = rng.uniform(0, 500, (6, 2))
    seen = np.concatenate([low, low + rng.uniform(20, 90, (6, 2))], axis=1)
    tracked = detect(seen + rng.normal(0, 4, (6, 4)), scores=falling(6))
    scene = scene_of(tracked, detect(seen, scores=falling(6)), model=model)
    moved = life.moved(scene.tracks, dt_periods=1.7, camera_motion=None)
    scene = Scene(moved, scene.seen, stamp_ns=STAMP_NS)
    pairs = all_pairs(scene)
    found = costs.squared_mahalanobis(scene, pairs)
    of, motion = moved.model, moved.motion
    measured = of.measure(scene.seen.boxes_xyxy_px)
    R = of.measured_variance(motion.position)
    for k, (i, j) in enumerate(zip(pairs.tracks, pairs.detections, strict=True)):
        S = motion.covariance[i][:4, :4] + np.diag(R[i])
        wanted = mahalanobis(measured[j], motion.position[i], np.linalg.inv(S)) ** 2
        np.testing.assert_allclose(found[k], wanted, rtol=1e-9)


@pytest.mark.parametrize('model', MODELS)
def test_the_gate_leaves_out_no_pair_that_passes_and_few_that_do_not(model, detect) -> None:
    """Against all pairs, of detections ever further along x, y and both."""
    box = np.array([100.0, 100, 140, 180])
    steps = np.linspace(0, 60, 121)
    shifts = np.concatenate([np.outer(steps, way) for way in ([1, 0], [0, -1], [-0.6, 0.8])])
    scene = scene_of(
        detect([box]),
        detect(box + np.tile(shifts, 2), scores=falling(len(shifts))),
        model=model,
    )
    everything, found = all_pairs(scene), costs.within_gate(scene)
    passing = costs.squared_mahalanobis(scene, everything) <= CHI2_95_4DOF
    assert set(everything.detections[passing]) <= set(found.detections)
    assert 3 < passing.sum() < len(found) < 1.3 * passing.sum() + 3


def test_fusion_mixes_and_rules_out_beyond_the_gate() -> None:
    fuse = partial(costs.fused_with_motion, np.full(3, 0.2))
    distance = np.array([0.0, CHI2_95_4DOF, CHI2_95_4DOF + 1e-6])
    fused = fuse(distance, motion_weight=0.02)
    np.testing.assert_allclose(fused[:2], [0.98 * 0.2, 0.98 * 0.2 + 0.02 * CHI2_95_4DOF])
    assert fused[2] == np.inf
    # Without weight it still gates, and infinity times nothing does not warn.
    fused = fuse(np.array([1.0, 2.0, np.inf]), motion_weight=0.0)
    np.testing.assert_array_equal(fused, [0.2, 0.2, np.inf])


def headed(scene: Scene, heading: list[float], recent: np.ndarray | None = None) -> Scene:
    """The same scene whose tracks move in this direction."""
    n = len(scene.tracks)
    tracks = replace(scene.tracks, headings=np.tile(heading, (n, 1)))
    if recent is not None:
        tracks = replace(tracks, recent_xyxy_px=recent)
    return Scene(tracks, scene.seen, stamp_ns=STAMP_NS)


def test_headings_by_hand(detect) -> None:
    around = [square(30), square(30, 30), square(0, 30), square(-30), square(-30, -30)]
    scene = scene_of(detect([square(0)]), detect(around, scores=falling(5)))
    gain = costs.heading_gain(headed(scene, [1.0, 0.0]), all_pairs(scene))
    # Straight ahead, half right, abeam, behind, half behind: (90 - angle) / 180 degrees.
    np.testing.assert_allclose(gain, [0.5, 0.25, 0, -0.5, -0.25], atol=1e-3)
    unknown = costs.heading_gain(scene, all_pairs(scene))
    np.testing.assert_array_equal(unknown, np.zeros(5))


def test_a_detection_in_the_same_place_says_nothing_of_the_direction(detect) -> None:
    scene = headed(scene_of(detect([square(0)]), detect([square(0)])), [1.0, 0.0])
    gain = costs.heading_gain(scene, all_pairs(scene))
    np.testing.assert_allclose(gain, [0], atol=1e-6)


def test_the_direction_begins_where_the_track_was_frames_ago(detect) -> None:
    """The track was at (0, -30) two frames ago and moves right: the detection is at 45 degrees."""
    scene = scene_of(detect([square(0)]), detect([square(30)]))
    recent = np.full((1, 3, 4), np.nan)
    recent[0, 1] = square(0, -30)
    recent[0, 0] = square(0, -10)
    gain = costs.heading_gain(headed(scene, [1.0, 0.0], recent), all_pairs(scene))
    np.testing.assert_allclose(gain, [0.25], atol=1e-4)


def test_the_earlier_box_is_the_oldest_that_is_known() -> None:
    nan = [np.nan] * 4
    recent = np.array(
        [
            [square(1), square(2), square(3)],
            [square(1), square(2), nan],
            [square(1), nan, nan],
            [nan, nan, nan],
            [nan, square(2), nan],
        ]
    )
    observed = np.array([square(9)] * 5)
    found = costs.earlier_boxes(recent, observed)
    assert found[:, 0].tolist() == [3, 2, 1, 9, 2]
    assert costs.earlier_boxes(recent[:, :0], observed) is observed


def test_shapes_by_hand(detect) -> None:
    scene = scene_of(
        detect([[0, 0, 20, 40]]),
        detect(
            [[500, 0, 520, 40], [0, 0, 10, 40], [0, 0, 40, 80], [0, 0, 40, 20]],
            scores=falling(4),
        ),
    )
    found = costs.shape_distance(scene, all_pairs(scene))
    # The same wherever it is; half as wide; twice as large; lying instead of standing.
    np.testing.assert_allclose(found, [0, 0.5, 0.75, 0.75])


def test_a_track_without_size_has_the_greatest_distance_of_shape(detect) -> None:
    scene = scene_of(detect([square(0)]), detect([square(0)]))
    motion = KalmanState(scene.tracks.motion.moments.copy())
    motion.position[:] = [5.0, 5.0, -3.0, 0.0]
    flat = Scene(replace(scene.tracks, motion=motion), scene.seen, stamp_ns=STAMP_NS)
    np.testing.assert_allclose(costs.shape_distance(flat, all_pairs(flat)), [1], atol=1e-6)


def test_no_pairs_have_no_costs(detect) -> None:
    scene = scene_of(detect([square(0)], looks=[0]), detect([square(0)], looks=[0]))
    none = Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64))
    for cost in (
        costs.iou_distance,
        costs.scored_iou_distance,
        costs.embedding_distance,
        costs.squared_mahalanobis,
        costs.heading_gain,
        costs.shape_distance,
    ):
        assert cost(scene, none).shape == (0,)
