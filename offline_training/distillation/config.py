"""Options of the prior that a student is trained with."""

from __future__ import annotations

from dataclasses import dataclass

from mot_compress_ros.options import option

UPDATES = ('render', 'shift', 'still')


def _never(progress: float) -> float:
    return 0.0


def _always(progress: float) -> float:
    return 1.0


def _ever_more(progress: float) -> float:
    return progress


# Name -> share of the samples whose prior comes from the teacher, at a share (0..1) of the run.
PRIORS = {'off': _never, 'truth': _never, 'teacher': _always, 'mixed': _ever_more}


@dataclass(frozen=True, kw_only=True)
class AttentionConfig:
    """Where Φ comes from in training, and how it is disturbed.

    The defaults of `jitter`, `lost` and `false` are CenterTrack's, whose network takes a heat map
    of earlier objects too (Zhou et al. 2020, section 4.3 and its code: `hm_disturb`,
    `lost_disturb`, `fp_disturb`).
    """

    prior: str = option(
        'off',
        'off: none; truth: the labels of the key frame, disturbed; teacher: its heat map of the '
        'key frame; mixed: from truth to teacher over the run',
        choices=tuple(PRIORS),
    )
    update: str = option(
        'render',
        'how it is carried to the frame, as keyframe.update in the vehicle',
        choices=UPDATES,
    )
    max_gap_frames: int = option(
        8, 'most frames from the key frame to the frame', minimum=1, maximum=1000
    )
    drop: float = option(
        0.3, 'share of the samples whose prior is empty', minimum=0.0, maximum=1.0
    )
    jitter: float = option(
        0.05,
        "truth: deviation of the centre, as a share of the box's width and height",
        minimum=0.0,
        maximum=1.0,
    )
    lost: float = option(
        0.4, 'truth: share of the objects that are left out', minimum=0.0, maximum=1.0
    )
    false: float = option(
        0.1, 'truth: objects that are not there, per object', minimum=0.0, maximum=1.0
    )

    def by_teacher(self, progress: float) -> float:
        """Share of the samples whose prior comes from the teacher, at `progress` 0..1."""
        return PRIORS[self.prior](min(max(progress, 0.0), 1.0))
