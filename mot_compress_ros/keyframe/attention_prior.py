"""What the student is told of a keyframe, and how well it fits to what the student sees."""

from __future__ import annotations

from dataclasses import dataclass

import lap
import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.boxes import iou_matrix
from mot_compress_ros.datatypes import Detections
from mot_compress_ros.errors import InvalidDataError
from mot_compress_ros.inference import AGE_S
from mot_compress_ros.keyframe.attention_objects import PriorObjects
from mot_compress_ros.keyframe.updates import Canvas, UPDATES
from mot_compress_ros.keyframe.updates.painting import in_image
from mot_compress_ros.preprocess import LetterboxTransform

SAME_OBJECT_IOU = 0.3
SURE_SCORE = 0.3  # a detection of this score counts, however sure the teacher was of its objects


@dataclass(frozen=True, eq=False, kw_only=True)
class CarriedPrior:
    """A teacher's heat map carried to a later frame of its camera; an `inference.Prior`.

    Attributes:
        update: how it is painted, a member of `updates.UPDATES`.
        age_s: time from the keyframe to the frame.
        objects: at the frame; NaN where the camera has turned away from an object.
        start: the same objects, in the same order, at the keyframe.
        heatmap: (n_class, h, w) float32 in 0..1, of the keyframe.
        transform: where the keyframe lies in the input of the network that made the heat map.

    Raises:
        InvalidDataError: the update is unknown, or `start` has not one row for each object.
    """

    update: str
    age_s: float
    objects: PriorObjects
    start: PriorObjects
    heatmap: NDArray[np.float32]
    transform: LetterboxTransform

    def __post_init__(self) -> None:
        if self.update not in UPDATES:
            raise InvalidDataError(
                f'CarriedPrior.update: expected one of {", ".join(UPDATES)}, got {self.update!r}'
            )
        if len(self.start) != len(self.objects):
            raise InvalidDataError(
                f'CarriedPrior.start: expected {len(self.objects)} rows as `objects` has, got '
                f'{len(self.start)}'
            )

    def planes(
        self, transform: LetterboxTransform, *, n_class: int, shape_hw: tuple[int, int]
    ) -> NDArray[np.float32]:
        """The planes (n_class + 2, h, w) of `inference.Prior`."""
        canvas = Canvas(transform=transform, n_class=n_class, shape_hw=shape_hw)
        painting = UPDATES[self.update](self, canvas)
        strongest = painting.heat.max(axis=0, initial=0)  # (h, w)
        planes = np.empty((n_class + 2, *shape_hw), np.float32)
        planes[:n_class] = painting.heat
        planes[n_class] = strongest * np.float32(np.clip(self.age_s / AGE_S, 0, 1))
        planes[n_class + 1] = strongest * painting.uncertainty
        return planes


def disagreement(prior: CarriedPrior, detections: Detections) -> float:
    """How little the student's detections and the carried objects fit, 0 (all) to 1 (none).

    1 - 2 * matched / (objects + detections): one less their F1 score. Matched are as many pairs of
    one class at an overlap of `SAME_OBJECT_IOU` as there can be, no object and no detection twice.
    Only objects whose centre is inside the image count, and only detections as sure as the weakest
    of these or as `SURE_SCORE`. 0 where there are neither.
    """
    visible = in_image(prior.objects, prior.transform, shape_hw=_shape_hw(prior.heatmap))
    objects = prior.objects[visible]
    enough = min(float(objects.scores.min(initial=np.inf)), SURE_SCORE)
    seen = detections[detections.scores >= np.float32(enough)]
    total = len(objects) + len(seen)
    if not total:
        return 0.0
    same = iou_matrix(objects.boxes_xyxy_px, seen.boxes_xyxy_px) >= SAME_OBJECT_IOU  # (N, M)
    same &= objects.class_ids[:, None] == seen.class_ids[None, :]
    return 1 - 2 * _most_pairs(same) / total


def _shape_hw(heatmap: NDArray[np.float32]) -> tuple[int, int]:
    return heatmap.shape[1], heatmap.shape[2]


def _most_pairs(legal: NDArray[np.bool_]) -> int:
    """How many of the `legal` pairs (N, M) can be had at once, no row and no column twice."""
    legal = legal[legal.any(axis=1)][:, legal.any(axis=0)]
    if not legal.size:
        return 0
    cost = np.where(legal, 0.0, 2.0)  # above the limit: never
    _, column_of_row, _ = lap.lapjv(cost, extend_cost=True, cost_limit=1.0)
    return int((column_of_row >= 0).sum())
