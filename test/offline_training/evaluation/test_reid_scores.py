import numpy as np
import pytest

from mot_compress_ros.errors import InvalidDataError
from offline_training.evaluation.reid_scores import (
    collect_evidence,
    combined_reid_json,
    EmbeddedBoxes,
    pool_evidence,
    reid_json,
    reid_summary,
    tpr_at_far,
)


def at_angles(degrees: list[float], ids: list[int], frames: list[int]) -> EmbeddedBoxes:
    """Unit vectors in the plane: their similarity is the cosine of the angle between them."""
    radians = np.deg2rad(degrees)
    return EmbeddedBoxes(
        embeddings=np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32),
        ids=np.array(ids),
        frames=np.array(frames),
    )


def test_two_identities_that_lie_apart():
    """0 and 10 degrees are one identity, 90 and 100 the other: every measure is 1."""
    boxes = at_angles([0, 90, 10, 100], [1, 2, 1, 2], [0, 0, 1, 1])
    summary = reid_summary(collect_evidence(boxes, fps=1.0))
    for name in ('tpr_at_far_0.001', 'tpr_at_far_0.1', 'map', 'rank1', 'rank1_after_gap'):
        assert summary[name] == pytest.approx(1.0), name
    assert (summary['pairs_same'], summary['pairs_different']) == (2, 4)
    assert (summary['embeddings'], summary['every_kth_frame']) == (4, 1)


def test_rates_by_hand():
    """Same 0.9, 0.5; different 0.7, 0.3, 0.2, 0.1: the ROC goes (0, .5), (.25, .5), (.25, 1)."""
    same, different = np.array([0.5, 0.9]), np.array([0.3, 0.7, 0.2, 0.1])
    assert tpr_at_far(same, different, 0.001) == pytest.approx(0.5)
    assert tpr_at_far(same, different, 0.2) == pytest.approx(0.5)
    assert tpr_at_far(same, different, 0.25) == pytest.approx(1.0)
    assert tpr_at_far(same, different, 1.0) == pytest.approx(1.0)


def test_between_two_thresholds_the_curve_is_straight():
    """One same and one different share a score: the ROC goes from (0, .5) to (.5, 1)."""
    same, different = np.array([0.9, 0.6]), np.array([0.6, 0.1])
    assert tpr_at_far(same, different, 0.0) == pytest.approx(0.5)
    assert tpr_at_far(same, different, 0.1) == pytest.approx(0.5 + 0.1 / 0.5 * 0.5)
    assert tpr_at_far(same, different, 0.5) == pytest.approx(1.0)


def test_embeddings_that_say_nothing_are_at_chance():
    """All equal: the ROC is the diagonal."""
    assert tpr_at_far(np.ones(5), np.ones(7), 0.1) == pytest.approx(0.1)
    rng = np.random.default_rng(0)
    rate = tpr_at_far(rng.uniform(size=20_000), rng.uniform(size=20_000), 0.1)
    assert rate == pytest.approx(0.1, abs=0.01)


def test_a_rate_needs_both_kinds_of_pairs():
    assert tpr_at_far(np.zeros(0), np.ones(3), 0.1) is None
    assert tpr_at_far(np.ones(3), np.zeros(0), 0.1) is None


def test_the_curve_equals_counting_at_every_threshold():
    """At each score of a different pair: the share of same pairs that is not below it."""
    rng = np.random.default_rng(1)
    same, different = rng.normal(0.5, 0.3, 300), rng.normal(0.0, 0.3, 200)
    for k in (1, 7, 20, 150):
        threshold = np.sort(different)[-k]
        # The next different score below is where the rate changes next: any same pair above it
        # is accepted at no further cost.
        following = np.sort(different)[-k - 1]
        expected = np.mean(same > following)
        assert np.mean(different >= threshold) == pytest.approx(k / 200)
        assert tpr_at_far(same, different, k / 200) == pytest.approx(expected)


def test_retrieval_by_hand():
    """Identity 1 at 0, 31 and 40 degrees, identity 2 at 20, each in a frame of its own.

    0 finds 20 (wrong), 31, 40: AP = (1/2 + 2/3) / 2. 31 finds 40 (right), 20, 0: AP = (1 + 2/3) /
    2. 40 finds 31, 20, 0: the same. 20 has no answer and does not ask.
    """
    boxes = at_angles([0, 20, 31, 40], [1, 2, 1, 1], [0, 1, 2, 3])
    summary = reid_summary(collect_evidence(boxes, fps=1.0))
    assert summary['map'] == pytest.approx(((1 / 2 + 2 / 3) / 2 + 2 * (1 + 2 / 3) / 2) / 3)
    assert summary['rank1'] == pytest.approx(2 / 3)


def test_answers_come_from_other_frames_and_after_the_gap_from_far_ones():
    """At 2 Hz the frames 0, 1 and 4: within a second of frame 0 lies frame 1, not frame 4."""
    boxes = at_angles([0, 1, 5, 60, 6], [1, 2, 1, 1, 2], [0, 0, 1, 4, 4])
    evidence = collect_evidence(boxes, fps=2.0)
    # 0 asks {5, 60, 6}: right; 1 (identity 2) asks {5, 60, 6}: 5 is nearest, wrong; 5 asks
    # {0, 1, 60, 6}: 6 is nearest, wrong; 60 asks {0, 1, 5}: right; 6 asks {0, 1, 5}: wrong.
    assert evidence.first_is_right.tolist() == [True, False, False, True, False]
    # After the gap 0 asks {60, 6}: wrong; 1 asks {60, 6}: right; 5 asks {60, 6}: wrong; 60 and 6
    # ask {0, 1, 5}: right, wrong.
    assert evidence.first_is_right_after_gap.tolist() == [False, True, False, True, False]


def test_too_many_embeddings_are_thinned_by_frames():
    n = 50
    boxes = at_angles([0, 90] * n, [1, 2] * n, [k // 2 for k in range(2 * n)])
    evidence = collect_evidence(boxes, fps=10.0, max_embeddings=30)
    assert evidence.every_kth_frame == 4
    assert evidence.embeddings == 2 * 13
    assert reid_summary(evidence)['rank1'] == 1.0


def test_pairs_of_sequences_are_pooled_and_not_mixed():
    """Identity 1 of one sequence is not identity 1 of the other."""
    one = collect_evidence(at_angles([0, 10], [1, 1], [0, 1]), fps=1.0)
    two = collect_evidence(at_angles([90, 180], [1, 2], [0, 1]), fps=1.0)
    both = pool_evidence([one, two])
    assert (len(both.same), len(both.different)) == (1, 1)
    report = combined_reid_json([('real', {'vehicle': one}), ('real', {'vehicle': two})])
    assert report['real']['vehicle']['tpr_at_far_0.1'] == pytest.approx(1.0)
    assert report['real']['vehicle']['embeddings'] == 4


def test_nothing_to_compare():
    nothing = collect_evidence(at_angles([], [], []), fps=1.0)
    assert reid_json({'cyclist': nothing}) == {}
    assert combined_reid_json([('real', {'cyclist': nothing})]) == {}
    assert reid_summary(nothing)['map'] is None
    with pytest.raises(InvalidDataError, match='at least one'):
        pool_evidence([])
    with pytest.raises(InvalidDataError, match='expected as many'):
        at_angles([0.0], [1, 2], [0])
