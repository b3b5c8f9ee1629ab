"""Which network a frame's tracks come from, and how long ago the teacher looked."""

import pytest

from mot_compress_ros.frame_source import FrameSource, SourceLog

PERIOD_NS = 100_000_000


def noted(networks, ages_frames=None, *, first_ns=0):
    """What a log says of frames 100 ms apart; ages in frames, None for unknown."""
    log = SourceLog()
    ages = ages_frames or [None] * len(networks)
    return [
        log.note(
            stamp_ns=first_ns + i * PERIOD_NS,
            network=network,
            teacher_age_s=None if age is None else 0.1 * age,
        )
        for i, (network, age) in enumerate(zip(networks, ages, strict=True))
    ]


def test_frames_are_counted_from_each_keyframe():
    said = noted(['student', 'teacher', 'student', 'student', 'teacher', 'student'])
    assert [s.since_keyframe for s in said] == [None, 0, 1, 2, 0, 1]
    assert [s.heard_stamp_ns for s in said] == [None, PERIOD_NS, None, None, 4 * PERIOD_NS, None]
    assert [s.is_keyframe for s in said] == [False, True, False, False, True, False]


def test_late_result_counts_from_its_own_frame():
    # Frame 0 is heard at frame 2, frame 2 at frame 5.
    said = noted(['student'] * 7, [None, None, 2, 3, 4, 3, 4], first_ns=10**18)
    assert [s.since_keyframe for s in said] == [None, None, 2, 3, 4, 3, 4]
    heard = [s.heard_stamp_ns for s in said]
    assert heard == [None, None, 10**18, None, None, 10**18 + 2 * PERIOD_NS, None]
    assert not any(s.is_keyframe for s in said)


@pytest.mark.parametrize('error_s', [-0.004, 0.004])
def test_rounded_age_is_no_new_result(error_s):
    log = SourceLog()
    for index in range(3):
        log.note(stamp_ns=index * PERIOD_NS, network='student')
    first = log.note(stamp_ns=3 * PERIOD_NS, network='student', teacher_age_s=0.3)
    second = log.note(stamp_ns=4 * PERIOD_NS, network='student', teacher_age_s=0.4 + error_s)
    assert (first.heard_stamp_ns, second.heard_stamp_ns) == (0, None)
    assert second.since_keyframe == 4


def test_age_of_what_is_known_is_no_late_result():
    said = noted(['teacher', 'student', 'student', 'teacher'], [0, 1, 2, 0])
    assert [s.heard_stamp_ns for s in said] == [0, None, None, 3 * PERIOD_NS]


def test_known_stamp_has_the_same_answer_and_an_earlier_one_begins_anew():
    log = SourceLog()
    log.note(stamp_ns=500, network='teacher')
    once = log.note(stamp_ns=600, network='student')
    assert log.note(stamp_ns=600, network='student') == once
    assert log.note(stamp_ns=700, network='student').since_keyframe == 2
    begun = log.note(stamp_ns=100, network='student')
    assert begun == FrameSource(network='student', since_keyframe=None)


def test_what_the_pipeline_has_forgotten_is_not_counted_from():
    """After a gap, or with another image size, its stream begins anew with later stamps."""
    said = noted(['teacher', *['student'] * 5], [0, 1, None, None, 2, 3])
    assert [s.since_keyframe for s in said] == [0, 1, None, None, 2, 3]
    assert [s.heard_stamp_ns for s in said] == [0, None, None, None, 2 * PERIOD_NS, None]


def test_count_goes_on_for_as_long_as_the_teacher_is_away():
    said = noted(['teacher', *['student'] * 1000])
    assert said[-1].since_keyframe == 1000
