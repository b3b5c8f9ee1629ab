"""Teacher milliseconds per second of video."""

from __future__ import annotations

import pytest

from mot_compress_ros.keyframe import FrameReport, KeyframeConfig, Ledger, Role
from mot_compress_ros.keyframe.budget import Budget

SECOND_NS = 1_000_000_000


def built(ms_per_s, *, teacher_ms=0.0):
    ledger = Ledger('ab')
    config = KeyframeConfig(budget_ms_per_s=ms_per_s, teacher_ms=teacher_ms)
    return Budget(config, ledger), ledger


def spend(budget, *, until_ns, step_ns, cost_ms):
    """Take every keyframe that can be had; their times."""
    times = []
    for now_ns in range(0, until_ns, step_ns):
        if budget.affords(now_ns):
            budget.charge(cost_ms, now_ns)
            times.append(now_ns)
    return times


def test_no_budget_no_limit():
    budget, _ = built(0.0, teacher_ms=1000.0)
    assert len(spend(budget, until_ns=SECOND_NS, step_ns=10**7, cost_ms=1000.0)) == 100


@pytest.mark.parametrize(('ms_per_s', 'cost_ms'), [(100.0, 30.0), (300.0, 17.0), (10.0, 45.0)])
def test_in_any_time_it_is_the_budget_and_one_bucket_at_most(ms_per_s, cost_ms):
    budget, _ = built(ms_per_s, teacher_ms=cost_ms)
    times = spend(budget, until_ns=30 * SECOND_NS, step_ns=SECOND_NS // 30, cost_ms=cost_ms)
    bucket_ms = max(ms_per_s, cost_ms)
    for i, begin_ns in enumerate(times):
        for n, end_ns in enumerate(times[i:], start=1):
            allowed_ms = bucket_ms + ms_per_s * (end_ns - begin_ns) / 1e9
            assert n * cost_ms <= allowed_ms + 1e-3
    assert len(times) * cost_ms >= 0.9 * 30 * ms_per_s


def test_a_budget_below_one_keyframe_a_second_gives_one_now_and_then():
    budget, _ = built(10.0, teacher_ms=50.0)
    times = spend(budget, until_ns=21 * SECOND_NS, step_ns=SECOND_NS // 10, cost_ms=50.0)
    assert times == [i * 5 * SECOND_NS for i in range(5)]


def test_the_first_keyframe_may_run_before_anything_is_known_and_is_paid_for():
    budget, ledger = built(10.0)
    assert budget.cost_ms == 0.0
    assert budget.affords(0)
    ledger.took(50.0)
    budget.charge(50.0, 0)
    assert not budget.affords(5 * SECOND_NS - 1_000_000)
    assert budget.affords(5 * SECOND_NS)


def test_the_cost_is_the_mean_of_the_last_30():
    budget, ledger = built(10.0)
    for i in range(40):
        ledger.took(float(i))
    assert budget.cost_ms == pytest.approx(sum(range(10, 40)) / 30)


def test_a_large_debt_of_other_options_is_cut_to_a_bucket():
    budget, ledger = built(10.0, teacher_ms=20.0)
    ledger.spent_ms = 5000.0
    budget.settle(0)
    assert budget.debt_ms(0) == 20.0


def report(camera, stamp_ns):
    return FrameReport(camera=camera, stamp_ns=stamp_ns, role=Role.STUDENT)


def test_time_goes_on_with_whichever_camera_goes_on():
    ledger = Ledger('ab')
    for i in range(11):  # a's clock is a century ahead of b's
        ledger.served(report('a', 10**18 + i * SECOND_NS), reason='')
        ledger.served(report('b', i * SECOND_NS), reason='')
    assert ledger.elapsed_ns == 10 * SECOND_NS
    ledger.served(report('b', 12 * SECOND_NS), reason='')
    assert ledger.elapsed_ns == 12 * SECOND_NS


def test_a_stream_that_begins_anew_neither_turns_time_back_nor_makes_it_jump():
    ledger = Ledger('a')
    for i in range(4):
        ledger.served(report('a', 10**18 + i * SECOND_NS), reason='')
    for begin_ns in (0, 10**15):
        ledger.reset('a')
        before_ns = ledger.elapsed_ns
        ledger.served(report('a', begin_ns), reason='')
        assert ledger.elapsed_ns == before_ns
        ledger.served(report('a', begin_ns + SECOND_NS), reason='')
        assert ledger.elapsed_ns == before_ns + SECOND_NS


def test_looking_at_the_time_does_not_move_it():
    ledger = Ledger('ab')
    ledger.served(report('a', 0), reason='')
    assert ledger.now_ns('a', SECOND_NS) == SECOND_NS
    assert ledger.now_ns('b', 5 * SECOND_NS) == 0
    assert ledger.elapsed_ns == 0


def test_no_budget_no_limit_whatever_is_owed_from_before():
    budget, ledger = built(0.0, teacher_ms=20.0)
    ledger.spent_ms = 5000.0
    assert budget.affords(0)


def test_it_is_never_earlier_for_a_camera_that_lags():
    ledger = Ledger('ab')
    ledger.served(report('b', 0), reason='')
    for i in range(5):
        ledger.served(report('a', i * SECOND_NS), reason='')
    assert ledger.now_ns('b', SECOND_NS) == 4 * SECOND_NS


def test_a_keyframe_that_is_no_longer_asked_for_waits_no_longer():
    ledger = Ledger('a')
    for i, (reason, waited_ns) in enumerate([('', 0), ('born', 0), ('born', 1), ('', 0)]):
        ledger.served(report('a', i), reason=reason)
        assert ledger.of('a').waited_ns(i) == waited_ns
    ledger.served(report('a', 7), reason='age')
    assert ledger.of('a').waited_ns(9) == 2


@pytest.mark.parametrize('step_teacher_ms', [0.0, 40.0])
def test_the_overhead_of_a_keyframe_is_what_the_teacher_did_not_take(step_teacher_ms):
    ledger = Ledger('a')
    served = FrameReport(
        camera='a',
        stamp_ns=0,
        role=Role.TEACHER,
        network_ms=40.0,
        total_ms=55.0,
        step_teacher_ms=step_teacher_ms,
    )
    ledger.served(served, reason='first')
    assert list(ledger.of('a').overheads_ms) == [15.0]
    assert list(ledger.teacher_ms) == [40.0]
