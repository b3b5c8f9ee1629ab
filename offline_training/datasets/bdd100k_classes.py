"""The categories of BDD100K, in all its editions, as classes of the product.

| BDD100K | ours |
|---|---|
| pedestrian | pedestrian |
| car, truck, bus | vehicle |
| rider with the bicycle or motorcycle under them | cyclist, one box around both |
| rider without one (hidden, or not labelled) | ignore, cyclist and pedestrian |
| bicycle, motorcycle without a rider | ignore, cyclist |
| other person | ignore, pedestrian |
| other vehicle, trailer, train | ignore, vehicle |
| a crowd of any of these | ignore, the same classes |
| traffic light, traffic sign, and what is no box | dropped |

The box of a rider alone would stop at the saddle, and what it shows looks like a pedestrian. The
edition of 2018 writes person, bike and motor for pedestrian, bicycle and motorcycle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offline_training.datasets.classes import CYCLIST, PEDESTRIAN, VEHICLE
from offline_training.datasets.records import FrameTruth
from offline_training.datasets.rider_merging import KNOWN_RIDER, pair_riders, union_box
from offline_training.datasets.truth_rows import frame_truth, NOBODY, TruthRow

OBJECTS = {'pedestrian': PEDESTRIAN, 'car': VEHICLE, 'truck': VEHICLE, 'bus': VEHICLE}
RIDER = 'rider'
TWO_WHEELERS = ('bicycle', 'motorcycle')
IGNORED = {
    'other person': PEDESTRIAN,
    'other vehicle': VEHICLE,
    'trailer': VEHICLE,
    'train': VEHICLE,
}
DROPPED = ('traffic light', 'traffic sign')
NAMES_OF_2018 = {'person': 'pedestrian', 'bike': 'bicycle', 'motor': 'motorcycle'}
CATEGORIES = (*OBJECTS, RIDER, *TWO_WHEELERS, *IGNORED, *DROPPED)


@dataclass(frozen=True, eq=False, kw_only=True)
class NamedBox:
    """One labelled box: a name of `CATEGORIES`, x1, y1, x2, y2 in pixels."""

    name: str
    xyxy_px: Sequence[float]
    crowd: bool = False
    identity: int = NOBODY


def product_truth(boxes: Sequence[NamedBox]) -> FrameTruth:
    """One frame in classes of the product: objects, cyclists, then regions to ignore.

    A cyclist has the rider's identity: it is the rider who stays when the two-wheeler is hidden.
    """
    riders = [box for box in boxes if box.name == RIDER and not box.crowd]
    wheels = [box for box in boxes if box.name in TWO_WHEELERS and not box.crowd]
    pairs = pair_riders(_corners(riders), _corners(wheels), KNOWN_RIDER)
    on_wheels, ridden = {i for i, _ in pairs}, {j for _, j in pairs}
    alone = [box for i, box in enumerate(riders) if i not in on_wheels]
    alone += [box for box in boxes if box.name == RIDER and box.crowd]
    unattended = [box for j, box in enumerate(wheels) if j not in ridden]
    unattended += [box for box in boxes if box.name in TWO_WHEELERS and box.crowd]
    return frame_truth(
        [
            *(_row(box, OBJECTS[box.name], box.crowd) for box in boxes if box.name in OBJECTS),
            *(_cyclist(riders[i], wheels[j]) for i, j in pairs),
            *(_row(box, CYCLIST, True) for box in (*alone, *unattended)),
            *(_row(box, PEDESTRIAN, True) for box in alone),
            *(_row(box, IGNORED[box.name], True) for box in boxes if box.name in IGNORED),
        ]
    )


def _row(box: NamedBox, class_id: int, ignore: bool) -> TruthRow:
    return TruthRow(xyxy_px=box.xyxy_px, class_id=class_id, ignore=ignore, identity=box.identity)


def _cyclist(rider: NamedBox, wheels: NamedBox) -> TruthRow:
    box = union_box(np.array(rider.xyxy_px), np.array(wheels.xyxy_px))
    return TruthRow(xyxy_px=box, class_id=CYCLIST, identity=rider.identity)


def _corners(boxes: Sequence[NamedBox]) -> NDArray[np.float64]:
    return np.array([box.xyxy_px for box in boxes], np.float64).reshape(-1, 4)
