"""Costs and assignment, against hand-made numbers and scipy's solver."""

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from mot_compress_ros.tracking import association
from mot_compress_ros.tracking.kalman import CHI2_95_4DOF


def pairs(matches: association.Matches) -> list[tuple[int, int]]:
    return sorted(zip(matches.tracks.tolist(), matches.detections.tolist(), strict=True))


def test_embedding_cost_is_the_cosine_distance() -> None:
    a = np.array([[1, 0], [0, 1]], np.float32)
    b = np.array([[1, 0], [0.6, 0.8], [-1, 0]], np.float32)
    np.testing.assert_allclose(
        association.embedding_cost(a, b), [[0, 0.4, 2], [1, 0.2, 1]], atol=1e-6
    )


def test_fuse_motion_mixes_and_rules_out_beyond_the_gate() -> None:
    cost = np.array([[0.2, 0.2, 0.2]])
    distance = np.array([[0.0, CHI2_95_4DOF, CHI2_95_4DOF + 1e-6]])
    fused = association.fuse_motion(cost, distance, motion_weight=0.02)
    np.testing.assert_allclose(fused[0, :2], [0.98 * 0.2, 0.98 * 0.2 + 0.02 * CHI2_95_4DOF])
    assert fused[0, 2] == np.inf


def test_fuse_motion_without_motion_still_gates_and_does_not_warn() -> None:
    fused = association.fuse_motion(
        np.array([[0.2, 0.2]]), np.array([[1.0, np.inf]]), motion_weight=0.0
    )
    np.testing.assert_array_equal(fused, [[0.2, np.inf]])


def test_iou_cost_of_known_boxes() -> None:
    a = np.array([[0, 0, 10, 10]], float)
    b = np.array([[0, 0, 10, 10], [0, 5, 10, 15], [20, 20, 30, 30]], float)
    np.testing.assert_allclose(association.iou_cost(a, b), [[0, 2 / 3, 1]])


def test_within_class_forbids_every_other_pair() -> None:
    cost = association.within_class(np.zeros((2, 3)), np.array([0, 1]), np.array([1, 0, 1]))
    np.testing.assert_array_equal(cost, [[np.inf, 0, np.inf], [0, np.inf, 0]])


@pytest.mark.parametrize('shape', [(0, 0), (0, 3), (3, 0)])
def test_assign_nothing(shape: tuple[int, int]) -> None:
    assert len(association.assign(np.zeros(shape), limit=0.5)) == 0


def test_assign_survives_infinities_and_nan() -> None:
    cost = np.array([[np.inf, 0.1, np.nan], [np.inf, np.inf, np.inf], [np.nan, 0.2, 0.3]])
    assert pairs(association.assign(cost, limit=0.4)) == [(0, 1), (2, 2)]
    assert pairs(association.assign(np.full((4, 2), np.inf), limit=0.4)) == []


def test_assign_prefers_the_least_total_over_the_nearest() -> None:
    cost = np.array([[0.10, 0.11], [0.12, 0.39]])
    assert pairs(association.assign(cost, limit=0.4)) == [(0, 1), (1, 0)]


def test_leaving_a_pair_alone_costs_the_limit() -> None:
    # Both matched: 0.78. One matched and one pair left alone: 0.1 + 0.4.
    cost = np.array([[0.10, 0.39], [0.39, np.inf]])
    assert pairs(association.assign(cost, limit=0.4)) == [(0, 0)]


def extended_by_scipy(cost: np.ndarray, limit: float) -> float:
    """Least total where every unmatched row and column costs half the limit."""
    n, m = cost.shape
    square = np.full((n + m, n + m), limit / 2)
    square[n:, m:] = 0
    square[:n, :m] = np.where(cost <= limit, cost, 1e3)
    return float(square[linear_sum_assignment(square)].sum())


@given(
    seed=st.integers(0, 10**6),
    n=st.integers(1, 12),
    m=st.integers(1, 12),
    limit=st.sampled_from([0.2, 0.4, 0.7, 1.0]),
    ruled_out=st.floats(0, 1),
)
def test_assign_is_optimal_legal_and_one_to_one(
    seed: int, n: int, m: int, limit: float, ruled_out: float
) -> None:
    rng = np.random.default_rng(seed)
    cost = rng.uniform(0, 1.2, (n, m))
    cost[rng.random((n, m)) < ruled_out] = np.inf
    found = association.assign(cost, limit=limit)
    assert len(set(found.tracks)) == len(set(found.detections)) == len(found)
    chosen = cost[found.tracks, found.detections]
    assert (chosen <= limit).all()
    total = chosen.sum() + (n + m - 2 * len(found)) * limit / 2
    assert total == pytest.approx(extended_by_scipy(cost, limit), abs=1e-9)
