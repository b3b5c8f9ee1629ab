"""Teacher every K frames, of one camera and of several."""

from __future__ import annotations

import pytest

from mot_compress_ros.keyframe import (
    build_schedule,
    FrameFacts,
    FrameReport,
    KeyframeConfig,
    Role,
)
from mot_compress_ros.keyframe.stagger import phases

PERIOD_NS = 50_000_000


def built(interval, cameras):
    config = KeyframeConfig(mode='fixed', interval=interval)
    return build_schedule(config, cameras=cameras, has_teacher=True)


def run(schedule, steps, *, begin=0):
    """Serve steps, each the cameras that have a frame; for each the one of the teacher or ''."""
    given = []
    for i, cameras in enumerate(steps, start=begin):
        frames = [FrameFacts(camera=camera, stamp_ns=i * PERIOD_NS) for camera in cameras]
        roles = schedule.plan(frames)
        for frame, role in zip(frames, roles, strict=True):
            schedule.served(FrameReport(camera=frame.camera, stamp_ns=frame.stamp_ns, role=role))
        given.append(''.join(c for c, r in zip(cameras, roles, strict=True) if r is Role.TEACHER))
    return given


@pytest.mark.parametrize('interval', [1, 2, 6])
def test_every_kth_frame_is_the_teachers(interval):
    given = run(built(interval, 'a'), ['a'] * 13)
    assert [i for i, camera in enumerate(given) if camera] == list(range(0, 13, interval))


def test_cameras_begin_spread_over_the_interval():
    given = run(built(6, 'abc'), ['abc'] * 12)
    assert given == ['a', '', 'b', '', 'c', '', 'a', '', 'b', '', 'c', '']


@pytest.mark.parametrize('n', range(1, 8))
def test_phases_are_all_different_where_there_is_room(n):
    for interval in range(n, 30):
        begins = list(phases([str(i) for i in range(n)], interval).values())
        assert begins[0] == 0
        assert len(set(begins)) == n
        assert max(begins) < interval


@pytest.mark.parametrize(
    ('interval', 'cameras'), [(1, 'ab'), (1, 'abc'), (2, 'abc'), (3, 'abcde')]
)
def test_more_cameras_than_frames_take_turns(interval, cameras):
    given = run(built(interval, cameras), [cameras] * 60)
    assert all(len(camera) == 1 for camera in given)
    for i in range(10, 60 - len(cameras)):  # once in turn, each once in n steps
        assert sorted(given[i : i + len(cameras)]) == sorted(cameras)


def test_of_two_that_are_due_one_goes_first_and_they_stay_apart():
    schedule = built(4, 'ab')  # a: 0, 4, 8; b: 2, 6
    # a has no frame at steps 4 and 5, so it is due at 6 together with b, and both for the first
    # time; a's keyframe is the older one. b goes at the next step, and K counts on from there.
    steps = ['ab'] * 4 + ['b'] * 2 + ['ab'] * 10
    given = run(schedule, steps)
    assert given == ['a', '', 'b', '', '', '', 'a', 'b', '', '', 'a', 'b', '', '', 'a', 'b']


def test_a_camera_that_waited_goes_before_one_that_is_just_due():
    schedule = built(3, 'abc')  # one keyframe in every step
    run(schedule, ['abc'] * 3)
    # b is not seen at step 4, so b and c are due at 5, and c, which waits, with a at 6.
    given = run(schedule, ['abc', 'ac', 'abc', 'abc', 'abc', 'abc', 'abc'], begin=3)
    assert given == ['a', '', 'b', 'c', 'a', 'b', 'c']


def test_cameras_of_different_rates_never_share_a_step_and_none_starves():
    steps = ['ab' if i % 3 == 0 else 'b' for i in range(300)]
    given = run(built(2, 'ab'), steps)
    assert max(map(len, given)) == 1
    assert given.count('a') >= 49  # every second of its 100 frames
    assert given.count('b') >= 125


def test_frames_that_the_pipeline_never_sees_do_not_count():
    schedule = built(3, 'a')
    assert run(schedule, ['a', '', '', 'a', '', 'a', 'a']) == ['a', '', '', '', '', '', 'a']


def test_a_reset_camera_is_due_without_waiting_for_its_place():
    schedule = built(6, 'ab')
    run(schedule, ['ab'])
    schedule.reset('b')  # before its place, which is frame 3
    assert run(schedule, ['ab'] * 7, begin=1) == ['b', '', '', '', '', 'a', 'b']


def test_a_late_start_makes_neighbours_not_a_storm():
    off = build_schedule(KeyframeConfig(mode='off'), cameras='abc', has_teacher=True)
    run(off, ['abc'] * 100)
    schedule = build_schedule(
        KeyframeConfig(mode='fixed', interval=6), cameras='abc', has_teacher=True, after=off
    )
    given = run(schedule, ['abc'] * 12, begin=100)
    assert given == ['a', 'b', 'c', '', '', '', 'a', 'b', 'c', '', '', '']


def test_a_reset_camera_lets_one_go_first_that_is_due_in_the_same_step():
    schedule = built(6, 'ab')  # a: 0, 6, 12; b: 3, 9, 15
    run(schedule, ['ab'] * 9)
    schedule.reset('a')
    assert run(schedule, ['ab'] * 8, begin=9) == ['b', 'a', '', '', '', '', 'b', 'a']
