"""Average precision of detections, computed by pycocotools.

COCO's definition: AP is the mean over IoU 0.5, 0.55 .. 0.95 and 101 recall levels, AP50 at 0.5.
Regions to ignore are COCO "crowds": a detection mostly inside one is neither right nor wrong.
Sizes are COCO's too, by the area of the box in the source image: small up to 32 x 32 px, large
from 96 x 96 px. An object of another size is then neither missed nor wrong to find.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import contextlib
from dataclasses import dataclass
import io
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mot_compress_ros.boxes import xyxy_to_xywh
from mot_compress_ros.errors import InvalidDataError

MAX_DETECTIONS = 100  # per image and class, COCO's
SIZES = ('small', 'medium', 'large')
_AREAS_PX2 = ([0, 1e10], [0, 32**2], [32**2, 96**2], [96**2, 1e10])


@dataclass(frozen=True, eq=False, kw_only=True)
class LabelledBoxes:
    """Ground truth of one image: (N, 4) px, class ids (N,), ignore (N,)."""

    boxes_xyxy_px: NDArray[np.float64]
    class_ids: NDArray[np.int64]
    ignore: NDArray[np.bool_]


class Scored(Protocol):
    """What was found in one image, `Detections` or `Tracks`: (N, 4) px, (N,) and (N,)."""

    @property
    def boxes_xyxy_px(self) -> NDArray[np.float32]:
        """Source pixels."""

    @property
    def scores(self) -> NDArray[np.float32]:
        """In 0..1."""

    @property
    def class_ids(self) -> NDArray[np.int64]:
        """Of the product."""


@dataclass(frozen=True, eq=False, kw_only=True)
class FoundBoxesOfImage:
    """A `Scored` without embeddings, so that those of many sequences can be kept."""

    boxes_xyxy_px: NDArray[np.float32]
    scores: NDArray[np.float32]
    class_ids: NDArray[np.int64]


@dataclass(frozen=True, eq=False, kw_only=True)
class DetectionEvidence:
    """Labels and findings of the images of one sequence; it can be pickled.

    Attributes:
        truth: one entry per image.
        found: as many.
        class_ids: classes to score: those that all images label and the model knows.
    """

    truth: Sequence[LabelledBoxes]
    found: Sequence[Scored]
    class_ids: Sequence[int]


def without_embeddings(found: Sequence[Scored]) -> list[Scored]:
    """Boxes, scores and classes alone."""
    return [
        FoundBoxesOfImage(boxes_xyxy_px=f.boxes_xyxy_px, scores=f.scores, class_ids=f.class_ids)
        for f in found
    ]


@dataclass(frozen=True, kw_only=True)
class DetectionScores:
    """Scores of one class, 0..1; `boxes` is how many there were to find.

    AP of a size is None where no object of the class has it.
    """

    ap: float
    ap50: float
    ap_small: float | None
    ap_medium: float | None
    ap_large: float | None
    max_recall: float
    boxes: int


def score_pooled(parts: Sequence[DetectionEvidence]) -> dict[int, DetectionScores]:
    """Scores by class id of all images together: one ranking of all detections, as COCO has it.

    A class is scored on the sequences that label it; it is left out where these have no object.
    """
    scores: dict[int, DetectionScores] = {}
    for class_id in sorted({k for part in parts for k in part.class_ids}):
        labelled = [part for part in parts if class_id in part.class_ids]
        truth = [image for part in labelled for image in part.truth]
        found = [image for part in labelled for image in part.found]
        scores |= score_detections(truth, found, [class_id])
    return scores


def score_detections(
    truth: Sequence[LabelledBoxes], detections: Sequence[Scored], class_ids: Sequence[int]
) -> dict[int, DetectionScores]:
    """Scores by class id, of the classes of `class_ids` that have boxes.

    Raises:
        InvalidDataError: the two are not equally long.
    """
    if len(truth) != len(detections):
        raise InvalidDataError(f'detections of {len(detections)} images for {len(truth)} labelled')
    present = {
        class_id: sum(int((t.class_ids[~t.ignore] == class_id).sum()) for t in truth)
        for class_id in class_ids
    }
    wanted = [class_id for class_id, boxes in present.items() if boxes]
    if not wanted:
        return {}
    precision, recall = _evaluate(truth, detections, wanted)
    return {
        class_id: DetectionScores(
            ap=_mean(precision[:, :, k, 0]) or 0.0,
            ap50=_mean(precision[0, :, k, 0]) or 0.0,
            ap_small=_mean(precision[:, :, k, 1]),
            ap_medium=_mean(precision[:, :, k, 2]),
            ap_large=_mean(precision[:, :, k, 3]),
            max_recall=float(recall[0, k, 0]),
            boxes=present[class_id],
        )
        for k, class_id in enumerate(wanted)
    }


def _mean(values: NDArray[np.floating]) -> float | None:
    """Mean of what is defined; COCO writes -1 where it is not."""
    defined = values[values > -1]
    return float(defined.mean()) if len(defined) else None


@dataclass(frozen=True, eq=False, kw_only=True)
class JudgedDetections:
    """Which of N detections are right: matched to an object of their class, the best first.

    Attributes:
        scores: (N,) float64.
        right: (N,) bool, IoU of at least 0.5 with an object that no better detection took.
        class_ids: (N,) int64.
        objects: how many there were to find, by class id.
    """

    scores: NDArray[np.float64]
    right: NDArray[np.bool_]
    class_ids: NDArray[np.int64]
    objects: Mapping[int, int]


def judge_detections(parts: Sequence[DetectionEvidence]) -> JudgedDetections:
    """Every detection of `parts` by COCO's matching at IoU 0.5; those in regions to ignore not."""
    scores: list[NDArray[np.float64]] = []
    right: list[NDArray[np.bool_]] = []
    class_ids: list[NDArray[np.int64]] = []
    objects: dict[int, int] = {}
    for part in parts:
        if not part.class_ids or not part.truth:
            continue
        judge = _judge(part.truth, part.found, list(part.class_ids))
        with contextlib.redirect_stdout(io.StringIO()):
            judge.evaluate()
        for entry in judge.evalImgs:
            # None: neither objects nor detections. What is judged by size is the same once more.
            if entry is None or entry['aRng'] != list(_AREAS_PX2[0]):
                continue
            counted = ~np.asarray(entry['dtIgnore'][0], np.bool_)
            class_id = int(entry['category_id']) - 1
            scores.append(np.asarray(entry['dtScores'], np.float64)[counted])
            right.append(np.asarray(entry['dtMatches'][0])[counted] > 0)
            class_ids.append(np.full(int(counted.sum()), class_id, np.int64))
            n = int((~np.asarray(entry['gtIgnore'], np.bool_)).sum())
            objects[class_id] = objects.get(class_id, 0) + n
    return JudgedDetections(
        scores=np.concatenate([np.zeros(0), *scores]),
        right=np.concatenate([np.zeros(0, np.bool_), *right]),
        class_ids=np.concatenate([np.zeros(0, np.int64), *class_ids]),
        objects=objects,
    )


def _evaluate(
    truth: Sequence[LabelledBoxes], detections: Sequence[Scored], class_ids: list[int]
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Precision (10 thresholds, 101 recalls, K classes, 4 sizes) and final recall (10, K, 4).

    The first size is all sizes together.
    """
    judge = _judge(truth, detections, class_ids)
    with contextlib.redirect_stdout(io.StringIO()):
        judge.evaluate()
        judge.accumulate()
    return judge.eval['precision'][..., 0], judge.eval['recall'][..., 0]


def _judge(
    truth: Sequence[LabelledBoxes], detections: Sequence[Scored], class_ids: list[int]
) -> COCOeval:
    """COCO's judge of these images and classes, not yet asked."""
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools talks on standard output
        labelled = COCO()
        labelled.dataset = _dataset(truth, class_ids)
        labelled.createIndex()
        results = _results(detections, class_ids)
        found = COCO()
        found.dataset = {**labelled.dataset, 'annotations': results}
        found.createIndex()
        judge = COCOeval(labelled, found, 'bbox')
        judge.params.catIds = [class_id + 1 for class_id in class_ids]
        judge.params.maxDets = [MAX_DETECTIONS]
        judge.params.areaRng = [list(limits) for limits in _AREAS_PX2]
        judge.params.areaRngLbl = ['all', *SIZES]
    return judge


def _dataset(truth: Sequence[LabelledBoxes], class_ids: list[int]) -> dict[str, Any]:
    rows: list[dict[str, Any]] = []
    for image_id, labelled in enumerate(truth, start=1):
        boxes = xyxy_to_xywh(labelled.boxes_xyxy_px)
        for box, class_id, ignore in zip(boxes, labelled.class_ids, labelled.ignore, strict=True):
            rows.append(_row(len(rows) + 1, image_id, int(class_id), box, crowd=bool(ignore)))
    return {
        'images': [{'id': image_id} for image_id in range(1, len(truth) + 1)],
        'categories': [{'id': class_id + 1} for class_id in class_ids],
        'annotations': rows,
    }


def _results(detections: Sequence[Scored], class_ids: list[int]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for image_id, found in enumerate(detections, start=1):
        boxes = xyxy_to_xywh(found.boxes_xyxy_px)
        for box, class_id, score in zip(boxes, found.class_ids, found.scores, strict=True):
            if int(class_id) in class_ids:
                row = _row(len(rows) + 1, image_id, int(class_id), box, crowd=False)
                rows.append({**row, 'score': float(score)})
    return rows


def _row(
    number: int, image_id: int, class_id: int, box_xywh: NDArray[np.float64], *, crowd: bool
) -> dict[str, Any]:
    return {
        'id': number,
        'image_id': image_id,
        'category_id': class_id + 1,  # COCO counts from 1
        'bbox': [float(v) for v in box_xywh],
        'area': float(box_xywh[2] * box_xywh[3]),
        'iscrowd': int(crowd),
    }
