"""When the teacher runs, and what the student is told of what it saw.

The contract is `Schedule`: it answers which `Role` each frame of a step has, and goes on when it
is told that a frame was served, so a network that fails does not use a keyframe up. A new mode is
one new file, one line in `SCHEDULES` and one in `config.MODES`; where teacher and student take
turns it is a `Rule` for `SynchronousSchedule`.
"""

from collections.abc import Mapping, Sequence
from functools import partial

from mot_compress_ros.keyframe.adaptive import Adaptive
from mot_compress_ros.keyframe.asynchronous import AsynchronousSchedule
from mot_compress_ros.keyframe.attention import (
    Attention,
    CarriedPrior,
    disagreement,
    PriorObjects,
)
from mot_compress_ros.keyframe.config import KeyframeConfig
from mot_compress_ros.keyframe.deadline import WithinDeadline
from mot_compress_ros.keyframe.fixed import EveryK
from mot_compress_ros.keyframe.frames import FrameFacts, FrameReport, Role
from mot_compress_ros.keyframe.ledger import Ledger
from mot_compress_ros.keyframe.off import Never
from mot_compress_ros.keyframe.schedule import Schedule, ScheduleFactory
from mot_compress_ros.keyframe.synchronous import Rule, SynchronousSchedule
from mot_compress_ros.keyframe.teacher import build_teacher, START_LIMIT_S, Teacher, TeacherState
from mot_compress_ros.keyframe.workers import Answer, WorkerSetup
from mot_compress_ros.keyframe.workers.simulated import start_simulated

__all__ = [
    'SCHEDULES',
    'START_LIMIT_S',
    'Answer',
    'Attention',
    'CarriedPrior',
    'FrameFacts',
    'FrameReport',
    'KeyframeConfig',
    'Ledger',
    'PriorObjects',
    'Role',
    'Rule',
    'Schedule',
    'ScheduleFactory',
    'SynchronousSchedule',
    'Teacher',
    'TeacherState',
    'WorkerSetup',
    'build_schedule',
    'build_teacher',
    'disagreement',
    'start_simulated',
]

SCHEDULES: Mapping[str, ScheduleFactory] = {
    'fixed': partial(SynchronousSchedule, EveryK),
    'adaptive': partial(SynchronousSchedule, Adaptive),
    'deadline': partial(SynchronousSchedule, WithinDeadline),
    'async': AsynchronousSchedule,
    'off': partial(SynchronousSchedule, Never),
}


def build_schedule(
    config: KeyframeConfig,
    *,
    cameras: Sequence[str],
    has_teacher: bool,
    after: Schedule | None = None,
) -> Schedule:
    """The schedule that the options ask for; without a teacher it is that of `off`.

    Args:
        config: the options.
        cameras: names of the pipeline's cameras; their order is that of their keyframes.
        has_teacher: whether there is a teacher.
        after: the schedule that it replaces while running; ages, counts and costs go on.
    """
    schedule = SCHEDULES[config.mode if has_teacher else 'off'](config, cameras)
    if after is not None:
        schedule.take_over(after)
    return schedule
