import copy
import json

import numpy as np
import pytest

from mot_compress_ros.errors import InputError
from offline_training.evaluation.bootstrap import (
    BootstrapConfig,
    intervals,
    ONE_SEQUENCE,
    paired_differences,
)
from offline_training.evaluation.report import combined_json, sequence_json
from offline_training.evaluation.tracking_scores import (
    combine_sequences,
    RawScores,
    score_class,
)

PEDESTRIAN, CYCLIST, VEHICLE = 0, 1, 2
N = 10


@pytest.fixture
def raw_of(make_truth, make_tracks):
    """Scores of a walker who is found in `seen` of 10 frames, and then false alarms."""

    def make(seen: int, *, alarms: int = 0, class_id: int = PEDESTRIAN) -> RawScores:
        box = (0.0, 0.0, 20.0, 60.0)
        truth = [make_truth([(1, class_id, *box)]) for _ in range(N)]
        far = (2, class_id, 300.0, 0.0, 320.0, 60.0)
        found = [
            [*([(1, class_id, *box)] if t < seen else []), *([far] if t < alarms else [])]
            for t in range(N)
        ]
        return score_class(truth, [make_tracks(rows) for rows in found], class_id)

    return make


def test_the_interval_of_two_sequences_is_made_of_three_draws(raw_of):
    """MOTA 1.0 and 0.2; the draws are (a, a), (a, b) twice as often, (b, b): 1.0, 0.6, 0.2."""
    raw = {'a': {'pedestrian': raw_of(10)}, 'b': {'pedestrian': raw_of(2)}}
    config = BootstrapConfig(resamples=1000, confidence=0.95)
    found = intervals(raw, config)
    assert found['sequences'] == 2
    assert found['scores']['pedestrian']['mota'] == {
        'low': pytest.approx(0.2),
        'high': pytest.approx(1.0),
    }
    # A quarter of the draws is (b, b): the middle 40 % are all (a, b).
    narrow = intervals(raw, BootstrapConfig(resamples=1000, confidence=0.5))['scores']
    low, high = narrow['pedestrian']['mota']['low'], narrow['pedestrian']['mota']['high']
    assert low in (pytest.approx(0.2), pytest.approx(0.6))
    assert high in (pytest.approx(0.6), pytest.approx(1.0))


def test_draws_pool_the_raw_results_and_do_not_average_scores(raw_of):
    """A draw of one sequence twice has its own score, whatever the other's length."""
    raw = {name: {'pedestrian': raw_of(seen)} for name, seen in (('a', 7), ('b', 7), ('c', 7))}
    found = intervals(raw, BootstrapConfig(resamples=50))['scores']['pedestrian']
    own = raw['a']['pedestrian'].summary()
    for field in ('hota', 'mota', 'idf1'):
        assert found[field]['low'] == pytest.approx(getattr(own, field))
        assert found[field]['high'] == pytest.approx(getattr(own, field))


def test_many_sequences_against_a_bootstrap_by_hand(raw_of):
    """MOTA of a draw is (found - alarms) / 10 per sequence: counted without TrackEval."""
    rng = np.random.default_rng(5)
    seen, alarms = rng.integers(0, 11, 12), rng.integers(0, 5, 12)
    raw = {
        f'{k:02d}': {'pedestrian': raw_of(int(seen[k]), alarms=int(alarms[k]))} for k in range(12)
    }
    config = BootstrapConfig(resamples=300, confidence=0.9, seed=3)
    found = intervals(raw, config)['scores']['pedestrian']['mota']
    chosen = np.random.default_rng(3).integers(0, 12, (300, 12))
    mota = (seen[chosen] - alarms[chosen]).sum(axis=1) / (12 * N)
    assert found['low'] == pytest.approx(np.percentile(mota, 5))
    assert found['high'] == pytest.approx(np.percentile(mota, 95))


def test_it_is_seeded(raw_of):
    raw = {f'{k}': {'pedestrian': raw_of(k)} for k in range(6)}
    first, second, other = (
        intervals(raw, BootstrapConfig(resamples=30, seed=seed)) for seed in (1, 1, 2)
    )
    assert first == second
    assert first != other


def test_one_sequence_gives_no_interval(raw_of):
    found = intervals({'a': {'pedestrian': raw_of(5)}}, BootstrapConfig())
    assert found == {'sequences': 1, 'why_not': ONE_SEQUENCE}


def test_a_class_that_one_sequence_lacks(raw_of):
    """Draws of `a` alone say nothing of vehicles."""
    raw = {
        'a': {'pedestrian': raw_of(10)},
        'b': {'pedestrian': raw_of(10), 'vehicle': raw_of(5, class_id=VEHICLE)},
    }
    scores = intervals(raw, BootstrapConfig(resamples=40))['scores']
    assert scores['vehicle']['mota'] == {'low': pytest.approx(0.5), 'high': pytest.approx(0.5)}
    assert set(scores) == {'pedestrian', 'vehicle', 'class_average', 'all'}
    assert scores['all']['mota']['low'] == pytest.approx((10 + 10 + 5) / 30, abs=0.1)


def report_of(raw: dict[str, dict[int, RawScores]]) -> dict:
    """What `evaluate --json` writes, read back."""
    sequences = [
        sequence_json({'name': name, 'frames': N, 'origin': 'real'}, scores)
        for name, scores in raw.items()
    ]
    combined = combined_json(raw, dict.fromkeys(raw, 'real'))
    report = {'command': 'c', 'protocol': 'product', 'sequences': sequences, 'combined': combined}
    return json.loads(json.dumps(report))


def test_a_difference_is_paired(raw_of):
    """The second model finds one frame more in every sequence, easy or hard: exactly + 0.1."""
    before, after = (
        report_of({f'{k}': {PEDESTRIAN: raw_of(k + more)} for k in range(1, 9)}) for more in (0, 1)
    )
    config = BootstrapConfig(resamples=100)
    change = paired_differences(before, after, config)['real']
    assert change['sequences'] == [f'{k}' for k in range(1, 9)]
    mota = change['scores']['pedestrian']['mota']
    assert mota == {
        'difference': pytest.approx(0.1),
        'low': pytest.approx(0.1),
        'high': pytest.approx(0.1),
        'share_above_zero': 1.0,
    }
    same = paired_differences(before, before, config)['real']['scores']['pedestrian']['hota']
    assert same == {'difference': 0.0, 'low': 0.0, 'high': 0.0, 'share_above_zero': 0.0}


def test_only_common_sequences_are_compared(raw_of):
    before = report_of({name: {PEDESTRIAN: raw_of(4)} for name in 'abc'})
    after = report_of({name: {PEDESTRIAN: raw_of(6)} for name in 'bcd'})
    change = paired_differences(before, after)['real']
    assert change['sequences'] == ['b', 'c']
    assert change['scores']['pedestrian']['mota']['difference'] == pytest.approx(0.2)
    alone = report_of({'c': {PEDESTRIAN: raw_of(6)}})
    assert paired_differences(before, alone)['real']['why_not'] == ONE_SEQUENCE
    foreign = report_of({'z': {PEDESTRIAN: raw_of(6)}})
    assert paired_differences(before, foreign)['real']['why_not'] == 'no common sequence'


def test_reports_that_cannot_be_compared(raw_of):
    report = report_of({name: {PEDESTRIAN: raw_of(4)} for name in 'ab'})
    with pytest.raises(InputError, match='product and kitti cannot be compared'):
        paired_differences(report, {**report, 'protocol': 'kitti'})
    old = copy.deepcopy(report)
    del old['sequences'][0]['raw']
    with pytest.raises(InputError, match='run the command again'):
        paired_differences(old, report)
    del report['sequences'][0]['raw']['pedestrian']['CLEAR']['MT']
    with pytest.raises(InputError, match="without 'MT'"):
        paired_differences(report, report)


def test_raw_scores_come_back_from_json(raw_of):
    """Pooled from JSON they are what TrackEval pools from its own results."""
    raw = {'a': raw_of(3, alarms=2), 'b': raw_of(9)}
    back = {k: RawScores.from_json(json.loads(json.dumps(r.to_json()))) for k, r in raw.items()}
    assert combine_sequences(back).summary() == combine_sequences(raw).summary()


def test_draws_without_the_class_say_nothing_of_its_change(raw_of):
    """Only `b` has a vehicle, in 5 frames and then in 6: every draw that has it is better."""
    before, after = (
        report_of({'a': {PEDESTRIAN: raw_of(5)}, 'b': {VEHICLE: raw_of(seen, class_id=VEHICLE)}})
        for seen in (5, 6)
    )
    change = paired_differences(before, after, BootstrapConfig(resamples=60))['real']
    mota = change['scores']['vehicle']['mota']
    assert mota['share_above_zero'] == 1.0
    assert mota['low'] == mota['high'] == pytest.approx(0.1)


def test_other_classes_are_not_pooled_into_one_difference(raw_of):
    walkers = report_of({name: {PEDESTRIAN: raw_of(5)} for name in 'ab'})
    both = report_of(
        {name: {PEDESTRIAN: raw_of(6), VEHICLE: raw_of(0, class_id=VEHICLE)} for name in 'ab'}
    )
    scores = paired_differences(walkers, both, BootstrapConfig(resamples=5))['real']['scores']
    assert set(scores) == {'pedestrian'}
    assert scores['pedestrian']['mota']['difference'] == pytest.approx(0.1)
