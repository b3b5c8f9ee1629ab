"""What the parts of the association look at: the tracks moved to a frame, and what it shows."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from mot_compress_ros.tracking.gallery import Remembered
from mot_compress_ros.tracking.kalman import Float64Array, REFERENCE_PERIOD_NS
from mot_compress_ros.tracking.pairs import (
    BoolArray,
    near_pairs,
    paired_iou,
    Pairs,
    sides_and_centres,
)
from mot_compress_ros.tracking.seen import Seen
from mot_compress_ros.tracking.store import CONFIRMED, LOST, TENTATIVE, TrackStore

T = TypeVar('T')


class Scene:
    """N tracks and M detections at one stamp; whatever is derived from them is computed once.

    Args:
        tracks: moved to the frame, by the camera's motion and by their own.
        seen: what the frame shows.
        stamp_ns: of the frame.
    """

    def __init__(self, tracks: TrackStore, seen: Seen, *, stamp_ns: int) -> None:
        self.tracks = tracks
        self.seen = seen
        self.stamp_ns = stamp_ns
        self.boxes = tracks.boxes_xyxy_px  # (N, 4), predicted
        self.confirmed = tracks.is_in(CONFIRMED)
        self.lost = tracks.is_in(LOST)
        self.tentative = tracks.is_in(TENTATIVE)
        self._once: dict[Callable[[Scene], Any], Any] = {}

    def once(self, derive: Callable[[Scene], T]) -> T:
        """What `derive` makes of this scene, made at the first call."""
        if derive not in self._once:
            self._once[derive] = derive(self)
        found: T = self._once[derive]
        return found

    @cached_property
    def unseen_periods(self) -> Float64Array:
        """(N,) time since the latest detection in reference periods."""
        return np.asarray((self.stamp_ns - self.tracks.updated_ns) / REFERENCE_PERIOD_NS)

    @cached_property
    def extent(self) -> tuple[Float64Array, Float64Array]:
        """Sides (N, 2) and centres (N, 2) of the predicted boxes."""
        return sides_and_centres(self.boxes)

    @cached_property
    def seen_extent(self) -> tuple[Float64Array, Float64Array]:
        """Sides (M, 2) and centres (M, 2) of the detected boxes."""
        return sides_and_centres(self.seen.boxes_xyxy_px)

    @cached_property
    def touching(self) -> Pairs:
        """Pairs of one class whose boxes touch, the predicted and the detected."""
        return self.near(self.boxes)

    @cached_property
    def touching_iou(self) -> Float64Array:
        """(K,) overlap of `touching`."""
        return self.iou(self.touching)

    @cached_property
    def remembered(self) -> Remembered:
        """Embeddings of the tracks in the space of the detections."""
        return self.tracks.gallery.space(self.seen.space, dim=self.seen.embeddings.shape[1])

    def near(self, boxes_xyxy_px: Float64Array, growth: Float64Array | None = None) -> Pairs:
        """Pairs of one class whose boxes touch, when both are grown by `growth` of their sides.

        Args:
            boxes_xyxy_px: (N, 4) where the tracks are looked for.
            growth: (N,) share added on each edge, for the detection of a pair that of its track.
        """
        predicted = boxes_xyxy_px is self.boxes
        sides, centres = self.extent if predicted else sides_and_centres(boxes_xyxy_px)
        seen_sides, seen_centres = self.seen_extent
        stretch = None if growth is None else 1 + 2 * growth
        pairs = near_pairs(centres, sides / 2, seen_centres, seen_sides / 2, stretch)
        return self.of_one_class(pairs)

    def within(self, centres: Float64Array, reach: Float64Array) -> Pairs:
        """Pairs of one class whose centres are within `reach` (N, 2) of `centres` (N, 2)."""
        _, seen_centres = self.seen_extent
        return self.of_one_class(
            near_pairs(centres, reach, seen_centres, np.zeros_like(seen_centres))
        )

    def of_one_class(self, pairs: Pairs) -> Pairs:
        """Those `pairs` whose track and detection have the same class."""
        return pairs[self.tracks.class_ids[pairs.tracks] == self.seen.class_ids[pairs.detections]]

    def iou(self, pairs: Pairs) -> Float64Array:
        """Overlap (K,) of the predicted and the detected boxes."""
        return paired_iou(*self.paired_boxes(pairs))

    def paired_boxes(self, pairs: Pairs) -> tuple[Float64Array, Float64Array]:
        """(K, 4) predicted and (K, 4) detected boxes."""
        detected = self.seen.boxes_xyxy_px.take(pairs.detections, axis=0)
        return self.boxes.take(pairs.tracks, axis=0), detected

    def everything_seen(self) -> BoolArray:
        """Mask (M,) of all detections."""
        return np.ones(len(self.seen), bool)
