"""The vehicle's gaussians are those the networks were trained with, to the last bit."""

import numpy as np
import pytest

from mot_compress_ros.keyframe.gaussians import bells, gaussian_radii, windows
from offline_training.datasets.targets import draw_gaussian, gaussian_radius

HW = (30, 50)


def drawn(centres, sizes):
    """All objects in one map, by the code under test."""
    centres = np.array(centres, np.int64).reshape(-1, 2)
    radii = gaussian_radii(np.array(sizes, float).reshape(-1, 2))
    where = windows(centres, radii, shape_hw=HW)
    heat = np.zeros(HW[0] * HW[1], np.float32)
    np.maximum.at(heat, where.cell, bells(where, centres, radii).astype(np.float32))
    return heat.reshape(HW)


def test_radii_are_those_of_training():
    sizes = np.random.default_rng(0).uniform(0.01, 200, (2000, 2))
    whole = np.ceil(sizes)
    expected = [int(gaussian_radius(width, height)) for width, height in whole]
    assert gaussian_radii(sizes).tolist() == expected
    assert gaussian_radii(np.array([[10.0, 10.0], [1.0, 1.0]])).tolist() == [2, 0]


@pytest.mark.parametrize('seed', range(6))
def test_maps_are_those_of_training(seed):
    rng = np.random.default_rng(seed)
    n = 40
    centres = rng.integers((0, 0), (HW[1], HW[0]), (n, 2))
    sizes = rng.uniform(0.3, 60, (n, 2)) * rng.uniform(0.05, 1, (n, 1))
    expected = np.zeros(HW, np.float32)
    for (x, y), (width, height) in zip(centres, sizes, strict=True):
        draw_gaussian(expected, x=int(x), y=int(y), width=width, height=height)
    np.testing.assert_array_equal(drawn(centres, sizes), expected)


def test_a_gaussian_by_hand():
    """10 x 10 cells: a radius of 2, a deviation of 5 / 6."""
    heat = drawn([(20, 10)], [(10, 10)])
    assert heat[10, 20] == 1
    assert heat[10, 22] == pytest.approx(np.exp(-4 / (2 * 25 / 36)))
    assert heat[11, 21] == pytest.approx(np.exp(-2 / (2 * 25 / 36)))
    assert np.count_nonzero(heat) == 25


def test_strokes_name_their_object_row_and_column():
    centres = np.array([(0, 0), (10, 5), (49, 29), (80, 5)])
    where = windows(centres, np.array([1, 0, 2, 1]), shape_hw=HW)
    assert where.owner.tolist() == [0] * 4 + [1] + [2] * 9
    assert where.cell[:5].tolist() == [0, 1, 50, 51, 260]
    np.testing.assert_array_equal(where.row_owner[where.row], where.owner)
    np.testing.assert_array_equal(where.column_owner[where.column], where.owner)
    np.testing.assert_array_equal(
        where.row_y[where.row] * HW[1] + where.column_x[where.column], where.cell
    )


def test_no_objects_no_strokes():
    none = np.zeros((0, 2), np.int64)
    assert len(windows(none, none[:, 0], shape_hw=HW).cell) == 0
    assert not drawn([], []).any()
