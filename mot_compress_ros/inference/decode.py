"""Heat map to detections: peaks, then the other heads read at the peaks (FairMOT)."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.datatypes import Detections
from mot_compress_ros.inference.backends import FindsBoxes, FoundBoxes, NetworkOutput
from mot_compress_ros.options import option
from mot_compress_ros.preprocess import LetterboxTransform, STRIDE


@dataclass(frozen=True, kw_only=True)
class DecodeConfig:
    """Which peaks of the heat map become detections."""

    min_score: float = option(
        0.2, 'smallest heat-map value of a detection', minimum=0.0, maximum=1.0, read_only=False
    )
    max_detections: int = option(
        500, 'most detections per image, the best are kept (FairMOT: 500)', minimum=1, maximum=5000
    )


def find_peaks(
    heatmap: NDArray[np.float32], config: DecodeConfig
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Local maxima of a heat map (n_class, h, w): scores, class ids, ys, xs, each (K,).

    The best come first.

    A peak is a cell that no neighbour in its 3 x 3 window exceeds (FairMOT's max-pool NMS). NaN
    cells are never peaks. Ties are ordered by class and cell, so the result is deterministic.
    """
    window = np.ones((3, 3), np.uint8)
    found = []
    for class_map in heatmap:  # a dilation is a 3 x 3 maximum, borders included
        local_maximum = cv2.dilate(class_map, window, borderValue=-1)
        found.append((class_map >= local_maximum) & (class_map >= config.min_score))
    class_ids, ys, xs = np.nonzero(np.stack(found))
    scores = heatmap[class_ids, ys, xs]
    best = np.argsort(-scores, kind='stable')[: config.max_detections]
    return scores[best], class_ids[best], ys[best], xs[best]


def decode(
    output: NetworkOutput,
    image_index: int,
    *,
    transform: LetterboxTransform,
    config: DecodeConfig,
    embedding_space: str,
) -> Detections:
    """Detections of one image of a batch, in source pixels.

    They are those that the network finds itself, or are read at the peaks of its heat map. Rows
    that are not finite or have no area are dropped.
    """
    if isinstance(output, FindsBoxes):
        found = output.found(image_index, min_score=config.min_score, most=config.max_detections)
    else:
        found = _at_peaks(output, image_index, config)
    boxes = transform.undo(found.boxes_xyxy_px)  # (K, 4)
    sound = np.isfinite(boxes).all(axis=1) & np.isfinite(found.embeddings).all(axis=1)
    sound &= (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    return Detections(
        boxes_xyxy_px=boxes[sound].astype(np.float32),
        scores=np.clip(found.scores[sound], 0, 1),
        class_ids=found.class_ids[sound],
        embeddings=found.embeddings[sound],
        embedding_space=embedding_space,
    )


def _at_peaks(output: NetworkOutput, image_index: int, config: DecodeConfig) -> FoundBoxes:
    """Boxes are read at the peaks and refined by the sub-cell offset, embeddings at the cell."""
    scores, class_ids, ys, xs = find_peaks(output.heatmap[image_index], config)
    values = output.gather(image_index, ys, xs)
    centre = np.stack([xs, ys], axis=1) + values.offset  # (K, 2)
    cells = np.concatenate([centre - values.ltrb[:, :2], centre + values.ltrb[:, 2:]], axis=1)
    return FoundBoxes(
        boxes_xyxy_px=cells * STRIDE,
        scores=scores,
        class_ids=class_ids,
        embeddings=values.embeddings,
    )
