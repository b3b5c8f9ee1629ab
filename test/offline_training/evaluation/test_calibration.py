"""What scores are worth, and the map from one network's onto another's."""

import numpy as np
import pytest

from mot_compress_ros.errors import InvalidDataError
from offline_training.evaluation.calibration import (
    fit_probability,
    of_class,
    reliability_rows,
    ScoreMap,
)
from offline_training.evaluation.detection_scores import (
    DetectionEvidence,
    judge_detections,
    JudgedDetections,
    LabelledBoxes,
)

A, B = (10.0, 10.0, 50.0, 50.0), (100.0, 10.0, 140.0, 50.0)
FAR = (300.0, 300.0, 340.0, 340.0)


def logit(p):
    return np.log(p / (1 - p))


def drawn(slope, offset, *, n=40_000, seed=1, class_id=0):
    """Detections that are right as often as `slope * logit + offset` says."""
    rng = np.random.default_rng(seed)
    scores = rng.uniform(0.1, 0.9, n)
    right = rng.uniform(size=n) < 1 / (1 + np.exp(-(slope * logit(scores) + offset)))
    return JudgedDetections(
        scores=scores,
        right=right,
        class_ids=np.full(n, class_id),
        objects={class_id: int(right.sum())},
    )


def labelled(*rows, ignore=()):
    return LabelledBoxes(
        boxes_xyxy_px=np.array([r[1:] for r in rows], np.float64).reshape(-1, 4),
        class_ids=np.array([r[0] for r in rows], np.int64),
        ignore=np.array(ignore or [False] * len(rows), np.bool_),
    )


def judged(truth, *found, class_ids=(0, 1, 2)):
    return judge_detections(
        [DetectionEvidence(truth=truth, found=found, class_ids=list(class_ids))]
    )


def test_the_fit_finds_how_sure_scores_are():
    fit = fit_probability(drawn(2.5, 1.2))
    assert (fit.slope, fit.offset) == (pytest.approx(2.5, abs=0.06), pytest.approx(1.2, abs=0.06))


def test_mapped_scores_are_worth_what_the_other_networks_are():
    """Of what both call 0.6 now, the same share is right."""
    own, other = drawn(3.0, 0.8), drawn(3.5, 2.4, seed=2)
    onto = fit_probability(own).then_undo(fit_probability(other))
    mapped = onto(own.scores)
    for low, high in ((0.3, 0.4), (0.5, 0.6)):
        mine = own.right[(mapped >= low) & (mapped < high)].mean()
        theirs = other.right[(other.scores >= low) & (other.scores < high)].mean()
        before = own.right[(own.scores >= low) & (own.scores < high)].mean()
        assert mine == pytest.approx(theirs, abs=0.03)
        assert before < theirs - 0.03, 'there was something to mend'
    assert (np.argsort(mapped, kind='stable') == np.argsort(own.scores, kind='stable')).all()


def test_a_map_and_its_inverse_cancel():
    one = ScoreMap(slope=0.7, offset=-0.4)
    scores = np.linspace(0.01, 0.99, 50, dtype=np.float32)
    assert one.then_undo(one)(scores) == pytest.approx(scores, abs=1e-6)
    assert np.isfinite(one(np.array([0.0, 1.0]))).all()


def test_weak_scores_do_not_decide_the_fit():
    noise = JudgedDetections(
        scores=np.full(10_000, 0.05), right=np.zeros(10_000, bool),
        class_ids=np.zeros(10_000, np.int64), objects={},
    )  # fmt: skip
    good = drawn(2.0, 0.5)
    both = JudgedDetections(
        scores=np.concatenate([good.scores, noise.scores]),
        right=np.concatenate([good.right, noise.right]),
        class_ids=np.concatenate([good.class_ids, noise.class_ids]),
        objects=good.objects,
    )
    assert fit_probability(both) == fit_probability(good)


@pytest.mark.parametrize(
    ('found', 'words'),
    [
        (drawn(2.0, 0.0, n=60), 'give more images'),
        (drawn(2.0, 50.0, n=1000), '0 wrong'),
        (drawn(-2.0, 0.0), 'not right more often'),
    ],
)
def test_too_little_or_upside_down_is_refused(found, words):
    with pytest.raises(InvalidDataError, match=words):
        fit_probability(found, what='teacher')


def test_coco_says_what_is_right(make_detections):
    """One right, one double, one of another class, one far off; the other image has none."""
    image = make_detections([(0.6, 0, *A), (0.9, 0, *A), (0.8, 2, *B), (0.7, 0, *FAR)])
    result = judged([labelled((0, *A), (0, *B)), labelled()], image, make_detections([]))
    order = np.argsort(-result.scores)
    assert result.scores[order] == pytest.approx([0.9, 0.8, 0.7, 0.6], abs=1e-6)
    assert result.right[order].tolist() == [True, False, False, False]
    assert result.class_ids[order].tolist() == [0, 2, 0, 0]
    assert result.objects == {0: 2, 2: 0}
    assert of_class(result, 2).scores == pytest.approx([0.8], abs=1e-6)


def test_regions_to_ignore_and_classes_without_labels_say_nothing(make_detections):
    truth = [labelled((0, *A), (0, *B), ignore=(True, False))]
    image = make_detections([(0.9, 0, *A), (0.8, 0, *B), (0.7, 1, *FAR)])
    result = judged(truth, image, class_ids=(0,))
    assert result.scores == pytest.approx([0.8], abs=1e-6)
    assert result.right.tolist() == [True]
    assert result.objects == {0: 1}
    assert len(judge_detections([]).scores) == 0


def test_precision_and_recall_from_a_score_on(make_detections):
    image = make_detections([(0.65, 0, *A), (0.35, 0, *FAR)])
    rows = {row['score']: row for row in reliability_rows(judged([labelled((0, *A))], image))}
    assert rows[0.3] == {'score': 0.3, 'detections': 2, 'precision': 0.5, 'recall': 1.0}
    assert rows[0.6]['precision'] == 1.0
    assert rows[0.7] == {'score': 0.7, 'detections': 0, 'precision': None, 'recall': 0.0}
