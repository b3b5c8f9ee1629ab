"""Which track goes with which detection: the assignment of least total cost."""

from __future__ import annotations

from dataclasses import dataclass

import lap
import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.tracking.kalman import Float64Array
from mot_compress_ros.tracking.pairs import BoolArray, Indices, Pairs
from mot_compress_ros.tracking.rows import row_numbers

_MAX_PASSES = 3  # each costs the same and settles fewer pairs than the one before
_FEW = 40  # so many pairs lap settles in the time of one more pass


@dataclass(frozen=True, eq=False)
class Matches:
    """K pairs: row `tracks[k]` of the tracks goes with row `detections[k]` of the detections."""

    tracks: Indices
    detections: Indices

    def __len__(self) -> int:
        return len(self.tracks)


def assign(pairs: Pairs, cost: Float64Array, *, limit: float) -> Matches:
    """The assignment over `pairs` of least total cost in which no pair costs more than `limit`.

    Leaving a track and a detection alone costs `limit`, as in `lap.lapjv(cost_limit=limit)`. Pairs
    that no other choice can beat are settled at once (`_certain`); the rest is left to lap, whose
    time grows with the cube of what it is given.

    Args:
        pairs: the pairs that may match; all others may not.
        cost: (K,) of each pair.
        limit: pairs above it may not match either; NaN may not.
    """
    possible = cost <= limit
    rows, columns, cost = pairs.tracks[possible], pairs.detections[possible], cost[possible]
    settled: list[tuple[Indices, Indices]] = []
    for _ in range(_MAX_PASSES):
        if len(rows) <= _FEW:
            break
        certain = _certain(rows, columns, cost, limit=limit)
        if not certain.any():
            break
        settled.append((rows[certain], columns[certain]))
        keep = ~(_holds(rows, rows[certain]) | _holds(columns, columns[certain]))
        rows, columns, cost = rows[keep], columns[keep], cost[keep]
    if len(rows):
        settled.append(_solve(rows, columns, cost, limit=limit))
    none = np.zeros(0, np.int64)
    return Matches(
        np.concatenate([none, *(row for row, _ in settled)]),
        np.concatenate([none, *(column for _, column in settled)]),
    )


def _holds(values: Indices, chosen: Indices) -> BoolArray:
    """Mask of the `values` that are among `chosen`."""
    mask = np.zeros(int(values.max()) + 1, bool)
    mask[chosen] = True
    return mask[values]


def _certain(rows: Indices, columns: Indices, cost: Float64Array, *, limit: float) -> BoolArray:
    """Mask of pairs that belong to an optimal assignment, whatever the others do.

    Such a pair is the single best one of its row and of its column. An assignment without it could
    at best pair both with their second best, at the sum of the two; giving the pair to each other
    and leaving those two alone costs `cost + limit`. Where that is not more, the pair is certain.
    """
    best_of_row, second_of_row = _two_least(rows, cost)
    best_of_column, second_of_column = _two_least(columns, cost)
    row, column = second_of_row[rows], second_of_column[columns]
    is_best = (cost == best_of_row[rows]) & (cost == best_of_column[columns])
    alone = (row > cost) & (column > cost)  # a tie is no one's
    return np.asarray(is_best & alone & (cost + limit <= row + column))


def _two_least(group: Indices, cost: Float64Array) -> tuple[Float64Array, Float64Array]:
    """The least and the second least cost of each group; infinite where there is none."""
    n = int(group.max()) + 1
    least, second = np.full(n, np.inf), np.full(n, np.inf)
    np.minimum.at(least, group, cost)
    is_least = cost == least[group]
    np.minimum.at(second, group[~is_least], cost[~is_least])
    shared = np.bincount(group[is_least], minlength=n) > 1
    second[shared] = least[shared]
    return least, second


def _numbered(values: Indices) -> tuple[Indices, Indices]:
    """As `np.unique` with its inverse, for small whole numbers: they are counted, not sorted."""
    occurs = np.zeros(int(values.max()) + 1, bool)
    occurs[values] = True
    return row_numbers(occurs), (np.cumsum(occurs) - 1)[values]


def _solve(
    rows: Indices, columns: Indices, cost: Float64Array, *, limit: float
) -> tuple[Indices, Indices]:
    """Solve what is entangled with lap, on the rows and columns that occur."""
    row_ids, row = _numbered(rows)
    column_ids, column = _numbered(columns)
    matrix = np.full((len(row_ids), len(column_ids)), limit + 1.0)  # lap is not made for infinity
    matrix[row, column] = cost
    _, column_of_row, _ = lap.lapjv(matrix, extend_cost=True, cost_limit=limit)
    chosen: NDArray[np.int64] = row_numbers(column_of_row >= 0)
    partner = column_of_row[chosen].astype(np.int64)
    legal = matrix[chosen, partner] <= limit
    return row_ids[chosen[legal]], column_ids[partner[legal]]
