"""What is said of a teacher that fails and comes back, and how often its results are used."""

from dataclasses import dataclass

import pytest

from mot_compress_ros.keyframe import TeacherState
from mot_compress_ros.ros.teacher_monitor import (
    KeyframeRatio,
    LatenessMonitor,
    TeacherMonitor,
    TRUST_S,
)

TIMEOUT_S = 5.0


@dataclass
class Seen:
    """What the monitor reads of a teacher."""

    state: TeacherState = TeacherState.READY
    reason: str = ''
    worker_name: str = 'process 7, scripted'


class Clock:
    now_s = 100.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def monitor(clock):
    return TeacherMonitor(timeout_s=TIMEOUT_S, clock=clock)


def test_nothing_is_said_of_a_teacher_that_works(monitor):
    assert monitor.note(Seen()) == ''
    assert monitor.trouble == ''


def test_a_slow_start_is_said_and_then_its_end(monitor):
    assert monitor.note(Seen(TeacherState.STARTING)) == 'teacher is starting; student alone'
    assert monitor.note(Seen(TeacherState.STARTING)) == ''
    assert monitor.note(Seen()) == 'teacher is back: process 7, scripted'
    assert monitor.trouble == ''


def test_a_failure_is_said_once_and_holds_until_an_answer_comes(monitor):
    text = 'teacher failed: it hangs; student alone'
    assert monitor.note(Seen(TeacherState.FAILED, 'it hangs')) == text
    for state in (TeacherState.FAILED, TeacherState.STARTING, TeacherState.READY):
        assert monitor.note(Seen(state, 'it hangs')) == ''
        assert monitor.trouble == text
    assert monitor.note(Seen()) == 'teacher is back: process 7, scripted'


def test_where_no_keyframe_is_asked_for_a_teacher_that_stands_is_trusted(monitor, clock):
    monitor.note(Seen(TeacherState.FAILED, 'it hangs'))
    monitor.note(Seen(TeacherState.READY, 'it hangs'))
    clock.now_s += TIMEOUT_S + TRUST_S
    assert monitor.note(Seen(TeacherState.READY, 'it hangs')) == ''
    clock.now_s += 0.001
    assert monitor.note(Seen(TeacherState.READY, 'it hangs')).startswith('teacher is back')
    assert monitor.note(Seen(TeacherState.READY, 'it hangs')) == ''


def test_a_teacher_that_fails_again_and_again_never_looks_well(monitor, clock):
    for _ in range(5):
        for state in (TeacherState.FAILED, TeacherState.STARTING, TeacherState.READY):
            monitor.note(Seen(state, 'out of memory'))
            assert monitor.trouble == 'teacher failed: out of memory; student alone'
            clock.now_s += TIMEOUT_S
    assert monitor.note(Seen(TeacherState.FAILED, 'killed')).startswith('teacher failed: killed')


def late(used, refused):
    return {'late_results': used, 'late_results_refused': refused}


def test_results_that_always_come_too_late_are_said_with_what_to_do():
    monitor = LatenessMonitor()
    assert monitor.note({}, beside=True) == ''
    assert monitor.note(late(5, 2), beside=True) == '', 'some are used'
    assert monitor.note(late(5, 4), beside=True) == ''
    text = monitor.note(late(5, 5), beside=True)
    assert text.startswith('results of the teacher come too late')
    assert 'tracker.late_frames' in text
    assert monitor.trouble == text
    assert monitor.note(late(5, 9), beside=True) == '', 'it was said'
    assert monitor.trouble == text
    assert monitor.note(late(6, 9), beside=True) == 'results of the teacher come in time again'
    assert monitor.trouble == ''


def told(used, frames):
    return {'late_results': used, 'told_frames': frames}


def test_results_of_which_the_student_is_never_told_are_said_with_what_to_do():
    """They correct the tracks, but are older than `max_age_s` by then."""
    monitor = LatenessMonitor()
    assert monitor.note(told(1, 5), beside=True, tells=True) == ''
    assert monitor.note(told(3, 5), beside=True, tells=True) == ''
    text = monitor.note(told(4, 5), beside=True, tells=True)
    assert 'keyframe.max_age_s' in text and monitor.trouble == text
    assert monitor.note(told(4, 5), beside=True, tells=True) == '', 'it was said'
    assert monitor.note(told(5, 6), beside=True, tells=True).endswith('in time again')
    assert monitor.note(told(9, 6), beside=True, tells=False) == '', 'it is not to be told'


def test_nothing_is_late_in_turn():
    monitor = LatenessMonitor()
    monitor.note(late(0, 3), beside=True)
    assert monitor.trouble
    monitor.note(late(0, 4), beside=False)
    assert monitor.trouble == ''
    monitor.note(late(0, 6), beside=True)
    assert monitor.trouble == '', 'what came in between does not count'


def test_the_ratio_follows_the_last_frames_and_the_whole():
    ratio = KeyframeRatio(window_frames=10)
    assert (ratio.lately, ratio.overall) == (0.0, 0.0)
    for n in range(1, 41):  # a keyframe on every second frame, from the 21st on on none
        ratio.note({'frames_processed': n, 'keyframes': min(n, 20) // 2})
        if n == 20:
            assert (ratio.lately, ratio.overall) == (0.5, 0.5)
        if n == 25:
            assert ratio.lately == pytest.approx(3 / 10)  # of frames 16, 18 and 20
    assert ratio.lately == 0.0
    assert ratio.overall == pytest.approx(10 / 40)


def test_a_step_without_frames_and_steps_of_many_are_counted_right():
    ratio = KeyframeRatio(window_frames=10)
    for n in range(1, 9):
        ratio.note({'frames_processed': 4 * n, 'keyframes': n})
        ratio.note({'frames_processed': 4 * n, 'keyframes': n})
        assert ratio.lately == ratio.overall == pytest.approx(1 / 4)
