"""COCO boxes to our classes.

| COCO | ours |
|---|---|
| person | pedestrian |
| person on a bicycle or motorcycle | cyclist: one box around both (`datasets.rider_merging`) |
| car, bus, truck | vehicle |
| bicycle, motorcycle without a rider | a region to ignore |
| everything else | dropped |
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.boxes import clip_to_image
from offline_training.datasets.classes import CYCLIST, PEDESTRIAN, VEHICLE
from offline_training.datasets.rider_merging import ANY_PERSON, pair_riders, union_box
from offline_training.pseudo_labels.coco_detector import CocoBoxes, suppress

UNATTENDED = 3  # a two-wheeler nobody rides: not a class, only a region to ignore
_COCO_PERSON, _COCO_TWO_WHEELERS, _COCO_VEHICLES = (0,), (1, 3), (2, 5, 7)
MIN_RIDER_SCORE = 0.3  # both halves of a cyclist: a weak bicycle in front of a person is noise


@dataclass(frozen=True, eq=False, kw_only=True)
class RoadBoxes:
    """Boxes of one image: (N, 4) px, scores (N,), class ids (N,) with `UNATTENDED` among them."""

    xyxy_px: NDArray[np.float64]
    scores: NDArray[np.float64]
    class_ids: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.scores)


def to_road_boxes(found: CocoBoxes, *, size_wh: tuple[int, int], max_iou: float) -> RoadBoxes:
    """Map classes, suppress doubles within a class of ours, merge riders, cut to the image."""
    groups = np.full(len(found), -1, np.int64)
    for group, coco in enumerate((_COCO_PERSON, _COCO_TWO_WHEELERS, _COCO_VEHICLES)):
        groups[np.isin(found.coco_ids, coco)] = group
    wanted = groups >= 0
    found, groups = found.keep(wanted), groups[wanted]
    xyxy = clip_to_image(found.xyxy_px, width=size_wh[0], height=size_wh[1])
    kept = suppress(xyxy, scores=found.scores, groups=groups, max_iou=max_iou)
    xyxy, scores, groups = xyxy[kept], found.scores[kept], groups[kept]
    class_ids = np.array([PEDESTRIAN, UNATTENDED, VEHICLE], np.int64)[groups]
    return _with_riders(xyxy, scores=scores, class_ids=class_ids)


def _with_riders(
    xyxy: NDArray[np.float64], *, scores: NDArray[np.float64], class_ids: NDArray[np.int64]
) -> RoadBoxes:
    sure = scores >= MIN_RIDER_SCORE
    people = np.flatnonzero((class_ids == PEDESTRIAN) & sure)
    wheels = np.flatnonzero((class_ids == UNATTENDED) & sure)
    xyxy, class_ids = xyxy.copy(), class_ids.copy()
    keep = np.ones(len(xyxy), np.bool_)
    for i, j in pair_riders(xyxy[people], xyxy[wheels], ANY_PERSON):
        person, wheel = people[i], wheels[j]
        xyxy[person] = union_box(xyxy[person], xyxy[wheel])
        class_ids[person] = CYCLIST
        keep[wheel] = False
    return RoadBoxes(xyxy_px=xyxy[keep], scores=scores[keep], class_ids=class_ids[keep])
