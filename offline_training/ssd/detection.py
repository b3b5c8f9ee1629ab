"""From the output of a detector to boxes: classes one by one, the best of those that overlap."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from offline_training.ssd.anchors import boxes_of, iou
from offline_training.ssd.average_precision import (
    average_precisions,
    ScoredBoxes,
    TrueBoxes,
)
from offline_training.ssd.images import BoxedImage
from offline_training.ssd.networks import SsdNet, SsdOutput

_MIN_SCORE = 0.01
_SUPPRESSED_IOU = 0.45
_MOST_BEFORE, _MOST = 200, 200  # SSD, section 2.2 (inference), per class and per image
_AT_ONCE = 16
_MIDDLE = 127.5


def normalised(images: Tensor) -> Tensor:
    """(B, 3, S, S) levels 0..255 to float -1..1."""
    return images.float() / _MIDDLE - 1


def mean_average_precision(network: SsdNet, images: Sequence[BoxedImage]) -> dict[str, float]:
    """MAP of both definitions, 0..1, over the classes with an object in the images."""
    network.eval()
    found: list[ScoredBoxes] = []
    with torch.no_grad():
        for start in range(0, len(images), _AT_ONCE):
            levels = np.stack([one.image for one in images[start : start + _AT_ONCE]])
            found += detections(network, network(normalised(torch.from_numpy(levels))))
    truth = [
        TrueBoxes(boxes=one.boxes.astype(np.float64), classes=one.classes, ignored=one.ignored)
        for one in images
    ]
    by_class = average_precisions(truth, found, classes=network.classes).values()
    return {
        'map': float(np.mean([one.eleven_points for one in by_class])),
        'map_area': float(np.mean([one.area for one in by_class])),
    }


def detections(network: SsdNet, output: SsdOutput) -> list[ScoredBoxes]:
    """What was found in each image."""
    scores = output.logits.softmax(dim=-1)[..., 1:]
    boxes = boxes_of(output.offsets, network.anchors).clamp(0, 1)
    return [_of_image(b, s) for b, s in zip(boxes, scores, strict=True)]


def _of_image(boxes: Tensor, scores: Tensor) -> ScoredBoxes:
    kept_boxes, kept_scores, kept_classes = [], [], []
    for class_id, of in enumerate(scores.unbind(dim=1)):
        rows = torch.nonzero(of >= _MIN_SCORE).flatten()
        rows = rows[of[rows].argsort(descending=True, stable=True)][:_MOST_BEFORE]
        rows = rows[suppressed(boxes[rows])]
        kept_boxes.append(boxes[rows])
        kept_scores.append(of[rows])
        kept_classes.append(torch.full((len(rows),), class_id))
    score = torch.cat(kept_scores)
    best = score.argsort(descending=True, stable=True)[:_MOST]
    return ScoredBoxes(
        boxes=torch.cat(kept_boxes)[best].double().numpy(),
        scores=score[best].double().numpy(),
        classes=torch.cat(kept_classes)[best].numpy(),
    )


def suppressed(boxes: Tensor) -> Tensor:
    """Indices of boxes (N, 4), by falling score, that no kept one before them overlaps."""
    overlaps = iou(boxes, boxes) > _SUPPRESSED_IOU
    kept: list[int] = []
    for row in range(len(boxes)):
        if not overlaps[row, kept].any():
            kept.append(row)
    return torch.tensor(kept, dtype=torch.long)
