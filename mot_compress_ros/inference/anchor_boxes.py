"""Boxes of a network with anchors: raw maps to boxes, and which of them stay (YOLOv5, CSTrack)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.boxes import area

NMS_OVERLAP = 0.6  # CSTrack's
_MOST_CANDIDATES = 2000  # of one image, the best; what is worse is never among the kept
_BOX_VALUES = 5
_EPS = 1e-9
Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False, kw_only=True)
class Candidates:
    """N boxes of one image, x1, y1, x2, y2 in pixels of the network's input."""

    boxes_xyxy_px: NDArray[np.float64]
    scores: Floats
    class_ids: NDArray[np.int64]


def candidates_of(
    maps: Mapping[int, Floats],
    anchors_px: Mapping[int, tuple[tuple[int, int], ...]],
    *,
    min_score: float,
) -> Candidates:
    """Every anchor of every cell whose score is at least `min_score`, the best first.

    Args:
        maps: by stride, (A (5 + n_class), h, w) raw values of one image.
        anchors_px: by stride, width and height of A anchors.
        min_score: of objectness, times that of the best class where there are several.

    Source: YOLOv5: centre = (2 s(x) - 0.5 + cell) stride, side = (2 s(w))^2 anchor.
    """
    found = [_of_stride(maps[s], anchors_px[s], s, min_score) for s in maps]
    boxes, scores, class_ids = (np.concatenate(parts) for parts in zip(*found, strict=True))
    best = np.argsort(-scores, kind='stable')[:_MOST_CANDIDATES]
    return Candidates(boxes_xyxy_px=boxes[best], scores=scores[best], class_ids=class_ids[best])


def scores_of(values: Floats) -> Floats:
    """(A, n_class, h, w) in 0..1, from raw values (A, 5 + n_class, h, w)."""
    objectness, classes = values[:, 4:_BOX_VALUES], values[:, _BOX_VALUES:]
    if classes.shape[1] == 1:  # its only class is not learned: it is the object
        return _sigmoid(objectness)
    return _sigmoid(objectness) * _sigmoid(classes)


def _of_stride(
    raw: Floats, anchors_px: tuple[tuple[int, int], ...], stride: int, min_score: float
) -> tuple[NDArray[np.float64], Floats, NDArray[np.int64]]:
    count = len(anchors_px)
    values = raw.reshape(count, -1, *raw.shape[1:])  # (A, 5 + n_class, h, w)
    scores = scores_of(values)
    class_ids = scores.argmax(axis=1)  # (A, h, w)
    best = scores.max(axis=1)
    anchor, ys, xs = np.nonzero(best >= min_score)
    sides = np.asarray(anchors_px, np.float64)[anchor]
    boxes = _boxes(values[anchor, :4, ys, xs], np.stack([xs, ys], axis=1), sides, stride)
    return boxes, best[anchor, ys, xs], class_ids[anchor, ys, xs]


def best_boxes_at(
    maps: Mapping[int, Floats],
    anchors_px: Mapping[int, tuple[tuple[int, int], ...]],
    points_xy_px: NDArray[np.floating],
) -> NDArray[np.float64]:
    """(K, 4) boxes as `Candidates` has them: the best scored of all anchors at each of K points.

    Args:
        maps: as `candidates_of` takes them.
        anchors_px: the same.
        points_xy_px: (K, 2), inside the image.
    """
    boxes, scores = [], []
    for stride, raw in maps.items():
        values = raw.reshape(len(anchors_px[stride]), -1, *raw.shape[1:])
        cells = (points_xy_px // stride).astype(np.int64)  # (K, 2)
        xs, ys = cells.T
        best = scores_of(values).max(axis=1)[:, ys, xs]  # (A, K)
        for anchor, sides in enumerate(anchors_px[stride]):
            boxes.append(_boxes(values[anchor, :4, ys, xs], cells, np.array([sides]), stride))
            scores.append(best[anchor])
    chosen = np.stack(scores).argmax(axis=0)  # (K,)
    return np.asarray(np.stack(boxes)[chosen, np.arange(len(chosen))])


def _boxes(
    raw: Floats, cells_xy: NDArray[np.int64], sides: NDArray[np.float64], stride: int
) -> NDArray[np.float64]:
    """(N, 4) from raw values (N, 4) at cells (N, 2) of anchors with sides (N, 2) or (1, 2)."""
    share = _sigmoid(raw.astype(np.float64))
    centre = (2 * share[:, :2] - 0.5 + cells_xy) * stride
    half = np.square(2 * share[:, 2:]) * sides / 2
    return np.concatenate([centre - half, centre + half], axis=1)


def _sigmoid(values: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.asarray(1 / (1 + np.exp(-np.clip(values, -80, 80))))


def kept(found: Candidates, *, most: int) -> NDArray[np.int64]:
    """Rows that stay, the best first: none that overlaps a better one of its class too much.

    The overlap is IoU less the distance of the centres by the diagonal of the hull (DIoU), above
    `NMS_OVERLAP`. Source: Zheng et al. 2020, as CSTrack's cluster NMS, whose result is that of
    taking one after the other.

    Args:
        found: the best first.
        most: so many stay at most.
    """
    left = np.arange(len(found.scores))
    chosen: list[np.int64] = []
    boxes = found.boxes_xyxy_px
    areas = area(boxes)
    while len(left) and len(chosen) < most:
        best, left = left[0], left[1:]
        chosen.append(best)
        covered = _diou(boxes[best], boxes[left], areas[best], areas[left]) > NMS_OVERLAP
        left = left[~(covered & (found.class_ids[left] == found.class_ids[best]))]
    return np.array(chosen, np.int64)


def _diou(
    one: NDArray[np.float64],
    others: NDArray[np.float64],
    area_of_one: np.float64,
    areas: NDArray[np.float64],
) -> NDArray[np.float64]:
    low, high = np.maximum(one[:2], others[:, :2]), np.minimum(one[2:], others[:, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=1)
    iou = shared / (area_of_one + areas - shared + _EPS)
    hull = np.maximum(one[2:], others[:, 2:]) - np.minimum(one[:2], others[:, :2])
    between = (one[:2] + one[2:] - others[:, :2] - others[:, 2:]) / 2
    distance = np.square(between).sum(axis=1) / (np.square(hull).sum(axis=1) + _EPS)
    return np.asarray(iou - distance)
