"""What holds for every keyframe schedule, whichever its rule."""

from __future__ import annotations

from dataclasses import replace
import random

import pytest

from mot_compress_ros.errors import InvalidDataError
from mot_compress_ros.keyframe import (
    build_schedule,
    FrameFacts,
    FrameReport,
    KeyframeConfig,
    Role,
    SCHEDULES,
)
from mot_compress_ros.keyframe.config import MODES

CAMERAS = ('front', 'left', 'right')
CONFIG = KeyframeConfig(interval=5, min_interval=2, budget_ms_per_s=400.0)
PERIOD_NS = 100_000_000
SYNCHRONOUS = sorted(set(MODES) - {'async', 'off'})

every_mode = pytest.mark.parametrize('mode', sorted(SCHEDULES))
every_synchronous_mode = pytest.mark.parametrize('mode', SYNCHRONOUS)


def built(mode, cameras=CAMERAS, *, config=CONFIG, after=None):
    return build_schedule(
        replace(config, mode=mode), cameras=cameras, has_teacher=True, after=after
    )


def facts(stamp_ns, cameras=CAMERAS):
    return [FrameFacts(camera=camera, stamp_ns=stamp_ns) for camera in cameras]


def serve(schedule, frame, role, **signals):
    """Tell of a served frame; a quiet one by default."""
    cost_ms = 30.0 if role is Role.TEACHER else 10.0
    schedule.served(
        FrameReport(
            camera=frame.camera,
            stamp_ns=frame.stamp_ns,
            role=role,
            network_ms=cost_ms,
            total_ms=cost_ms + 5.0,
            **signals,
        )
    )


def step(schedule, frames, **signals):
    """One whole step as a pipeline does it; who had the teacher, beside included."""
    roles = schedule.plan(frames)
    given = schedule.submit(frames) if frames else None
    for frame, role in zip(frames, roles, strict=True):
        serve(schedule, frame, role, **signals)
    if given is not None:
        schedule.teacher_took(frames[given].camera, 30.0)
        return [frames[given].camera]
    return [f.camera for f, role in zip(frames, roles, strict=True) if role is Role.TEACHER]


def bumpy_steps(*, seed=3, n=120):
    """Steps with dropped frames and signals that come and go."""
    draw = random.Random(seed)
    for i in range(n):
        cameras = [camera for camera in CAMERAS if draw.random() < 0.9]
        signals = {'disagreement': draw.random(), 'missed': draw.random() / 4, 'turned': 0.01}
        yield i * PERIOD_NS + draw.randrange(5_000_000), cameras, signals


def keyframes(schedule, *, shift_ns=0):
    return [
        step(schedule, facts(stamp_ns + shift_ns, cameras), **signals)
        for stamp_ns, cameras, signals in bumpy_steps()
    ]


def test_every_mode_has_a_schedule():
    assert set(SCHEDULES) == set(MODES)


@every_mode
def test_asking_changes_nothing(mode):
    asked, quiet = built(mode), built(mode)
    for stamp_ns, cameras, signals in bumpy_steps():
        frames = facts(stamp_ns, cameras)
        first = asked.plan(frames)
        asked.plan(facts(stamp_ns + PERIOD_NS))
        asked.diagnostics()
        assert asked.plan(frames) == first
        assert step(asked, frames, **signals) == step(quiet, frames, **signals)


@every_mode
def test_at_most_one_frame_of_a_step_is_the_teachers(mode):
    given = keyframes(built(mode))
    assert {len(cameras) for cameras in given} <= {0, 1}
    assert any(given) is (mode != 'off')


@every_mode
def test_the_teacher_is_beside_or_takes_turns_and_never_both(mode):
    schedule = built(mode)
    for stamp_ns, cameras, signals in bumpy_steps():
        frames = facts(stamp_ns, cameras)
        if schedule.beside:
            assert set(schedule.plan(frames)) <= {Role.STUDENT}
        else:
            assert schedule.submit(frames) is None
        step(schedule, frames, **signals)


@every_synchronous_mode
def test_a_frame_that_was_not_served_uses_no_keyframe_up(mode):
    schedule = built(mode, ('front',))
    for i in range(4):
        assert schedule.plan(facts(i * PERIOD_NS, ('front',))) == [Role.TEACHER]
    assert step(schedule, facts(4 * PERIOD_NS, ('front',))) == ['front']
    assert step(schedule, facts(5 * PERIOD_NS, ('front',))) == []


@every_synchronous_mode
def test_a_keyframe_that_the_student_had_to_serve_is_still_due(mode):
    schedule = built(mode, ('front',))
    for i in range(3):
        frame = facts(i * PERIOD_NS, ('front',))
        assert schedule.plan(frame) == [Role.TEACHER]
        serve(schedule, frame[0], Role.STUDENT)
    assert step(schedule, facts(3 * PERIOD_NS, ('front',))) == ['front']


@every_mode
def test_a_shift_of_all_stamps_changes_nothing(mode):
    assert keyframes(built(mode)) == keyframes(built(mode), shift_ns=1_700_000_000 * 10**9)


@pytest.mark.parametrize('mode', [*SYNCHRONOUS, 'async'])
def test_no_camera_starves(mode):
    given = keyframes(built(mode))
    counts = [given.count([camera]) for camera in CAMERAS]
    assert min(counts) >= 0.7 * max(counts)


@every_mode
def test_an_unknown_camera_is_refused_by_name(mode):
    schedule, frame = built(mode), FrameFacts(camera='rear', stamp_ns=0)
    for ask in (
        lambda: schedule.plan([frame]),
        lambda: schedule.submit([frame]),
        lambda: schedule.served(FrameReport(camera='rear', stamp_ns=0, role=Role.STUDENT)),
        lambda: schedule.teacher_took('rear', 1.0),
        lambda: schedule.reset('rear'),
    ):
        with pytest.raises(InvalidDataError, match=r"'rear'.*front, left, right"):
            ask()


@every_mode
def test_a_step_may_be_empty(mode):
    schedule = built(mode)
    assert schedule.plan([]) == []
    assert schedule.submit([]) is None
    assert built(mode, ()).plan([]) == []


@every_synchronous_mode
def test_after_a_reset_the_next_frame_is_due_and_the_others_stay_in_step(mode):
    config = replace(CONFIG, interval=9, budget_ms_per_s=0.0)
    untouched, schedule = built(mode, config=config), built(mode, config=config)
    for i in range(60):
        frames = facts(i * PERIOD_NS)
        if i == 22:
            schedule.reset('left')
            assert step(schedule, frames) == ['left']
            assert step(untouched, frames) == []
            continue
        others = set(step(schedule, frames)) - {'left'}
        assert others == set(step(untouched, frames)) - {'left'}


@every_mode
def test_after_a_reset_stamps_may_begin_anywhere(mode):
    schedule = built(mode, ('front',))
    for i in range(20):
        step(schedule, facts(10**18 + i * PERIOD_NS, ('front',)))
    schedule.reset('front')
    given = [step(schedule, facts(i * PERIOD_NS, ('front',))) for i in range(20)]
    assert bool(given[0]) is (mode != 'off')
    assert sum(map(len, given)) >= (4 if mode != 'off' else 0)


@pytest.mark.parametrize('mode', sorted(SCHEDULES))
def test_without_a_teacher_every_mode_is_off(mode):
    schedule = build_schedule(replace(CONFIG, mode=mode), cameras=CAMERAS, has_teacher=False)
    assert not schedule.beside
    assert not any(keyframes(schedule))


@pytest.mark.parametrize('old', sorted(SCHEDULES))
@pytest.mark.parametrize('new', SYNCHRONOUS)
def test_a_switch_goes_on_with_the_ages(old, new):
    """Front was given to the teacher two frames before: its next keyframe is not due at once."""
    config = replace(CONFIG, interval=5, budget_ms_per_s=0.0)
    first = built(old, ('front',), config=config)
    given = [step(first, facts(i * PERIOD_NS, ('front',))) for i in range(13)]
    since = next((i for i, cameras in enumerate(reversed(given)) if cameras), None)
    second = built(new, ('front',), config=config, after=first)
    after = [step(second, facts(i * PERIOD_NS, ('front',))) for i in range(13, 30)]
    expected = 0 if since is None else 5 - 1 - since
    assert [i for i, cameras in enumerate(after) if cameras][:2] == [expected, expected + 5]


@pytest.mark.parametrize('old', sorted(SCHEDULES))
@pytest.mark.parametrize('new', sorted(SCHEDULES))
def test_a_switch_leaves_the_old_one_and_the_counts_as_they_were(old, new):
    first = built(old)
    keyframes(first)
    before = dict(first.ledger.reasons)
    second = built(new, ('left', 'front'), after=first)
    assert dict(second.ledger.reasons) == before
    assert second.ledger.cameras == ('left', 'front')
    for i in range(20):
        step(second, facts(10**12 + i * PERIOD_NS, ('left', 'front')))
    assert dict(first.ledger.reasons) == before


@every_mode
def test_a_switch_of_options_to_the_same_ones_changes_nothing(mode):
    kept, switched = built(mode), built(mode)
    for stamp_ns, cameras, signals in bumpy_steps():
        switched = built(mode, after=switched)
        frames = facts(stamp_ns, cameras)
        assert step(switched, frames, **signals) == step(kept, frames, **signals)


@every_mode
def test_diagnostics_count_what_happened(mode):
    schedule = built(mode)
    given = keyframes(schedule)
    said = schedule.diagnostics()
    counted = sum(n for name, n in said.items() if name.startswith('keyframes.'))
    assert counted == sum(map(len, given))
    assert set(schedule.ledger.last_reason) == ({*CAMERAS} if mode != 'off' else set())
