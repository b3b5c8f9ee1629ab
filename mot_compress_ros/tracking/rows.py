"""Rows of the columns of tracks and detections.

`array.take(rows, axis=0)` copies whole rows several times as fast as `array[rows]`, which matters
where a frame does it a hundred times.
"""

from __future__ import annotations

from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

Scalar = TypeVar('Scalar', bound=np.generic)
Rows: TypeAlias = NDArray[np.bool_] | NDArray[np.int64]


def row_numbers(rows: Rows) -> NDArray[np.int64]:
    """Indices of rows that a mask or an index array chooses."""
    return rows.nonzero()[0] if rows.dtype == np.bool_ else rows.astype(np.int64, copy=False)


def put_rows(column: NDArray[Scalar], rows: NDArray[np.int64], values: Any) -> NDArray[Scalar]:
    """A copy of `column` with `values` in `rows`."""
    changed = column.copy()
    changed[rows] = values
    return changed
