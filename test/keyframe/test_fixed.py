"""Teacher every K frames, counted per camera."""

import pytest

from mot_compress_ros.keyframe import FixedSchedule, KeyframeConfig, Role


def next_roles(schedule, camera, count):
    for _ in range(count):
        yield schedule.role(camera)
        schedule.advance(camera)


@pytest.mark.parametrize('interval', [1, 2, 6])
def test_every_kth_frame_is_the_teachers(interval):
    schedule = FixedSchedule(KeyframeConfig(interval=interval), has_teacher=True)
    roles = list(next_roles(schedule, 'camera', 13))
    assert [i for i, r in enumerate(roles) if r is Role.TEACHER] == list(range(0, 13, interval))


def test_without_a_teacher_all_frames_are_the_students():
    schedule = FixedSchedule(KeyframeConfig(interval=1), has_teacher=False)
    assert set(next_roles(schedule, 'camera', 5)) == {Role.STUDENT}


def test_cameras_count_alone_and_reset_begins_with_a_keyframe():
    schedule = FixedSchedule(KeyframeConfig(interval=3), has_teacher=True)
    assert list(next_roles(schedule, 'left', 2)) == [Role.TEACHER, Role.STUDENT]
    assert list(next_roles(schedule, 'right', 1)) == [Role.TEACHER]
    schedule.reset('left')
    assert schedule.role('left') is Role.TEACHER
    assert schedule.role('right') is Role.STUDENT


def test_asking_again_changes_nothing():
    schedule = FixedSchedule(KeyframeConfig(interval=2), has_teacher=True)
    assert {schedule.role('camera') for _ in range(3)} == {Role.TEACHER}
