"""Pairs of a track and a detection that lie near each other, as a list and not as a matrix.

On a street most of the N tracks are far from most of the M detections. Costs are computed for the
near pairs alone, so that a frame costs about as much as there are objects, not their square.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.tracking.kalman import Float64Array

Indices = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

# Few points are searched fastest in one strip; many strips cost a search each.
_POINTS_PER_STRIP = 32
_MAX_STRIPS = 32
_DENSE = 65536  # up to so many of all pairs it is faster to look at each


@dataclass(frozen=True, eq=False)
class Pairs:
    """K pairs: row `tracks[k]` of the tracks with row `detections[k]`; `tracks` ascends."""

    tracks: Indices
    detections: Indices

    def __len__(self) -> int:
        return len(self.tracks)

    def __getitem__(self, chosen: BoolArray) -> Pairs:
        """Those that a mask (K,) chooses."""
        numbers = chosen.nonzero()[0]
        return Pairs(self.tracks.take(numbers), self.detections.take(numbers))


def near_pairs(
    centres: Float64Array,
    reach: Float64Array,
    seen_centres: Float64Array,
    seen_reach: Float64Array,
    stretch: Float64Array | None = None,
) -> Pairs:
    """Pairs whose centres are no further apart than both reaches together, along x and along y.

    With half the sides as reach these are the boxes that touch. The detections are put into
    horizontal strips and sorted along x in each; a track looks at a section of some strips.

    Args:
        centres: (N, 2) of the tracks.
        reach: (N, 2).
        seen_centres: (M, 2) of the detections.
        seen_reach: (M, 2).
        stretch: (N,) what both reaches are multiplied by; None: 1.
    """
    if not len(centres) or not len(seen_centres):
        none = np.zeros(0, np.int64)
        return Pairs(none, none)
    x, y = np.ascontiguousarray(centres.T)  # (N,) each
    seen_x, seen_y = np.ascontiguousarray(seen_centres.T)  # (M,)
    reach_x, reach_y = np.ascontiguousarray(reach.T)
    seen_reach_x, seen_reach_y = np.ascontiguousarray(seen_reach.T)
    factor = np.ones(len(x)) if stretch is None else stretch
    if len(x) * len(seen_x) <= _DENSE:
        apart = np.abs(x[:, None] - seen_x)
        near = apart <= factor[:, None] * (reach_x[:, None] + seen_reach_x)
        pairs = Pairs(*np.divmod(np.flatnonzero(near), len(seen_x)))
    else:
        far_x = factor * (reach_x + seen_reach_x.max())
        far_y = factor * (reach_y + seen_reach_y.max())
        pairs = Pairs(*_Strips(seen_x, seen_y).sections(x, y, far_x, far_y))
        pairs = pairs[_along(pairs, x, reach_x, seen_x, seen_reach_x, factor)]
    return pairs[_along(pairs, y, reach_y, seen_y, seen_reach_y, factor)]


def _along(
    pairs: Pairs,
    place: Float64Array,
    reach: Float64Array,
    seen_place: Float64Array,
    seen_reach: Float64Array,
    factor: Float64Array,
) -> BoolArray:
    """Mask (K,) of the pairs that are near along one axis, of tracks (N,) and detections (M,)."""
    tracks, detections = pairs.tracks, pairs.detections
    apart = np.abs(place.take(tracks) - seen_place.take(detections))
    near = apart <= factor.take(tracks) * (reach.take(tracks) + seen_reach.take(detections))
    return np.asarray(near)


class _Strips:
    """Points (M,) in horizontal strips, sorted by x in each: one sorted array of keys."""

    def __init__(self, x: Float64Array, y: Float64Array) -> None:
        self._n = max(1, min(_MAX_STRIPS, len(x) // _POINTS_PER_STRIP))
        self._left, self._top = x.min(), y.min()
        self._width = x.max() - self._left
        self._height = max((y.max() - self._top) / self._n, 1.0)
        self._length = self._width + 1.0  # from one strip to the next along the keys
        keys = self._strip(y) * self._length + (x - self._left)
        self._order = np.argsort(keys, kind='stable')
        self._keys = keys[self._order]

    def sections(
        self, x: Float64Array, y: Float64Array, reach_x: Float64Array, reach_y: Float64Array
    ) -> tuple[Indices, Indices]:
        """Index of a place (N,) and of a point, for all points that may lie in its reach."""
        first_strip, last_strip = self._strip(y - reach_y), self._strip(y + reach_y)
        place, step = _ranges(last_strip - first_strip + 1)
        begin = (first_strip[place] + step) * self._length
        low = np.clip(x - reach_x - self._left, 0.0, None)[place]
        high = np.clip(x + reach_x - self._left, None, self._width)[place]
        first = np.searchsorted(self._keys, begin + low, side='left')
        after = np.searchsorted(self._keys, begin + high, side='right')
        section, offset = _ranges(np.maximum(after - first, 0))
        return place[section], self._order[first[section] + offset]

    def _strip(self, y: Float64Array) -> Indices:
        strip = np.clip((y - self._top) / self._height, 0, self._n - 1)
        return np.asarray(strip.astype(np.int64))


def _ranges(count: Indices) -> tuple[Indices, Indices]:
    """For counts (2, 0, 3): who is counted (0, 0, 2, 2, 2) and how far (0, 1, 0, 1, 2)."""
    who = np.repeat(np.arange(len(count)), count)
    begin = np.cumsum(count) - count
    return who, np.arange(len(who)) - begin[who]


def sides_and_centres(boxes_xyxy_px: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Sides (N, 2) and centres (N, 2) of corner boxes (N, 4)."""
    low, high = boxes_xyxy_px[:, :2], boxes_xyxy_px[:, 2:]
    return high - low, (low + high) / 2


def paired_iou(a_xyxy: Float64Array, b_xyxy: Float64Array) -> Float64Array:
    """Intersection over union (K,) of box k of one array (K, 4) with box k of the other."""
    overlap = np.minimum(a_xyxy[:, 2:], b_xyxy[:, 2:]) - np.maximum(a_xyxy[:, :2], b_xyxy[:, :2])
    overlap = np.maximum(overlap, 0)
    shared = overlap[:, 0] * overlap[:, 1]
    a, b = a_xyxy[:, 2:] - a_xyxy[:, :2], b_xyxy[:, 2:] - b_xyxy[:, :2]
    union = a[:, 0] * a[:, 1] + b[:, 0] * b[:, 1] - shared
    return np.asarray(shared / np.where(union > 0, union, 1.0))
