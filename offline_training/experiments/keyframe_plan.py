"""Which keyframe modes are compared, and what makes their cost the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
import math
from typing import Any

from mot_compress_ros.pipeline import PipelineConfig
from offline_training.synthetic import SceneConfig

INTERVALS = (2, 4, 6, 12)
FEWER = 0.7  # teacher runs that adaptive may have where it is to reach a fixed interval
_LEAST_MS_PER_S = 1e-3  # 0 would be no limit


@dataclass(frozen=True, kw_only=True)
class Preset:
    """How large an experiment is.

    Attributes:
        scene: the middle of the ladder.
        drives: of each step of the ladder.
        input_size_wh: of both networks.
    """

    scene: SceneConfig
    drives: int
    input_size_wh: tuple[int, int]


_MIDDLE = SceneConfig(light='day', scenario='drive', surroundings='city')
PRESETS = {
    'small': Preset(
        scene=replace(_MIDDLE, size_wh=(768, 432), duration_s=5.0),
        drives=1,
        input_size_wh=(640, 384),
    ),
    'full': Preset(
        scene=replace(_MIDDLE, size_wh=(960, 540), duration_s=10.0),
        drives=4,
        input_size_wh=(832, 480),
    ),
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """A keyframe mode.

    Attributes:
        name: in tables.
        mode: of `keyframe.mode`.
        interval: K, of which it has the cost; 0 where it has no limit.
        share: of the teacher runs of `fixed` at K that it may have.
    """

    name: str
    mode: str
    interval: int = 0
    share: float = 1.0

    def config(
        self, base: PipelineConfig, *, fps: float, seconds: float, teacher_ms: float
    ) -> PipelineConfig:
        """The options of the pipeline.

        `adaptive` may wait for twice the interval and come as soon as half of it. It and `async`
        have a budget of teacher time that, with what the bucket holds at the beginning, pays for
        `share` of the runs of `fixed` in that many seconds.
        """
        values: dict[str, Any] = {'mode': self.mode, 'teacher_ms': teacher_ms}
        if self.interval:
            values['interval'] = self.interval
        if self.interval and self.mode in ('adaptive', 'async'):
            runs = self.share * math.ceil(seconds * fps / self.interval)
            values['budget_ms_per_s'] = budget_ms_per_s(runs, seconds, teacher_ms)
        if self.mode == 'adaptive':
            values |= {'interval': 2 * self.interval, 'min_interval': max(1, self.interval // 2)}
        return replace(base, keyframe=replace(base.keyframe, **values))


def budget_ms_per_s(runs: float, seconds: float, teacher_ms: float) -> float:
    """The budget that pays for `runs` runs in `seconds`, with the bucket that is full at first.

    The bucket holds what a second brings, or one run, whichever is more (`keyframe.budget`).
    """
    total_ms = runs * teacher_ms
    budget = total_ms / (seconds + 1)
    if budget < teacher_ms:
        budget = (total_ms - teacher_ms) / seconds
    return max(budget, _LEAST_MS_PER_S)


def rows_of(intervals: Sequence[int] = INTERVALS) -> list[Row]:
    """All modes, those of one cost beside each other."""
    found = [
        Row(name='off', mode='off'),
        Row(name='teacher alone', mode='fixed', interval=1),
        Row(name='async', mode='async'),
    ]
    for k in intervals:
        found += [
            Row(name=f'fixed {k}', mode='fixed', interval=k),
            Row(name=f'deadline {k}', mode='deadline', interval=k),
            Row(name=f'adaptive {k}', mode='adaptive', interval=k),
            Row(name=f'adaptive {k}, {FEWER:.0%}', mode='adaptive', interval=k, share=FEWER),
            Row(name=f'async {k}', mode='async', interval=k),
        ]
    return found
