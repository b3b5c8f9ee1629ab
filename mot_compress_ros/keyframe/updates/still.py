"""The heat map as it was: AttTrack without update, a baseline of the paper (section 5)."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.keyframe.gaussians import bells, windows
from mot_compress_ros.keyframe.updates.painting import (
    Canvas,
    Carried,
    paintable,
    painted,
    Painting,
    placed,
    uncertainties,
)
from mot_compress_ros.preprocess import LetterboxTransform, STRIDE


def still(carried: Carried, canvas: Canvas) -> Painting:
    """The whole heat map, resampled to the cells of the canvas; nothing has moved.

    A cell is as uncertain as the object whose gaussian was strongest there at the keyframe is by
    now; where none reached, the heat belongs to no object and says nothing of its place.
    """
    rows = paintable(carried.start, canvas)
    start = carried.start[rows]
    at = placed(start, canvas.transform)
    strokes = windows(at.centres, at.radii, shape_hw=canvas.shape_hw)
    values = np.clip(start.scores, 0, 1)[strokes.owner] * bells(strokes, at.centres, at.radii)
    owned = painted(
        strokes,
        values.astype(np.float32),
        class_ids=np.zeros(len(start), np.int64),  # whose heat it is does not matter here
        uncertain=uncertainties(carried.objects[rows], canvas.transform),
        canvas=replace(canvas, n_class=1),
    )
    return Painting(
        heat=_resampled(carried.heatmap, carried.transform, canvas), uncertainty=owned.uncertainty
    )


def _resampled(
    heatmap: NDArray[np.float32], transform: LetterboxTransform, canvas: Canvas
) -> NDArray[np.float32]:
    """The heat map (n_class, h, w) in the cells of the canvas, bilinear; 0 where it has none."""
    heat = np.zeros((canvas.n_class, *canvas.shape_hw), np.float32)
    shared = heatmap[: canvas.n_class]
    if transform == canvas.transform and heatmap.shape[1:] == canvas.shape_hw:
        heat[: len(shared)] = shared
        return heat
    ends = np.array([[0.5, 0.5, 1.5, 1.5]]) * STRIDE  # middles of the first and the second cell
    seen = transform.apply(canvas.transform.undo(ends))[0] / STRIDE - 0.5
    step, first = seen[2:] - seen[:2], seen[:2]
    matrix = np.array([[step[0], 0, first[0]], [0, step[1], first[1]]])
    h, w = canvas.shape_hw
    for plane, of_class in zip(heat, shared, strict=False):
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        plane[:] = cv2.warpAffine(of_class, matrix, (w, h), flags=flags)
    return heat
