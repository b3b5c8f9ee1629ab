"""A keyframe only where it fits into the frame period."""

from __future__ import annotations

import pytest

from mot_compress_ros.keyframe import (
    build_schedule,
    FrameFacts,
    FrameReport,
    KeyframeConfig,
    Role,
)
from mot_compress_ros.keyframe.ledger import p95

PERIOD_NS = 100_000_000


class Drive:
    """One camera at 10 Hz whose teacher and overhead cost what the test says."""

    def __init__(self, **options):
        self.config = KeyframeConfig(mode='deadline', interval=4, **options)
        self.schedule = build_schedule(self.config, cameras='ab', has_teacher=True)
        self.frame = 0
        self.teacher_ms, self.overhead_ms = 40.0, 20.0

    @property
    def fits(self):
        return self.schedule.diagnostics().get('fits')

    def steps(self, n, *, camera='a'):
        """Serve n frames; the numbers of those that were keyframes."""
        begin, given = self.frame, []
        for self.frame in range(begin, begin + n):
            stamp_ns = self.frame * PERIOD_NS
            [role] = self.schedule.plan([FrameFacts(camera=camera, stamp_ns=stamp_ns)])
            network_ms = self.teacher_ms if role is Role.TEACHER else 10.0
            self.schedule.served(
                FrameReport(
                    camera=camera,
                    stamp_ns=stamp_ns,
                    role=role,
                    network_ms=network_ms,
                    total_ms=network_ms + self.overhead_ms,
                    step_teacher_ms=self.teacher_ms if role is Role.TEACHER else 0.0,
                )
            )
            given += [self.frame] if role is Role.TEACHER else []
        self.frame += 1
        return given


@pytest.mark.parametrize(
    ('n', 'rank'), [(1, 1), (10, 10), (19, 19), (20, 19), (30, 29), (100, 95)]
)
def test_p95_is_the_nearest_rank(n, rank):
    assert p95([float(i) for i in range(n, 0, -1)]) == rank


def test_what_fits_runs_every_k_frames():
    assert Drive().steps(17) == [0, 4, 8, 12, 16]


def test_the_first_frame_learns_and_what_does_not_fit_waits():
    drive = Drive()
    drive.teacher_ms = 71.0  # 71 + 20 > 0.9 * 100
    assert drive.fits is None
    assert drive.steps(60) == [0, 10]  # a second look, after a second
    assert drive.fits is False


@pytest.mark.parametrize(('teacher_ms', 'fits'), [(69.9, True), (70.1, False)])
def test_the_share_of_the_period_is_the_limit(teacher_ms, fits):
    drive = Drive(deadline_share=0.9)
    drive.teacher_ms = teacher_ms
    drive.steps(3)
    assert drive.fits is fits


def test_a_postponed_keyframe_runs_as_soon_as_it_fits():
    drive = Drive()
    drive.steps(3)
    drive.overhead_ms = 60.0
    assert drive.steps(4) == []  # was due at 4
    drive.overhead_ms = 20.0
    # The p95 of 30 lets one be larger: of the slow ones, up to 6, only that is among 6..35.
    assert drive.steps(40)[1:3] == [36, 40]  # before them the second look


def test_a_declared_time_counts_until_there_is_a_measured_one():
    drive = Drive(teacher_ms=500.0)
    assert drive.steps(5) == [0, 4]  # nothing is known of the period at frame 0


def test_a_teacher_that_does_not_fit_is_tried_again_ever_less_often():
    drive = Drive()
    drive.teacher_ms = 90.0
    assert drive.steps(2400) == [0, 10, 110, 310, 710, 1510, 2310]  # 1, 10, 20, 40, 80, 80 s


def test_a_teacher_that_got_faster_is_found_out():
    drive = Drive()
    drive.teacher_ms = 90.0
    assert drive.steps(50) == [0, 10]
    drive.teacher_ms = 40.0
    assert drive.steps(80) == [110, 114, 118, 122, 126]


def test_a_first_keyframe_that_was_slow_stops_the_teacher_for_a_second():
    drive = Drive()
    drive.teacher_ms = 400.0
    assert drive.steps(3) == [0]
    drive.teacher_ms = 40.0
    assert drive.steps(20) == [10, 14, 18, 22]


def test_another_cameras_keyframe_is_no_overhead_of_mine():
    """Both in every step, so each step of the one with the teacher holds the other's student."""
    config = KeyframeConfig(mode='deadline', interval=4)
    schedule = build_schedule(config, cameras='ab', has_teacher=True)
    given = []
    for i in range(40):
        frames = [FrameFacts(camera=c, stamp_ns=i * PERIOD_NS) for c in 'ab']
        roles = schedule.plan(frames)
        teacher_ms = 45.0 if Role.TEACHER in roles else 0.0
        times = [45.0 if role is Role.TEACHER else 10.0 for role in roles]
        for frame, role, network_ms in zip(frames, roles, times, strict=True):
            schedule.served(
                FrameReport(
                    camera=frame.camera,
                    stamp_ns=frame.stamp_ns,
                    role=role,
                    network_ms=network_ms,
                    total_ms=sum(times) + 20.0,
                    step_teacher_ms=teacher_ms,
                )
            )
        given += [(i, f.camera) for f, r in zip(frames, roles, strict=True) if r is Role.TEACHER]
    assert given[:4] == [(0, 'a'), (2, 'b'), (4, 'a'), (6, 'b')]
    assert len(given) == 20
    # A keyframe's step is the other's student, 10 ms, what is around, 20 ms, and the teacher.
    for camera in 'ab':
        assert p95(schedule.ledger.of(camera).overheads_ms) == pytest.approx(30.0)


def test_what_fitted_in_between_is_tried_again_as_soon_as_at_first():
    drive = Drive()
    drive.teacher_ms = 90.0
    assert drive.steps(260) == [0, 10, 110]
    drive.teacher_ms = 40.0
    assert drive.steps(57) == [310, 314]
    drive.teacher_ms = 90.0
    # 318 is still thought to fit; then after 10 s again.
    assert drive.steps(200) == [318, 418]


def test_a_switch_does_not_try_again_sooner():
    drive = Drive()
    drive.teacher_ms = 90.0
    assert drive.steps(150) == [0, 10, 110]
    drive.schedule = build_schedule(
        drive.config, cameras='ab', has_teacher=True, after=drive.schedule
    )
    assert drive.steps(250) == [310]


def test_a_late_answer_from_beside_is_a_measured_time():
    drive = Drive()
    drive.schedule.teacher_took('b', 90.0)
    assert drive.steps(9) == [0]  # it does not fit by then
