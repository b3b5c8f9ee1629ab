"""Options of the keyframes and of the teacher."""

from __future__ import annotations

from dataclasses import dataclass

from mot_compress_ros.options import option

MODES = ('fixed', 'adaptive', 'deadline', 'async', 'off')
UPDATES = ('render', 'shift', 'still', 'follow', 'off')


@dataclass(frozen=True, kw_only=True)
class KeyframeConfig:
    """When the teacher runs, and what the student is told of it."""

    mode: str = option(
        'fixed',
        'when the teacher runs. fixed: every `interval` frames (AttTrack); adaptive: when the '
        'scene asks for it, within `budget_ms_per_s`; deadline: as fixed, but only where it fits '
        'into the frame period; async: beside the student, which never waits; off: never',
        choices=MODES,
        read_only=False,
    )
    interval: int = option(
        6,
        'fixed, deadline: frames from one teacher frame to the next; 1: always the teacher. '
        'adaptive: the most of them. async: without meaning',
        minimum=1,
        maximum=1000,
        read_only=False,
    )
    min_interval: int = option(
        2,
        'adaptive: the fewest frames from one teacher frame to the next; more than `interval` '
        'counts as `interval`',
        minimum=1,
        maximum=1000,
        read_only=False,
    )
    threshold: float = option(
        0.5,
        'adaptive: what must be wrong for a keyframe, in two frames in a row, or twice as much '
        'in one; the sum of disagreement, missed tracks, new tracks and turning since the last. '
        'With a budget: less as it fills up, more as it runs out',
        minimum=0.0,
        maximum=100.0,
        read_only=False,
    )
    budget_ms_per_s: float = option(
        0.0,
        'adaptive, async: teacher milliseconds per second of video, all cameras; 0: no limit',
        minimum=0.0,
        unit='ms/s',
        read_only=False,
    )
    teacher_ms: float = option(
        0.0,
        'what a teacher frame counts for in budgets, in deadlines until it is measured and, in '
        'replay, when an asynchronous result comes; 0: as measured, which makes a replay depend '
        'on the machine',
        minimum=0.0,
        unit='ms',
    )
    deadline_share: float = option(
        0.9,
        'deadline: share of the frame period that a step with the teacher may take',
        minimum=0.01,
        maximum=10.0,
        read_only=False,
    )
    update: str = option(
        'render',
        "how the teacher's heat map is carried to a later frame. render: a gaussian for each "
        'object, moved at its velocity; shift: a piece of the heat map for each object, moved; '
        'still: the heat map as it was; follow: as render, where the tracker expects the objects '
        'by now; off: the student is told nothing',
        choices=UPDATES,
        read_only=False,
    )
    max_age_s: float = option(
        1.0,
        'the student is not told of a teacher result that is older',
        minimum=0.0,
        unit='s',
        read_only=False,
    )
    worker: str = option(
        'auto',
        'where a live teacher works. thread: in this process, for a GPU; process: in its own, '
        'for a CPU; auto: by the device',
        choices=('auto', 'thread', 'process'),
    )
    teacher_cores: str = option(
        '', "CPU cores of the teacher's own process, such as '1' or '2-3'; empty: all"
    )
    timeout_s: float = option(
        5.0,
        'a teacher that needs longer for a frame counts as hung; where they take turns, a frame '
        'waits this long for it at most',
        minimum=0.01,
        unit='s',
    )
    retry_s: float = option(
        2.0,
        'a teacher that failed is tried again after this, then after twice as long, up to 60 s',
        minimum=0.01,  # twice nothing is nothing: it would be started on every frame
        unit='s',
    )
