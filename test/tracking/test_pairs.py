"""Near pairs against every pair, and box maths on pairs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from mot_compress_ros import boxes
from mot_compress_ros.tracking.pairs import (
    near_pairs,
    paired_iou,
    Pairs,
    sides_and_centres,
)


def by_force(
    centres: np.ndarray, reach: np.ndarray, seen: np.ndarray, seen_reach: np.ndarray
) -> list[tuple[int, int]]:
    near = np.abs(centres[:, None] - seen[None]) <= reach[:, None] + seen_reach[None]
    return [(int(i), int(j)) for i, j in np.argwhere(near.all(axis=2))]


def assert_near(
    centres: np.ndarray, reach: np.ndarray, seen: np.ndarray, seen_reach: np.ndarray
) -> int:
    """Asserts that the pairs are those of brute force; returns how many there are."""
    found = near_pairs(centres, reach, seen, seen_reach)
    assert (np.diff(found.tracks) >= 0).all()
    listed = list(zip(found.tracks.tolist(), found.detections.tolist(), strict=True))
    assert sorted(listed) == by_force(centres, reach, seen, seen_reach)
    return len(listed)


@given(
    seed=st.integers(0, 10**9),
    n=st.sampled_from([1, 2, 7, 60]),
    m=st.sampled_from([1, 2, 31, 32, 33, 70, 300]),
    size=st.sampled_from([0.0, 20.0, 400.0]),
    whole=st.booleans(),
    huge=st.sampled_from(['none', 'track', 'detection']),
)
def test_near_pairs_are_those_of_brute_force(seed, n, m, size, whole, huge) -> None:
    rng = np.random.default_rng(seed)
    centres, seen = rng.uniform(-100, 1500, (n, 2)), rng.uniform(0, [1920, 1080], (m, 2))
    reach, seen_reach = rng.uniform(0, size, (n, 2)), rng.uniform(0, size, (m, 2))
    if whole:  # on a grid, many differences are exactly the two reaches together
        centres, seen, reach, seen_reach = (
            10 * np.round(values / 10) for values in (centres, seen, reach, seen_reach)
        )
    if huge == 'track':
        reach[0] = 1e5
    if huge == 'detection':
        seen_reach[-1] = 1e5
    assert_near(centres, reach, seen, seen_reach)


def test_points_on_the_borders_of_strips_are_found() -> None:
    m = 64 * 4  # strips of equal height; every eighth point lies on a border
    seen = np.stack([np.arange(m) % 7 * 10.0, np.linspace(0, 800, m)], axis=1)
    seen[::8, 1] = np.linspace(0, 800, m // 8)
    centres, reach = seen[::3], np.full((len(seen[::3]), 2), [5.0, 100.0])
    assert assert_near(centres, reach, seen, np.zeros((m, 2))) > m
    # The point itself, without any reach.
    assert_near(seen, np.zeros((m, 2)), seen, np.zeros((m, 2)))


def test_identical_places_are_all_found() -> None:
    seen = np.full((100, 2), 50.0)
    assert assert_near(seen[:3], np.zeros((3, 2)), seen, np.zeros((100, 2))) == 300
    seen[:, 1] = np.arange(100)  # one x, many rows
    assert assert_near(seen[:5], np.ones((5, 2)), seen, np.zeros((100, 2))) == 2 + 4 * 3
    seen = seen[:, ::-1].copy()  # one y
    assert assert_near(seen[:5], np.ones((5, 2)), seen, np.zeros((100, 2))) == 2 + 4 * 3


def test_far_places_and_lone_points_are_legal() -> None:
    one, zero = np.array([[5.0, 5.0]]), np.zeros((1, 2))
    assert assert_near(one, zero, one, zero) == 1
    assert assert_near(one + 1, zero, one, zero) == 0
    assert assert_near(one + 1, zero + 0.5, one, zero + 0.5) == 1
    for away in ([1e7, 0], [0, 1e7], [-1e7, 0], [0, -1e7]):
        assert assert_near(one + away, zero + 3, one, zero + 3) == 0
        assert assert_near(one + away, zero + 1e8, one, zero) == 1


def test_two_thousand_of_each() -> None:
    rng = np.random.default_rng(0)
    centres, seen = rng.uniform(0, [1920, 1080], (2, 2000, 2))
    reach, seen_reach = rng.uniform(0, 20, (2, 2000, 2))
    assert assert_near(centres, reach, seen, seen_reach) > 1000


@pytest.mark.parametrize(('n', 'm'), [(0, 0), (0, 3), (3, 0)])
def test_nothing_is_near_nothing(n, m) -> None:
    found = near_pairs(np.zeros((n, 2)), np.ones((n, 2)), np.zeros((m, 2)), np.ones((m, 2)))
    assert len(found) == 0
    assert found.tracks.dtype == found.detections.dtype == np.int64


def test_with_half_the_sides_as_reach_the_boxes_touch() -> None:
    rng = np.random.default_rng(1)
    a = random_boxes(rng, 80)
    b = random_boxes(rng, 90)
    sides, centres = sides_and_centres(a)
    seen_sides, seen_centres = sides_and_centres(b)
    found = near_pairs(centres, sides / 2, seen_centres, seen_sides / 2)
    near = np.zeros((80, 90), bool)
    near[found.tracks, found.detections] = True
    overlap = boxes.iou_matrix(a, b) > 0
    assert overlap.sum() > 50
    assert near[overlap].all()
    assert (near == overlap).mean() > 0.999  # those that only touch have no area in common


def test_pairs_are_chosen_by_a_mask() -> None:
    some = Pairs(np.array([0, 0, 2]), np.array([1, 2, 0]))[np.array([True, False, True])]
    assert (some.tracks.tolist(), some.detections.tolist()) == ([0, 2], [1, 0])
    assert len(some) == 2


def random_boxes(rng: np.random.Generator, n: int) -> np.ndarray:
    low = rng.uniform(0, 300, (n, 2))
    return np.concatenate([low, low + rng.uniform(1, 80, (n, 2))], axis=1)


def test_iou_of_pairs_is_the_diagonal_of_the_matrix() -> None:
    rng = np.random.default_rng(2)
    a, b = random_boxes(rng, 60), random_boxes(rng, 60)
    a[10] = b[10]  # the same
    a[11], b[11] = [0, 0, 10, 10], [10, 0, 20, 10]  # an edge in common
    a[12], b[12] = [5, 5, 5, 5], [0, 0, 10, 10]  # without area
    a[13] = b[13] = [5, 5, 5, 9]
    found = paired_iou(a, b)
    np.testing.assert_allclose(found, np.diag(boxes.iou_matrix(a, b)), rtol=1e-12)
    np.testing.assert_array_equal(found[10:14], [1, 0, 0, 0])
    assert paired_iou(a[:0], b[:0]).shape == (0,)


def test_sides_and_centres_of_known_boxes() -> None:
    sides, centres = sides_and_centres(np.array([[10.0, 20, 30, 60], [-4, 0, 4, 1]]))
    np.testing.assert_array_equal(sides, [[20, 40], [8, 1]])
    np.testing.assert_array_equal(centres, [[20, 40], [0, 0.5]])
