"""The presets that are compared, at the operating point of the detectors, and changes of ours.

Score thresholds belong to a detector: ByteTrack's 0.6 was set for YOLOX and leaves next to nothing
of a heat map's scores. So that rows differ by association alone, the published trackers run at
`OPERATING_POINT`: what they call a strong detection, and what begins a track, is what it is for
the scores of our networks and for the public ones on their scale (`datasets.detection_files`).
Of the values 0.2 to 0.5 these were the best for most of the published trackers; everything else is
as published.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import importlib
from typing import Any

from mot_compress_ros.errors import InputError, InvalidOptionError
from mot_compress_ros.tracking import PRESETS, TrackerConfig
from offline_training.command_options import typed

OURS = 'vehicle'
CHANGED = f'{OURS}, '  # begins the name of a row of the ablation
_TWO_BANDS: Mapping[str, object] = {'high_score': 0.3, 'new_track_score': 0.4}
OPERATING_POINT: Mapping[str, Mapping[str, object]] = {
    'sort': {'min_score': 0.2, 'new_track_score': 0.2},
    'fairmot': {'min_score': 0.2},
    'byte': _TWO_BANDS,
    'ocsort': {'min_score': 0.3, **_TWO_BANDS},
    'botsort': _TWO_BANDS,
}


def preset_configs(
    names: Sequence[str] = (),
    *,
    settings: Sequence[str] = (),
    published_scores: bool = False,
    ablate: bool = False,
) -> dict[str, TrackerConfig]:
    """What each row of a group runs with, by the name it has there.

    Args:
        names: presets, in order; none of them: all.
        settings: `OPTION=VALUE` for all of them, `PRESET.OPTION=VALUE` for one.
        published_scores: whether the score thresholds stay as published.
        ablate: whether `vehicle` comes with each of its changes too.

    Raises:
        InputError: a preset is unknown.
        InvalidOptionError: an option is unknown or out of range.
    """
    unknown = sorted(set(names) - set(PRESETS))
    if unknown:
        raise InputError(f'preset {", ".join(unknown)}; legal: {", ".join(PRESETS)}')
    configs: dict[str, TrackerConfig] = {}
    for name in names or tuple(PRESETS):
        point = {} if published_scores else OPERATING_POINT.get(name, {})
        values = {**point, **_settings_of(name, settings)}
        configs[name] = TrackerConfig.of(name, **values)
        if ablate and name == OURS:
            for change, options in changes().items():
                configs[f'{CHANGED}{change}'] = TrackerConfig.of(name, **{**values, **options})
    return configs


def changes() -> Mapping[str, Mapping[str, Any]]:
    """The changes of `vehicle` that are measured: name -> options.

    Raises:
        InputError: the preset does not name any.
    """
    module = importlib.import_module('mot_compress_ros.tracking.presets.vehicle')
    found: Mapping[str, Mapping[str, Any]] = getattr(module, 'CHANGES', {})
    if not found:
        raise InputError(f'{module.__name__}: names no CHANGES, so there is nothing to measure')
    return found


def _settings_of(preset: str, settings: Sequence[str]) -> dict[str, object]:
    values: dict[str, object] = {}
    for setting in settings:
        name, equals, text = setting.partition('=')
        if not equals:
            raise InvalidOptionError(f'--set {setting}: write it as NAME=VALUE')
        owner, dot, option_name = name.rpartition('.')
        if dot and owner not in PRESETS:
            raise InvalidOptionError(
                f'--set {setting}: preset {owner!r}; legal: {", ".join(PRESETS)}'
            )
        if owner in ('', preset):
            values[option_name] = text
    return typed(TrackerConfig, values)
