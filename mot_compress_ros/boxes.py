"""Pure box maths on (N, 4) arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]


def xyxy_to_xyah(boxes_xyxy: FloatArray) -> NDArray[np.float64]:
    """Corners (N, 4) to centre x, centre y, aspect w / h, height (N, 4). Needs h > 0."""
    boxes = np.asarray(boxes_xyxy, np.float64)
    size = boxes[:, 2:] - boxes[:, :2]  # (N, 2)
    centre = boxes[:, :2] + size / 2  # (N, 2)
    return np.stack([centre[:, 0], centre[:, 1], size[:, 0] / size[:, 1], size[:, 1]], axis=1)


def xyah_to_xyxy(boxes_xyah: FloatArray) -> NDArray[np.float64]:
    """Centre x, centre y, aspect w / h, height (N, 4) to corners (N, 4)."""
    boxes = np.asarray(boxes_xyah, np.float64)
    half = np.stack([boxes[:, 2] * boxes[:, 3], boxes[:, 3]], axis=1) / 2  # (N, 2)
    return np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], axis=1)


def xyxy_to_xywh(boxes_xyxy: FloatArray) -> NDArray[np.float64]:
    """Corners (N, 4) to left, top, width, height (N, 4), as MOTChallenge files want them."""
    boxes = np.asarray(boxes_xyxy, np.float64)
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)


def xywh_to_xyxy(boxes_xywh: FloatArray) -> NDArray[np.float64]:
    """Left, top, width, height (N, 4) to corners (N, 4)."""
    boxes = np.asarray(boxes_xywh, np.float64)
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def area(boxes_xyxy: FloatArray) -> NDArray[np.float64]:
    """Areas (N,) of corner boxes (N, 4)."""
    boxes = np.asarray(boxes_xyxy, np.float64)
    size = boxes[:, 2:] - boxes[:, :2]  # (N, 2)
    return np.asarray(np.prod(size, axis=1), np.float64)


def iou_matrix(a_xyxy: FloatArray, b_xyxy: FloatArray) -> NDArray[np.float64]:
    """Intersection over union of every pair: (N, 4), (M, 4) -> (N, M) in 0..1."""
    a = np.asarray(a_xyxy, np.float64)
    b = np.asarray(b_xyxy, np.float64)
    low = np.maximum(a[:, None, :2], b[None, :, :2])  # (N, M, 2)
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])  # (N, M, 2)
    overlap = np.clip(high - low, 0, None).prod(axis=2)  # (N, M)
    union = area(a)[:, None] + area(b)[None, :] - overlap
    iou = np.zeros_like(overlap)
    np.divide(overlap, union, out=iou, where=union > 0)
    return np.asarray(iou)


def clip_to_image(boxes_xyxy: FloatArray, *, width: int, height: int) -> NDArray[np.float64]:
    """Corner boxes (N, 4) cut to an image of `width` x `height` pixels."""
    boxes = np.asarray(boxes_xyxy, np.float64)
    return np.clip(boxes, 0, np.array([width, height, width, height], np.float64))
