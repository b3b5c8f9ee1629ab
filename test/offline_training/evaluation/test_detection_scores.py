import numpy as np
import pytest

from mot_compress_ros.errors import InvalidDataError
from offline_training.evaluation.detection_scores import (
    DetectionEvidence,
    LabelledBoxes,
    score_detections,
    score_pooled,
)
from offline_training.evaluation.report import combined_detection_json, detection_json

A, B = (10.0, 10.0, 50.0, 50.0), (100.0, 10.0, 140.0, 50.0)
FAR = (300.0, 300.0, 340.0, 340.0)


def labelled(*rows: tuple, ignore: tuple[bool, ...] = ()) -> LabelledBoxes:
    return LabelledBoxes(
        boxes_xyxy_px=np.array([r[1:] for r in rows], np.float64).reshape(-1, 4),
        class_ids=np.array([r[0] for r in rows], np.int64),
        ignore=np.array(ignore or [False] * len(rows), np.bool_),
    )


def test_perfect_detections(make_detections):
    scores = score_detections(
        [labelled((0, *A), (2, *B))], [make_detections([(0.9, 0, *A), (0.8, 2, *B)])], range(3)
    )
    assert set(scores) == {0, 2}  # there is no cyclist to find
    assert scores[0].ap == pytest.approx(1.0)
    assert scores[2].ap50 == pytest.approx(1.0)
    assert scores[0].boxes == 1


def test_nothing_found(make_detections):
    scores = score_detections([labelled((0, *A))], [make_detections([])], [0])
    assert (scores[0].ap, scores[0].ap50, scores[0].max_recall) == (0.0, 0.0, 0.0)


def test_half_of_two_found(make_detections):
    """Recall levels 0 to 0.5 have precision 1, the others 0: 51 of 101 levels."""
    scores = score_detections([labelled((0, *A), (0, *B))], [make_detections([(0.9, 0, *A)])], [0])
    assert scores[0].ap50 == pytest.approx(51 / 101)
    assert scores[0].max_recall == pytest.approx(0.5)


def test_a_better_scored_false_alarm_halves_precision(make_detections):
    found = make_detections([(0.9, 0, *FAR), (0.8, 0, *A)])
    scores = score_detections([labelled((0, *A))], [found], [0])
    assert scores[0].ap50 == pytest.approx(0.5)
    worse = make_detections([(0.5, 0, *FAR), (0.8, 0, *A)])
    assert score_detections([labelled((0, *A))], [worse], [0])[0].ap50 == pytest.approx(1.0)


def test_loose_box_counts_at_loose_thresholds_only(make_detections):
    """IoU 0.6: right at 0.50, 0.55 and 0.60, wrong at the other seven thresholds."""
    loose = (10.0, 10.0, 50.0, 34.0)  # 40 x 24 of 40 x 40
    scores = score_detections([labelled((0, *A))], [make_detections([(0.9, 0, *loose)])], [0])
    assert scores[0].ap50 == pytest.approx(1.0)
    assert 0.2 <= scores[0].ap <= 0.3 + 1e-9


def test_detections_in_ignored_regions_are_neither_right_nor_wrong(make_detections):
    region = (290.0, 290.0, 400.0, 400.0)
    truth = [labelled((0, *A), (0, *region), ignore=(False, True))]
    found = make_detections([(0.9, 0, *FAR), (0.95, 0, *FAR), (0.8, 0, *A)])
    scores = score_detections(truth, [found], [0])
    assert scores[0].ap == pytest.approx(1.0)
    assert scores[0].boxes == 1


def test_an_image_without_objects_can_hold_false_alarms(make_detections):
    truth = [labelled((0, *A)), labelled()]
    found = [make_detections([(0.8, 0, *A)]), make_detections([(0.9, 0, *FAR)])]
    assert score_detections(truth, found, [0])[0].ap50 == pytest.approx(0.5)


def test_only_labelled_classes_are_scored(make_detections):
    found = make_detections([(0.9, 0, *A), (0.9, 2, *B)])
    assert set(score_detections([labelled((0, *A))], [found], [0])) == {0}
    assert score_detections([labelled()], [found], [0, 1, 2]) == {}


def test_lengths_must_agree_and_nothing_is_printed(make_detections, capsys):
    with pytest.raises(InvalidDataError, match='detections of 0 images for 1'):
        score_detections([labelled()], [], [0])
    score_detections([labelled((0, *A))], [make_detections([(0.9, 0, *A)])], [0])
    assert capsys.readouterr().out == ''


def test_sizes_are_scored_apart(make_detections):
    """A small object is found, a large one is not, and there is none between them."""
    small, large = (0.0, 0.0, 30.0, 30.0), (100.0, 0.0, 300.0, 200.0)
    truth = [labelled((0, *small), (0, *large))]
    scores = score_detections(truth, [make_detections([(0.9, 0, *small)])], [0])[0]
    assert scores.ap_small == pytest.approx(1.0)
    assert scores.ap_medium is None
    assert scores.ap_large == 0.0
    assert scores.ap == pytest.approx(51 / 101)


def test_a_false_alarm_counts_against_its_own_size(make_detections):
    small, medium, large = (
        (0.0, 0.0, 30.0, 30.0),
        (100.0, 0.0, 150.0, 50.0),
        (200.0, 0.0, 400.0, 200.0),
    )
    truth = [labelled((0, *small), (0, *large))]
    found = make_detections([(0.95, 0, *medium), (0.9, 0, *small), (0.8, 0, *large)])
    scores = score_detections(truth, [found], [0])[0]
    assert (scores.ap_small, scores.ap_large) == (pytest.approx(1.0), pytest.approx(1.0))
    assert scores.ap50 == pytest.approx(2 / 3)


def test_sequences_are_pooled_into_one_ranking(make_detections):
    """By hand: the false alarm of `b` ranks first, so the one hit of two objects has precision
    1/2 up to recall 1/2, which is 51 of COCO's 101 levels. The mean of both would be 1/2."""
    a = DetectionEvidence(
        truth=[labelled((0, *A))], found=[make_detections([(0.9, 0, *A)])], class_ids=(0, 2)
    )
    b = DetectionEvidence(
        truth=[labelled((0, *B))], found=[make_detections([(0.95, 0, *FAR)])], class_ids=(0,)
    )
    assert score_pooled([a])[0].ap50 == pytest.approx(1.0)
    assert score_pooled([b])[0].ap50 == 0.0
    together = score_pooled([a, b])
    assert set(together) == {0}
    assert together[0].ap50 == pytest.approx(0.5 * 51 / 101)
    assert together[0].boxes == 2


def test_a_class_is_pooled_over_the_sequences_that_label_it(make_detections):
    vehicle = make_detections([(0.9, 2, *A)])
    labels = DetectionEvidence(truth=[labelled((2, *A))], found=[vehicle], class_ids=(2,))
    others = DetectionEvidence(truth=[labelled()], found=[vehicle], class_ids=(0,))
    assert score_pooled([labels, others])[2].ap == pytest.approx(1.0)  # no false alarm there


def test_without_objects_there_is_no_mean():
    average = detection_json({})['class_average']
    assert average == dict.fromkeys(('ap', 'ap50', 'ap_small', 'ap_medium', 'ap_large'))
    found = combined_detection_json(
        [('a', 'real', DetectionEvidence(truth=[], found=[], class_ids=(0,)))]
    )
    assert found['real']['sequences'] == ['a']
