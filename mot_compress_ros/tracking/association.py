"""Costs between N tracks and M detections as (N, M) arrays, and the assignment over them.

A cost of infinity means that the pair may never match. All functions are pure.
"""

from __future__ import annotations

from dataclasses import dataclass

import lap
import numpy as np
from numpy.typing import NDArray

from mot_compress_ros import boxes
from mot_compress_ros.tracking.kalman import CHI2_95_4DOF

CostMatrix = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Matches:
    """K pairs: row `tracks[k]` of the tracks goes with row `detections[k]` of the detections."""

    tracks: Rows
    detections: Rows

    def __len__(self) -> int:
        return len(self.tracks)


def embedding_cost(
    track_embeddings: NDArray[np.float32], detection_embeddings: NDArray[np.float32]
) -> CostMatrix:
    """Cosine distance of unit vectors (N, D) and (M, D), in 0..2."""
    similarity = track_embeddings @ detection_embeddings.T  # (N, M)
    return np.clip(1 - similarity.astype(np.float64), 0, 2)


def fuse_motion(
    cost: CostMatrix, squared_mahalanobis: CostMatrix, *, motion_weight: float
) -> CostMatrix:
    """Weighted sum of an appearance and a motion cost; what motion rules out is infinite.

    Source: FairMOT's `fuse_motion` after Wojke et al. 2017, equation 5, with weight 0.02.
    """
    fused = (1 - motion_weight) * cost
    fused += motion_weight * np.minimum(squared_mahalanobis, CHI2_95_4DOF)  # no 0 * inf
    fused[squared_mahalanobis > CHI2_95_4DOF] = np.inf
    return fused


def iou_cost(
    track_boxes_xyxy: NDArray[np.floating], detection_boxes_xyxy: NDArray[np.floating]
) -> CostMatrix:
    """IoU distance 1 - IoU of (N, 4) and (M, 4) boxes, in 0..1."""
    return 1 - boxes.iou_matrix(track_boxes_xyxy, detection_boxes_xyxy)


def within_class(
    cost: CostMatrix, track_classes: NDArray[np.int64], detection_classes: NDArray[np.int64]
) -> CostMatrix:
    """`cost`, infinite where the classes (N,) and (M,) differ."""
    return np.where(track_classes[:, None] == detection_classes[None, :], cost, np.inf)


def assign(cost: CostMatrix, *, limit: float) -> Matches:
    """The assignment of least total cost in which no pair costs more than `limit`.

    Leaving a track and a detection alone costs `limit`, as in `lap.lapjv(cost_limit=limit)`. So a
    pair above the limit can never pay, and two that have nobody but each other belong together.
    The rest is left to lap, which is not made for infinity and whose time grows with the square.
    """
    possible = cost <= limit  # (N, M); false for NaN too
    choices_of_row, choices_of_column = possible.sum(axis=1), possible.sum(axis=0)
    only = possible & (choices_of_row == 1)[:, None] & (choices_of_column == 1)
    sure_rows, sure_columns = np.nonzero(only)
    choices_of_row[sure_rows] = choices_of_column[sure_columns] = 0
    rows, columns = np.flatnonzero(choices_of_row), np.flatnonzero(choices_of_column)
    if not len(rows):
        return Matches(sure_rows, sure_columns)
    block = np.ix_(rows, columns)
    solved = _solve(np.where(possible[block], cost[block], limit + 1.0), limit=limit)
    return Matches(
        np.concatenate([sure_rows, rows[solved.tracks]]),
        np.concatenate([sure_columns, columns[solved.detections]]),
    )


def _solve(cost: CostMatrix, *, limit: float) -> Matches:
    """Solve a finite matrix of at least one row and one column with lap."""
    _, column_of_row, _ = lap.lapjv(cost, extend_cost=True, cost_limit=limit)
    rows = np.flatnonzero(column_of_row >= 0)
    columns = column_of_row[rows].astype(np.int64)
    legal = cost[rows, columns] <= limit
    return Matches(rows[legal], columns[legal])
