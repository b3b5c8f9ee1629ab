"""A piece of the teacher's heat map for each object, moved to where it is now (AttTrack, 4.2)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.keyframe.gaussians import Float64Array, Int64Array, Windows, windows
from mot_compress_ros.keyframe.updates.painting import (
    Canvas,
    Carried,
    DECIMALS,
    paintable,
    painted,
    Painting,
    Placed,
    placed,
    uncertainties,
)


def shift(carried: Carried, canvas: Canvas) -> Painting:
    """Pieces as large as the objects' gaussians, cut out around the old cell, put at the new one.

    The cell of the old centre comes to lie on the cell of the new one: places are whole cells.
    Where a cell of the teacher and one of the canvas are not equally large, or the camera has come
    nearer, the piece is stretched as the object is, bilinearly. What belongs to no object is left
    out.
    """
    rows = paintable(carried.objects, canvas)
    rows = rows[carried.start.sound[rows]]
    now = carried.objects[rows]
    new = placed(now, canvas.transform)
    old = placed(carried.start[rows], carried.transform)
    strokes = windows(new.centres, np.maximum(new.radii, 1), shape_hw=canvas.shape_hw)
    values = _pieces(carried.heatmap, now.class_ids, strokes, old=old, new=new)
    return painted(
        strokes,
        values,
        class_ids=now.class_ids,
        uncertain=uncertainties(now, canvas.transform),
        canvas=canvas,
    )


def _pieces(
    heatmap: NDArray[np.float32],
    class_ids: Int64Array,
    strokes: Windows,
    *,
    old: Placed,
    new: Placed,
) -> NDArray[np.float32]:
    """What the old heat map (n_class, h, w) holds for each stroke (T,); 0 beyond its borders."""
    n_class, h, w = heatmap.shape
    ratio = np.round(old.sizes / new.sizes, DECIMALS)  # (N, 2) old cells per new cell
    known = (class_ids < n_class)[strokes.row_owner]  # the old network may have fewer classes
    plane = np.minimum(class_ids, n_class - 1)[strokes.row_owner] * (h * w)
    row_steps = (strokes.row_y - new.centres[strokes.row_owner, 1]) * ratio[strokes.row_owner, 1]
    steps = (strokes.column_x - new.centres[strokes.column_owner, 0]) * ratio[
        strokes.column_owner, 0
    ]
    values = np.zeros(len(strokes.cell))
    for y, weight_y in _neighbours(old.centres[strokes.row_owner, 1], row_steps, size=h):
        of_row, start = weight_y * known, plane + y * w
        for x, weight_x in _neighbours(old.centres[strokes.column_owner, 0], steps, size=w):
            heat = heatmap.reshape(-1)[start[strokes.row] + x[strokes.column]]
            values += of_row[strokes.row] * weight_x[strokes.column] * heat
    return values.astype(np.float32)


def _neighbours(
    origin: Int64Array, steps: Float64Array, *, size: int
) -> Iterator[tuple[Int64Array, Float64Array]]:
    """The cells along an axis on both sides of `origin + steps`, and what each contributes.

    Cells beyond the map contribute nothing; where all steps are whole, so does the second side,
    and it is left out.
    """
    whole = np.floor(steps)
    part = steps - whole
    cell = origin + whole.astype(np.int64)
    sides = [(cell, 1 - part)]
    if part.any():
        sides.append((cell + 1, part))
    for at, weight in sides:
        yield np.clip(at, 0, size - 1), weight * ((at >= 0) & (at < size))
