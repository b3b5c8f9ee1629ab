"""Keyframe modes as people write them: `fixed:6` is the mode and the interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mot_compress_ros.errors import InvalidOptionError
from mot_compress_ros.keyframe import KeyframeConfig, SCHEDULES
from mot_compress_ros.options import from_mapping, to_mapping
from mot_compress_ros.pipeline import PipelineConfig

OFF = 'off'


def mode_configs(
    texts: Sequence[str], config: PipelineConfig, *, has_teacher: bool
) -> dict[str, PipelineConfig]:
    """`config` in each of the modes, by what was written.

    Args:
        texts: MODE or MODE:INTERVAL, each once.
        config: everything else.
        has_teacher: whether there is a teacher; without one there is only `off`.

    Raises:
        InvalidOptionError: a mode or an interval is not legal, or needs a teacher.
    """
    if len(set(texts)) < len(texts):
        raise InvalidOptionError(f'--modes {" ".join(texts)}: one is there twice')
    return {
        text: replace(config, keyframe=_keyframe(text, config.keyframe, has_teacher=has_teacher))
        for text in texts
    }


def _keyframe(text: str, keyframe: KeyframeConfig, *, has_teacher: bool) -> KeyframeConfig:
    mode, colon, interval = text.partition(':')
    if mode not in SCHEDULES or (colon and not interval.isdigit()):
        raise InvalidOptionError(
            f'--modes {text}: expected MODE or MODE:INTERVAL, MODE one of {", ".join(SCHEDULES)}'
        )
    if mode != OFF and not has_teacher:
        raise InvalidOptionError(f'--modes {text}: keyframes need a --teacher; legal is {OFF}')
    values = {**to_mapping(keyframe), 'mode': mode}
    return from_mapping(KeyframeConfig, values | ({'interval': int(interval)} if colon else {}))
