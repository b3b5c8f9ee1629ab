"""Teacher every K frames, counted per camera."""

import pytest

from mot_compress_ros.keyframe import FixedSchedule, KeyframeConfig, Role


@pytest.mark.parametrize('interval', [1, 2, 6])
def test_every_kth_frame_is_the_teachers(interval):
    schedule = FixedSchedule(KeyframeConfig(interval=interval), has_teacher=True)
    roles = [schedule.next_role('camera') for _ in range(13)]
    assert [i for i, r in enumerate(roles) if r is Role.TEACHER] == list(range(0, 13, interval))


def test_without_a_teacher_all_frames_are_the_students():
    schedule = FixedSchedule(KeyframeConfig(interval=1), has_teacher=False)
    assert {schedule.next_role('camera') for _ in range(5)} == {Role.STUDENT}


def test_cameras_count_alone_and_reset_begins_with_a_keyframe():
    schedule = FixedSchedule(KeyframeConfig(interval=3), has_teacher=True)
    assert [schedule.next_role('left') for _ in range(2)] == [Role.TEACHER, Role.STUDENT]
    assert schedule.next_role('right') is Role.TEACHER
    schedule.reset('left')
    assert schedule.next_role('left') is Role.TEACHER
    assert schedule.next_role('right') is Role.STUDENT
