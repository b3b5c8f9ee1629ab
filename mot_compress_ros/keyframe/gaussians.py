"""The gaussians of a heat map, as the networks learn them: many objects at once.

An object covers a window of cells around its own, cut off at the borders of the map. All windows
together are kept ragged: one row per (object, map row), one column per (object, map column), and
one stroke per cell of a window, so that objects of all sizes are drawn by the same few array
operations. A gaussian is the product of a value per row and a value per column.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float64Array = NDArray[np.float64]
Int64Array = NDArray[np.int64]

MIN_OVERLAP = 0.7  # CornerNet's; see `gaussian_radii`


def gaussian_radii(sizes: Float64Array) -> Int64Array:
    """CornerNet's radius of the gaussian (N,), whole cells, of objects of `sizes` (N, 2), cells.

    Sizes are rounded up and the radius down. Meant is the distance that a corner may move while
    the box keeps the overlap `MIN_OVERLAP`; the published code computes about three times that,
    and FairMOT's heat maps depend on it (see `offline_training.datasets.targets`).
    """
    whole = np.ceil(sizes)
    total, product, m = whole[:, 0] + whole[:, 1], whole[:, 0] * whole[:, 1], MIN_OVERLAP
    roots = (
        _root(1.0, total, product * (1 - m) / (1 + m)),
        _root(4.0, 2 * total, (1 - m) * product),
        _root(4 * m, -2 * m * total, (m - 1) * product),
    )
    return np.asarray(np.maximum(np.minimum.reduce(roots), 0).astype(np.int64))


def _root(a: float, b: Float64Array, c: Float64Array) -> Float64Array:
    return np.asarray((b + np.sqrt(b * b - 4 * a * c)) / 2)


@dataclass(frozen=True, eq=False, kw_only=True)
class Windows:
    """The cells around N objects: R rows, C columns and T strokes, all in order of the objects.

    Attributes:
        row_owner, row_y: (R,) whose row it is, and which of the map.
        column_owner, column_x: (C,) the same of columns.
        row, column: (T,) row and column of each stroke.
        owner: (T,) whose stroke it is.
        cell: (T,) number of its cell in a map that is read row by row.
    """

    row_owner: Int64Array
    row_y: Int64Array
    column_owner: Int64Array
    column_x: Int64Array
    row: Int64Array
    column: Int64Array
    owner: Int64Array
    cell: Int64Array


def windows(centres: Int64Array, radii: Int64Array, *, shape_hw: tuple[int, int]) -> Windows:
    """The windows of `radii` (N,) around the cells `centres` (N, 2), x before y."""
    low = np.maximum(centres - radii[:, None], 0)  # (N, 2)
    high = np.minimum(centres + radii[:, None] + 1, [shape_hw[1], shape_hw[0]])  # (N, 2)
    n_columns, n_rows = np.maximum(high - low, 0).T  # (N,) each
    column_owner, column_place = _ragged(n_columns)
    row_owner, row_place = _ragged(n_rows)
    row_y, column_x = low[row_owner, 1] + row_place, low[column_owner, 0] + column_place
    # One stroke after the other through a row: its columns are numbered on from the first.
    per_row, first_column = n_columns[row_owner], np.cumsum(n_columns) - n_columns
    row = np.repeat(np.arange(len(row_y)), per_row)
    ahead = first_column[row_owner] - (np.cumsum(per_row) - per_row)
    column = np.arange(len(row)) + np.repeat(ahead, per_row)
    return Windows(
        row_owner=row_owner,
        row_y=row_y,
        column_owner=column_owner,
        column_x=column_x,
        row=row,
        column=column,
        owner=row_owner[row],
        cell=(row_y * shape_hw[1])[row] + column_x[column],
    )


def _ragged(counts: Int64Array) -> tuple[Int64Array, Int64Array]:
    """For groups of `counts` members: the group of each member, and its place there from 0."""
    group = np.repeat(np.arange(len(counts)), counts)
    return group, np.arange(len(group)) - np.repeat(np.cumsum(counts) - counts, counts)


def bells(where: Windows, centres: Int64Array, radii: Int64Array) -> Float64Array:
    """The gaussian of each stroke (T,), 1 at the centres; the radius is three deviations."""
    sigma = (2 * radii + 1) / 6
    wide = 2 * sigma * sigma  # (N,)
    dy = where.row_y - centres[where.row_owner, 1]
    dx = where.column_x - centres[where.column_owner, 0]
    of_row = np.exp(-(dy**2) / wide[where.row_owner])
    of_column = np.exp(-(dx**2) / wide[where.column_owner])
    return np.asarray(of_row[where.row] * of_column[where.column])
