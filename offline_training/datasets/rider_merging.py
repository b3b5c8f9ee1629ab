"""Riders: a person and the two-wheeler under them become one cyclist box.

KITTI's Cyclist is one box around both; BDD100K and COCO box the two apart. We follow KITTI: a
rider and the bicycle or motorcycle they sit on become the union of their boxes. A two-wheeler is
under a person where the two boxes overlap sideways by at least half of the narrower one, share
rows, the head is above the hub, the feet do not reach far below the tyres, and the person is not
so tall that they must stand in front of it. Each person gets the two-wheeler that fits best.

BDD100K's `rider` is known to ride, so there a rider box that ends at the saddle, a little above
the box of the motorcycle, is accepted too (`KNOWN_RIDER`). A person of a COCO detector may as well
walk past a parked bicycle (`ANY_PERSON`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.boxes import FloatArray


@dataclass(frozen=True, kw_only=True)
class RiderRule:
    """How a person must sit on a two-wheeler; fractions of sizes of the boxes."""

    min_sideways: float  # of the narrower box's width
    min_rows: float  # of the two-wheeler's height; below 0 a gap is allowed
    max_below: float  # how far the feet may be below the tyres, of the two-wheeler's height
    max_height_ratio: float  # a person much taller than the two-wheeler stands in front of it


KNOWN_RIDER = RiderRule(min_sideways=0.4, min_rows=-0.25, max_below=0.3, max_height_ratio=5.0)
ANY_PERSON = RiderRule(min_sideways=0.5, min_rows=0.15, max_below=0.1, max_height_ratio=3.0)


def sitting_fit(
    person_xyxy: FloatArray, two_wheeler_xyxy: FloatArray, rule: RiderRule
) -> NDArray[np.float64]:
    """How well each person (P, 4) sits on each two-wheeler (B, 4): (P, B), 0 where not at all."""
    person = np.asarray(person_xyxy, np.float64)[:, None, :]  # (P, 1, 4)
    wheels = np.asarray(two_wheeler_xyxy, np.float64)[None, :, :]  # (1, B, 4)
    low = np.maximum(person[..., :2], wheels[..., :2])  # (P, B, 2)
    high = np.minimum(person[..., 2:], wheels[..., 2:])  # (P, B, 2)
    person_wh = np.maximum(person[..., 2:] - person[..., :2], 1e-6)
    wheels_wh = np.maximum(wheels[..., 2:] - wheels[..., :2], 1e-6)
    narrower = np.minimum(person_wh[..., 0], wheels_wh[..., 0])
    sideways = (high - low)[..., 0] / narrower
    rows = (high - low)[..., 1] / wheels_wh[..., 1]  # below 0: a gap
    above = person[..., 1] < (wheels[..., 1] + wheels[..., 3]) / 2
    seated = person[..., 3] < wheels[..., 3] + rule.max_below * wheels_wh[..., 1]
    ratio = person_wh[..., 1] / wheels_wh[..., 1]
    fits = (
        above
        & seated
        & (sideways >= rule.min_sideways)
        & (rows >= rule.min_rows)
        & (ratio <= rule.max_height_ratio)
    )
    return np.where(fits, sideways * (1 + np.minimum(rows, 1.0)), 0.0)


def pair_riders(
    person_xyxy: FloatArray, two_wheeler_xyxy: FloatArray, rule: RiderRule
) -> list[tuple[int, int]]:
    """Greedy one-to-one pairs (person index, two-wheeler index), best fit first."""
    fit = sitting_fit(person_xyxy, two_wheeler_xyxy, rule)
    pairs: list[tuple[int, int]] = []
    while fit.size and fit.max() > 0:
        i, j = (int(k) for k in np.unravel_index(fit.argmax(), fit.shape))
        pairs.append((i, j))
        fit[i, :] = 0
        fit[:, j] = 0
    return pairs


def union_box(a_xyxy: FloatArray, b_xyxy: FloatArray) -> NDArray[np.float64]:
    """The smallest box around boxes `a` and `b`, each (4,) or (N, 4)."""
    a, b = np.asarray(a_xyxy, np.float64), np.asarray(b_xyxy, np.float64)
    low = np.minimum(a[..., :2], b[..., :2])
    high = np.maximum(a[..., 2:], b[..., 2:])
    return np.concatenate([low, high], axis=-1)
