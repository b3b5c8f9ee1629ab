"""Sizes of `experiments distillation`: `config/experiments/distillation_*.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from mot_compress_ros.errors import InputError
from mot_compress_ros.networks.cstrack import FAMILY
from offline_training.command_options import parse_size
from offline_training.experiments.atttrack_presets import Preset, STAGES
from offline_training.experiments.distillation_plan import STUDENT, TEACHER, VARIANTS

PRESETS: Mapping[str, Path] = {
    'small': Path('config/experiments/distillation_small.yaml'),
    'full': Path('config/experiments/distillation_full.yaml'),
    'cstrack_small': Path('config/experiments/distillation_cstrack_small.yaml'),
    'cstrack_full': Path('config/experiments/distillation_cstrack_full.yaml'),
}
_KEYS = {
    *('input_size', 'sequences', 'networks', 'length', 'recipe', 'more', 'weights', 'pipeline'),
}


@dataclass(frozen=True, kw_only=True)
class DistillationPreset:
    """What a preset file says.

    Attributes:
        sizes: of the trainings; its networks are `teacher` and `student`.
        weights: of the parts of the loss that learn from the teacher.
    """

    sizes: Preset
    weights: Mapping[str, float]

    @property
    def anchors(self) -> bool:
        """Whether its networks have anchors."""
        return self.sizes.networks[STUDENT].get('family') == FAMILY


def read_preset(name: str) -> DistillationPreset:
    """A preset by its name, or a file of the same form.

    Raises:
        InputError: no such preset or file, or a key is missing or unknown.
        InvalidOptionError: the input is not of multiples of 32.
    """
    path = PRESETS.get(name, Path(name))
    try:
        content = yaml.safe_load(path.read_text(encoding='utf-8'))
    except (OSError, yaml.YAMLError) as error:
        raise InputError(
            f'--preset {name}: no preset and no YAML file that can be read ({error}); presets: '
            f'{", ".join(PRESETS)}'
        ) from None
    from offline_training.recipes import flatten

    _expect(path, 'keys', content, _KEYS)
    _expect(path, 'networks', content['networks'], {TEACHER, STUDENT})
    _expect(path, 'length', content['length'], set(STAGES))
    parts = {part for variant in VARIANTS.values() for part in variant.parts}
    _expect(path, 'weights', content['weights'], parts)
    sizes = Preset(
        path=path,
        input_size_wh=parse_size(content['input_size'], multiple=32),
        sequences=content['sequences'],
        networks=content['networks'],
        length=content['length'],
        longer={},
        recipe=flatten(content['recipe']),
        more=flatten(content['more']),
        attention={},
        pipeline=flatten(content['pipeline']),
        speed={},
    )
    return DistillationPreset(sizes=sizes, weights=content['weights'])


def _expect(path: Path, what: str, content: object, names: set[str]) -> None:
    given = set(content) if isinstance(content, dict) else set()
    if given != names:
        raise InputError(
            f'{path}: {what}: missing {", ".join(sorted(names - given)) or "none"}, unknown '
            f'{", ".join(sorted(map(str, given - names))) or "none"}'
        )
