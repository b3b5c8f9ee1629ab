"""mAP: by hand, against a brute-force oracle, and against pycocotools at IoU 0.5."""

import numpy as np
import pytest

from offline_training.evaluation.detection_scores import (
    FoundBoxesOfImage,
    LabelledBoxes,
    score_detections,
)
from offline_training.ssd.average_precision import (
    average_precisions,
    ScoredBoxes,
    TrueBoxes,
)


def truth(boxes, classes=None, ignored=None):
    n = len(boxes)
    return TrueBoxes(
        boxes=np.array(boxes, float).reshape(-1, 4),
        classes=np.array(classes or [0] * n, np.int64),
        ignored=np.array(ignored or [False] * n, bool),
    )


def found(boxes, scores, classes=None):
    return ScoredBoxes(
        boxes=np.array(boxes, float).reshape(-1, 4),
        scores=np.array(scores, float),
        classes=np.array(classes or [0] * len(boxes), np.int64),
    )


A, B, C = [0, 0, 10, 10], [20, 20, 30, 30], [50, 50, 60, 60]


def test_two_of_two_with_a_false_alarm_between():
    result = average_precisions([truth([A, B])], [found([A, C, B], [0.9, 0.8, 0.7])], classes=1)[0]
    # Precision 1 up to a recall of 0.5, then 2/3.
    assert result.area == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert result.eleven_points == pytest.approx((6 * 1 + 5 * 2 / 3) / 11)


def test_a_second_detection_of_an_object_is_wrong_and_of_an_ignored_one_nothing():
    labelled = [truth([A, B], ignored=[False, True])]
    twice = average_precisions(labelled, [found([A, A], [0.9, 0.8])], classes=1)[0]
    assert twice.area == 1.0  # the recall is 1 before the second comes
    first_wrong = average_precisions(labelled, [found([C, A], [0.9, 0.8])], classes=1)[0]
    assert first_wrong.area == 0.5
    ignored = average_precisions(labelled, [found([B, B, A], [0.9, 0.8, 0.7])], classes=1)[0]
    assert ignored.area == 1.0


def test_a_class_without_objects_has_no_precision_and_one_never_found_has_zero():
    result = average_precisions([truth([A], [1])], [found([A], [0.9], [0])], classes=3)
    assert set(result) == {1} and result[1].area == result[1].eleven_points == 0.0


def overlap(first, second):
    low, high = np.maximum(first[:2], second[:2]), np.minimum(first[2:], second[2:])
    inside = np.prod(np.maximum(0, high - low))
    return inside / (np.prod(first[2:] - first[:2]) + np.prod(second[2:] - second[:2]) - inside)


def right_and_wrong(labelled, said, class_id, threshold):
    """Everything from this score on, matched from scratch."""
    right = wrong = 0
    for t, f in zip(labelled, said, strict=True):
        taken = set()
        for k in np.argsort(-f.scores, kind='stable'):
            if f.classes[k] != class_id or f.scores[k] < threshold:
                continue
            same = [n for n in range(len(t.boxes)) if t.classes[n] == class_id]
            overlaps = {n: overlap(f.boxes[k], t.boxes[n]) for n in same}
            best = max(same, key=overlaps.get, default=None)
            if best is None or overlaps[best] < 0.5:
                wrong += 1
            elif not t.ignored[best]:
                wrong += best in taken
                right += best not in taken
                taken.add(best)
    return right, wrong


def brute(labelled, said, class_id):
    """Every threshold on its own, then the best precision from each recall on."""
    wanted = sum(int(((t.classes == class_id) & ~t.ignored).sum()) for t in labelled)
    points = []
    for threshold in {float(s) for one in said for s in one.scores}:
        right, wrong = right_and_wrong(labelled, said, class_id, threshold)
        if right + wrong:
            points.append((right / wanted, right / (right + wrong)))
    eleven = [max((p for r, p in points if r >= k / 10 - 1e-9), default=0.0) for k in range(11)]
    area, before = 0.0, 0.0
    for recall in sorted({r for r, _ in points}):
        area += (recall - before) * max(p for r, p in points if r >= recall)
        before = recall
    return np.mean(eleven), area


def scene(seed, images=6):
    rng = np.random.default_rng(seed)
    labelled, said = [], []
    for _ in range(images):
        n = int(rng.integers(1, 6))
        corner = rng.uniform(0, 80, (n, 2))
        boxes = np.hstack([corner, corner + rng.uniform(8, 20, (n, 2))])
        classes = rng.integers(0, 2, n)
        labelled.append(truth(boxes, classes.tolist(), (rng.random(n) < 0.2).tolist()))
        near = boxes + rng.normal(0, 2, boxes.shape)
        stray = rng.uniform(0, 60, (3, 2))
        every = np.vstack([near, near[:1], np.hstack([stray, stray + 12])])
        labels = [*classes, classes[0], *rng.integers(0, 2, 3)]
        said.append(found(every, rng.random(len(every)), [int(k) for k in labels]))
    return labelled, said


@pytest.mark.parametrize('seed', range(5))
def test_it_is_what_brute_force_finds(seed):
    labelled, said = scene(seed)
    for class_id, result in average_precisions(labelled, said, classes=2).items():
        eleven, area = brute(labelled, said, class_id)
        assert result.eleven_points == pytest.approx(eleven)
        assert result.area == pytest.approx(area)


@pytest.mark.parametrize('seed', range(3))
def test_the_area_is_close_to_the_ap50_of_coco(seed):
    """COCO reads the same curve at 101 recalls; without ignored objects both mean the same."""
    labelled, said = scene(seed, images=30)
    labelled = [
        TrueBoxes(boxes=t.boxes, classes=t.classes, ignored=np.zeros(len(t.boxes), bool))
        for t in labelled
    ]
    ours = average_precisions(labelled, said, classes=2)
    coco = score_detections(
        [LabelledBoxes(boxes_xyxy_px=t.boxes, class_ids=t.classes, ignore=t.ignored)
         for t in labelled],
        [FoundBoxesOfImage(boxes_xyxy_px=f.boxes.astype(np.float32),
                           scores=f.scores.astype(np.float32), class_ids=f.classes)
         for f in said],
        [0, 1],
    )  # fmt: skip
    for class_id, result in ours.items():
        assert result.area == pytest.approx(coco[class_id].ap50, abs=0.02)
