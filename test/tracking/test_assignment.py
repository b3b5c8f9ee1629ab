"""The assignment against scipy's solver on the problem written out in full."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from mot_compress_ros.tracking.assignment import _certain, assign, Matches
from mot_compress_ros.tracking.pairs import Pairs


def listed(cost: np.ndarray) -> Pairs:
    """All pairs whose cost is not infinite, as a list."""
    tracks, detections = np.nonzero(~np.isposinf(cost))
    return Pairs(tracks, detections)


def solve(cost: np.ndarray, *, limit: float) -> Matches:
    pairs = listed(cost)
    return assign(pairs, cost[pairs.tracks, pairs.detections], limit=limit)


def as_set(matches: Matches) -> list[tuple[int, int]]:
    return sorted(zip(matches.tracks.tolist(), matches.detections.tolist(), strict=True))


def least_total(cost: np.ndarray, *, limit: float) -> float:
    """Least total where every row and column left alone costs half the limit."""
    n, m = cost.shape
    square = np.full((n + m, n + m), limit / 2)
    square[n:, m:] = 0
    with np.errstate(invalid='ignore'):
        square[:n, :m] = np.where(cost <= limit, cost, 1e3)
    return float(square[linear_sum_assignment(square)].sum())


def total_of(matches: Matches, cost: np.ndarray, *, limit: float) -> float:
    alone = sum(cost.shape) - 2 * len(matches)
    return float(cost[matches.tracks, matches.detections].sum() + alone * limit / 2)


def assert_optimal(cost: np.ndarray, *, limit: float) -> Matches:
    found = solve(cost, limit=limit)
    assert len(set(found.tracks)) == len(set(found.detections)) == len(found)
    assert (cost[found.tracks, found.detections] <= limit).all()
    total = total_of(found, cost, limit=limit)
    assert total == pytest.approx(least_total(cost, limit=limit), abs=1e-9)
    return found


def random_cost(rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """A small problem: smooth, or of few values with ties and pairs exactly at the limit."""
    n, m = rng.integers(1, 9, 2)
    limit = float(rng.choice([0.25, 0.5, 0.75, 1.0]))
    if rng.random() < 0.5:
        cost = rng.uniform(0, 1.2, (n, m))
    else:
        cost = rng.choice([0.0, 0.125, 0.25, 0.5, 0.75, 1.0], (n, m))
    cost[rng.random((n, m)) < rng.choice([0, 0.3, 0.8])] = np.inf
    cost[rng.random((n, m)) < 0.05] = np.nan
    cost[rng.random((n, m)) < 0.05] = limit
    return cost, limit


def test_thousands_of_small_problems_are_solved_at_the_least_total() -> None:
    rng = np.random.default_rng(0)
    for _ in range(4000):
        cost, limit = random_cost(rng)
        assert_optimal(cost, limit=limit)


@given(
    seed=st.integers(0, 10**9),
    n=st.integers(1, 60),
    m=st.integers(1, 60),
    share=st.sampled_from([0.02, 0.1, 0.5]),
    limit=st.sampled_from([0.4, 0.8]),
)
@settings(max_examples=40)
def test_large_problems_too(seed, n, m, share, limit) -> None:
    rng = np.random.default_rng(seed)
    cost = np.where(rng.random((n, m)) < share, rng.uniform(0, 1, (n, m)), np.inf)
    assert_optimal(cost, limit=limit)


def test_a_chain_of_every_pair_depending_on_the_next_is_solved() -> None:
    """Each pair is certain only when the one before is settled: more links than passes."""
    n = 12
    cost = np.full((n, n), np.inf)
    for i in range(n):
        cost[i, i] = 0.10 + 0.01 * i
        if i + 1 < n:
            cost[i, i + 1] = 0.10 + 0.01 * i + 0.005
    found = assert_optimal(cost, limit=0.9)
    assert as_set(found) == [(i, i) for i in range(n)]


def test_costs_below_zero_are_legal() -> None:
    rng = np.random.default_rng(1)
    for _ in range(300):
        assert_optimal(rng.uniform(-1.2, 0.3, rng.integers(1, 7, 2)), limit=0.0)


def certain(cost: np.ndarray, *, limit: float) -> list[tuple[int, int]]:
    pairs = listed(np.where(cost <= limit, cost, np.inf))
    if not len(pairs):
        return []
    mask = _certain(
        pairs.tracks, pairs.detections, cost[pairs.tracks, pairs.detections], limit=limit
    )
    chosen = pairs[mask]
    return list(zip(chosen.tracks.tolist(), chosen.detections.tolist(), strict=True))


def test_a_certain_pair_belongs_to_an_optimal_assignment() -> None:
    """Forced into the solution, all certain pairs together still cost the least total."""
    rng, settled = np.random.default_rng(2), 0
    for _ in range(1500):
        cost, limit = random_cost(rng)
        cost = np.where(np.isnan(cost), np.inf, cost)
        forced = certain(cost, limit=limit)
        settled += len(forced)
        rows, columns = [i for i, _ in forced], [j for _, j in forced]
        assert len(set(rows)) == len(set(columns)) == len(forced)
        rest = np.delete(np.delete(cost, rows, axis=0), columns, axis=1)
        total = sum(cost[i, j] for i, j in forced) + least_total(rest, limit=limit)
        assert total == pytest.approx(least_total(cost, limit=limit), abs=1e-9)
    assert settled > 1500


def test_a_tie_is_nobodys() -> None:
    assert certain(np.array([[0.1, 0.1], [0.3, 0.3]]), limit=0.4) == []
    assert certain(np.array([[0.1], [0.1]]), limit=0.4) == []
    assert certain(np.array([[0.1, 0.4]]), limit=0.4) == [(0, 0)]


def test_leaving_a_pair_alone_costs_the_limit() -> None:
    # Both matched: 0.78. One matched and one pair left alone: 0.1 + 0.4.
    cost = np.array([[0.10, 0.39], [0.39, np.inf]])
    assert as_set(solve(cost, limit=0.4)) == [(0, 0)]


def test_the_least_total_goes_before_the_nearest() -> None:
    cost = np.array([[0.10, 0.11], [0.12, 0.39]])
    assert as_set(solve(cost, limit=0.4)) == [(0, 1), (1, 0)]


def test_a_pair_at_the_limit_may_match_and_one_above_may_not() -> None:
    assert least_total(np.array([[0.4]]), limit=0.4) == pytest.approx(0.4)
    assert as_set(solve(np.array([[np.nextafter(0.4, 1)]]), limit=0.4)) == []
    for cost in (0.4, np.nextafter(0.4, 0)):
        found = solve(np.array([[cost]]), limit=0.4)
        assert as_set(found) in ([], [(0, 0)])
        total = total_of(found, np.array([[cost]]), limit=0.4)
        assert total == pytest.approx(0.4)
    assert as_set(solve(np.array([[0.39]]), limit=0.4)) == [(0, 0)]


def test_infinity_and_nan_never_match() -> None:
    cost = np.array([[np.inf, 0.1, np.nan], [np.inf, np.inf, np.inf], [np.nan, 0.2, 0.3]])
    pairs = Pairs(*(grid.ravel() for grid in np.indices(cost.shape)))
    found = assign(pairs, cost.ravel(), limit=0.4)
    assert as_set(found) == [(0, 1), (2, 2)]
    everywhere = assign(pairs, np.full(9, np.nan), limit=0.4)
    assert as_set(everywhere) == []


def test_nothing_is_assigned_to_nothing() -> None:
    none = np.zeros(0, np.int64)
    found = assign(Pairs(none, none), np.zeros(0), limit=0.5)
    assert len(found) == 0
    assert found.tracks.dtype == np.int64


def test_the_order_of_the_pairs_does_not_matter() -> None:
    rng = np.random.default_rng(3)
    cost = rng.uniform(0, 1, (20, 20))
    pairs = listed(cost)
    values = cost[pairs.tracks, pairs.detections]
    mixed = rng.permutation(len(pairs))
    shuffled = Pairs(pairs.tracks[mixed], pairs.detections[mixed])
    found = assign(shuffled, values[mixed], limit=0.7)
    assert as_set(found) == as_set(assign(pairs, values, limit=0.7))
