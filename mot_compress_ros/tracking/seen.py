"""The detections of one frame as the tracker uses them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.datatypes import Detections
from mot_compress_ros.tracking.gallery import unit_length
from mot_compress_ros.tracking.kalman import Float64Array
from mot_compress_ros.tracking.pairs import BoolArray, Indices, near_pairs, sides_and_centres
from mot_compress_ros.tracking.rows import row_numbers

_MIN_SIDE_PX = 1.0  # below a pixel a box has no aspect
_MAX_COORDINATE_PX = 1e6  # no image is that large; keeps every square finite


@dataclass(frozen=True, eq=False, kw_only=True)
class Seen:
    """M detections, best first.

    Attributes:
        boxes_xyxy_px: (M, 4) float64.
        scores: (M,) float32.
        class_ids: (M,) int64.
        embeddings: (M, D) float32 of unit length where `comparable`.
        comparable: (M,) whether the embedding has a length.
        space: of the embeddings.
    """

    boxes_xyxy_px: Float64Array
    scores: NDArray[np.float32]
    class_ids: Indices
    embeddings: NDArray[np.float32]
    comparable: BoolArray
    space: str

    def __len__(self) -> int:
        return len(self.boxes_xyxy_px)

    @cached_property
    def covered(self) -> Float64Array:
        """(M,) the largest share of a box that one nearer box covers.

        Nearer is what reaches further down in the image: its object stands closer on the road.
        """
        corners, (sides, centres) = self.boxes_xyxy_px, sides_and_centres(self.boxes_xyxy_px)
        pairs = near_pairs(centres, sides / 2, centres, sides / 2)
        pairs = pairs[corners[pairs.tracks, 3] < corners[pairs.detections, 3]]
        a, b = corners[pairs.tracks], corners[pairs.detections]
        shared = np.maximum(np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]), 0)
        share = np.zeros(len(self))
        np.maximum.at(share, pairs.tracks, (shared / sides[pairs.tracks]).prod(axis=1))
        return share

    def __getitem__(self, rows: BoolArray | Indices) -> Seen:
        """Rows chosen by a mask or an index array."""
        numbers = row_numbers(rows)
        return Seen(
            boxes_xyxy_px=self.boxes_xyxy_px.take(numbers, axis=0),
            scores=self.scores.take(numbers),
            class_ids=self.class_ids.take(numbers),
            embeddings=self.embeddings.take(numbers, axis=0),
            comparable=self.comparable.take(numbers),
            space=self.space,
        )


def look_at(
    detections: Detections, *, min_score: float, with_looks: bool = True
) -> tuple[Seen, int]:
    """The detections of at least `min_score`, and how many of those have a box that is none.

    `with_looks` off leaves their embeddings out.

    A box without a side of a pixel, or beyond any image, is left out. The order follows from what
    the detections are, not from how they came, so that ids and ties do too.
    """
    corners = detections.boxes_xyxy_px.astype(np.float64)  # their differences may not fit 32 bits
    sides = corners[:, 2:] - corners[:, :2]  # (M, 2)
    is_box = (sides >= _MIN_SIDE_PX).all(axis=1)
    is_box &= (np.abs(corners) <= _MAX_COORDINATE_PX).all(axis=1)
    scored = detections.scores >= min_score
    rows = _best_first(row_numbers(scored & is_box), detections, corners)
    looks = detections.embeddings if with_looks else detections.embeddings[:, :0]
    embeddings, comparable = looks.take(rows, axis=0), np.zeros(len(rows), bool)
    if looks.shape[1]:
        embeddings, comparable = unit_length(embeddings)
    seen = Seen(
        boxes_xyxy_px=corners.take(rows, axis=0),
        scores=detections.scores[rows],
        class_ids=detections.class_ids[rows],
        embeddings=embeddings,
        comparable=comparable,
        space=detections.embedding_space,
    )
    return seen, int(np.count_nonzero(scored & ~is_box))


def _best_first(rows: Indices, detections: Detections, corners: Float64Array) -> Indices:
    """`rows` by falling score; ties by class and box."""
    scores = -detections.scores[rows]
    order = np.argsort(scores, kind='stable')
    ordered = scores[order]
    if (ordered[1:] == ordered[:-1]).any():
        order = np.lexsort((*corners[rows].T, detections.class_ids[rows], scores))
    return rows[order]
