"""Mean average precision as PASCAL VOC has it: IoU from 0.5, each object found once.

A detection takes the object of its class that it overlaps most; from 0.5 on it is right if nobody
with a higher score took that object, and wrong if somebody did. Objects to ignore (VOC's
`difficult`) are neither to be found nor wrong to find. VOC2007 averages the precision at 11
recalls (0, 0.1 .. 1), later years take the area under it; both are given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MATCHED_IOU = 0.5


@dataclass(frozen=True, eq=False, kw_only=True)
class ScoredBoxes:
    """Found in one image: boxes (N, 4), scores (N,), classes (N,)."""

    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]
    classes: NDArray[np.int64]


@dataclass(frozen=True, eq=False, kw_only=True)
class TrueBoxes:
    """In one image: boxes (N, 4), classes (N,), ignored (N,)."""

    boxes: NDArray[np.float64]
    classes: NDArray[np.int64]
    ignored: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class AveragePrecision:
    """Of one class, 0..1, by both definitions."""

    eleven_points: float
    area: float


def average_precisions(
    truth: Sequence[TrueBoxes], found: Sequence[ScoredBoxes], *, classes: int
) -> dict[int, AveragePrecision]:
    """By class, of those with an object to find; images in the same order."""
    result = {}
    for class_id in range(classes):
        wanted = sum(int(((t.classes == class_id) & ~t.ignored).sum()) for t in truth)
        if wanted:
            right = _judged(truth, found, class_id)
            result[class_id] = _precision(right, wanted)
    return result


def _judged(
    truth: Sequence[TrueBoxes], found: Sequence[ScoredBoxes], class_id: int
) -> NDArray[np.bool_]:
    """Whether each detection that counts is right, by falling score."""
    rows = [
        (float(score), image, box)
        for image, one in enumerate(found)
        for box, score, of in zip(one.boxes, one.scores, one.classes, strict=True)
        if of == class_id
    ]
    rows.sort(key=lambda row: -row[0])
    taken: set[tuple[int, int]] = set()
    right = []
    for _, image, box in rows:
        objects = np.flatnonzero(truth[image].classes == class_id)
        overlaps = _overlaps(box, truth[image].boxes[objects])
        best = int(overlaps.argmax()) if len(objects) else -1
        if best < 0 or overlaps[best] < MATCHED_IOU:
            right.append(False)
        elif not truth[image].ignored[objects[best]]:
            right.append((image, best) not in taken)
            taken.add((image, best))
    return np.array(right, bool)


def _overlaps(box: NDArray[np.float64], boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    inside = (high - low).clip(min=0).prod(axis=1)
    area = (box[2:] - box[:2]).prod() + (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    overlaps: NDArray[np.float64] = inside / np.maximum(area - inside, 1e-12)
    return overlaps


def _precision(right: NDArray[np.bool_], wanted: int) -> AveragePrecision:
    if not len(right):
        return AveragePrecision(eleven_points=0.0, area=0.0)
    hits = np.cumsum(right)
    recall, precision = hits / wanted, hits / np.arange(1, len(right) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]  # the best at this recall or more
    # A hundredth of a rounding error: 3 of 10 found are a recall of 0.3.
    points = [best[recall >= k / 10 - 1e-9].max(initial=0.0) for k in range(11)]
    steps = np.diff(np.concatenate([[0.0], recall]))
    return AveragePrecision(eleven_points=float(np.mean(points)), area=float((steps * best).sum()))
