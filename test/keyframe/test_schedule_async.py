"""Which frame a teacher beside the student gets."""

from __future__ import annotations

from itertools import pairwise

import pytest

from mot_compress_ros.keyframe import (
    build_schedule,
    FrameFacts,
    FrameReport,
    KeyframeConfig,
    Role,
)

PERIOD_NS = 100_000_000


def built(cameras, **options):
    config = KeyframeConfig(mode='async', **options)
    return build_schedule(config, cameras=cameras, has_teacher=True)


def run(schedule, events, *, work_ns, work_ms=None):
    """Frames as (stamp, cameras) in order of time; the teacher works for `work_ns` on each.

    Returns (stamp, camera) of what it was given.
    """
    given, busy_until_ns, camera = [], -1, ''
    for stamp_ns, cameras in events:
        frames = [FrameFacts(camera=c, stamp_ns=stamp_ns) for c in cameras]
        if camera and stamp_ns >= busy_until_ns:
            schedule.teacher_took(camera, work_ns / 1e6 if work_ms is None else work_ms)
            camera = ''
        assert schedule.plan(frames) == [Role.STUDENT] * len(frames)
        chosen = None if camera else schedule.submit(frames)
        for frame in frames:
            schedule.served(FrameReport(camera=frame.camera, stamp_ns=stamp_ns, role=Role.STUDENT))
        if chosen is not None:
            camera, busy_until_ns = frames[chosen].camera, stamp_ns + work_ns
            given.append((stamp_ns, camera))
    return given


def steps(n, cameras, *, begin_ns=0):
    return [(begin_ns + i * PERIOD_NS, cameras) for i in range(n)]


def test_without_a_budget_an_idle_teacher_gets_the_next_frame():
    given = run(built('a'), steps(10, 'a'), work_ns=3 * PERIOD_NS - 1)
    assert given == [(i * PERIOD_NS, 'a') for i in (0, 3, 6, 9)]


def test_cameras_take_turns():
    given = run(built('abc'), steps(7, 'abc'), work_ns=PERIOD_NS // 2)
    assert ''.join(camera for _, camera in given) == 'abcabca'


def test_no_frame_is_given_twice():
    schedule = built('a')
    frame = [FrameFacts(camera='a', stamp_ns=5)]
    assert schedule.submit(frame) == 0
    assert schedule.submit(frame) is None
    assert schedule.submit([FrameFacts(camera='a', stamp_ns=4)]) is None
    assert schedule.submit([FrameFacts(camera='a', stamp_ns=6)]) == 0


def test_cameras_that_never_come_together_do_not_starve_each_other():
    """a comes just when the teacher gets idle, b always in between."""
    events = sorted(steps(200, 'a') + steps(200, 'b', begin_ns=PERIOD_NS // 2))
    given = [camera for _, camera in run(built('ab'), events, work_ns=PERIOD_NS)]
    assert given.count('b') >= given.count('a') / 3
    assert given.count('a') >= given.count('b') / 3


def test_nobody_waits_for_a_camera_that_stopped():
    schedule = built('ab')
    run(schedule, steps(4, 'ab'), work_ns=PERIOD_NS)
    given = run(schedule, steps(30, 'a', begin_ns=4 * PERIOD_NS), work_ns=PERIOD_NS)
    assert len(given) >= 27


@pytest.mark.parametrize('declared', [True, False])
def test_the_budget_holds_over_time(declared):
    """40 ms a frame at 100 ms/s: a burst of 100 ms, then 2.5 frames a second of 10."""
    schedule = built('ab', budget_ms_per_s=100.0, teacher_ms=40.0 if declared else 0.0)
    work_ms = 999.0 if declared else 40.0  # what was declared counts, not what is measured
    given = run(schedule, steps(201, 'ab'), work_ns=PERIOD_NS // 2, work_ms=work_ms)
    assert 50 <= len(given) <= 52
    later = [stamp_ns for stamp_ns, _ in given if stamp_ns > 2_000_000_000]
    gaps = {b - a for a, b in pairwise(later)}
    assert gaps <= {4 * PERIOD_NS, 5 * PERIOD_NS, 3 * PERIOD_NS}


def test_what_it_really_took_is_what_is_paid():
    schedule = built('a', budget_ms_per_s=100.0)
    given = run(schedule, steps(100, 'a'), work_ns=PERIOD_NS // 2, work_ms=200.0)
    gaps = [(b - a) // PERIOD_NS for (a, _), (b, _) in pairwise(given)]
    assert set(gaps) == {20}  # the first was not known to cost 200 ms when it was begun


def test_a_reset_camera_is_the_next():
    schedule = built('abc')
    run(schedule, steps(4, 'abc'), work_ns=PERIOD_NS // 2)  # a b c a
    schedule.reset('a')
    given = run(schedule, steps(4, 'abc', begin_ns=10**15), work_ns=PERIOD_NS // 2)
    assert ''.join(camera for _, camera in given) == 'abca'
    assert schedule.ledger.reasons == {'first': 4, 'idle': 4}


def test_a_camera_that_is_next_anyway_does_not_wait_for_another():
    """b was passed over for two rounds and still sends; a began anew, so it is before b."""
    schedule = built('ab')
    for i in range(2):
        run(schedule, steps(1, 'ab', begin_ns=i * PERIOD_NS), work_ns=1)  # a, then b
    given = run(schedule, steps(3, 'a', begin_ns=2 * PERIOD_NS), work_ns=1)
    assert len(given) == 3  # a has not had two rounds more than b
    schedule.served(FrameReport(camera='b', stamp_ns=5 * PERIOD_NS, role=Role.STUDENT))
    frame = [FrameFacts(camera='a', stamp_ns=5 * PERIOD_NS + 1)]
    schedule.ledger.turn += 1  # one more round than b may be passed over
    assert schedule.submit(frame) is None
    schedule.reset('a')
    assert schedule.submit(frame) == 0


def test_a_switch_knows_what_is_still_to_be_answered():
    config = KeyframeConfig(mode='async', budget_ms_per_s=100.0)
    first = built('a', budget_ms_per_s=100.0)
    first.teacher_took('a', 50.0)
    assert first.submit([FrameFacts(camera='a', stamp_ns=0)]) == 0  # charged 50
    second = build_schedule(config, cameras='a', has_teacher=True, after=first)
    second.teacher_took('a', 30.0)
    assert second.ledger.spent_ms == 30.0
    assert first.ledger.spent_ms == 50.0


@pytest.mark.parametrize('mode', ['async', 'adaptive'])
def test_a_switch_to_a_small_budget_owes_one_bucket_at_most(mode):
    first = built('a', budget_ms_per_s=1000.0, teacher_ms=900.0)
    assert first.submit([FrameFacts(camera='a', stamp_ns=0)]) == 0
    config = KeyframeConfig(mode=mode, budget_ms_per_s=10.0, teacher_ms=20.0)
    second = build_schedule(config, cameras='a', has_teacher=True, after=first)
    assert second.ledger.spent_ms == 20.0
