"""Sizes of the experiment: `config/experiments/atttrack_*.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import math
from pathlib import Path
from typing import Any

import yaml

from mot_compress_ros.errors import InputError, InvalidOptionError
from offline_training.command_options import parse_size

PRESETS: Mapping[str, Path] = {
    'small': Path('config/experiments/atttrack_small.yaml'),
    'full': Path('config/experiments/atttrack_full.yaml'),
}
NETWORKS = ('dla34', 'dla34_small', 'yolov5', 'yolov5_mid', 'yolov5_small')
# Of a teacher or the middle network; of the plain student; of all that begins with that one.
STAGES = ('whole', 'base', 'more')
_KEYS = {
    *('input_size', 'sequences', 'networks', 'length', 'recipe', 'more', 'attention'),
    *('longer', 'pipeline', 'speed'),
}


@dataclass(frozen=True, kw_only=True)
class Preset:
    """What a preset file says.

    Attributes:
        path: of the file.
        input_size_wh: of all networks, in training and after.
        sequences: so many of the data, by name; 0 for all.
        networks: options of `architecture` by network.
        length: by stage: `steps`, or `epochs` of the training halves.
        longer: by network, how many times as long it is trained.
        recipe: options of every training, by dotted name.
        more: options of the stage `more`, which win over `recipe`.
        attention: options of the section `attention` where a student is told something.
        pipeline: options of the pipeline in every evaluation.
        speed: `frames` of a turn (the most), and `repeats`.
    """

    path: Path
    input_size_wh: tuple[int, int]
    sequences: int
    networks: Mapping[str, Mapping[str, object]]
    length: Mapping[str, Mapping[str, float]]
    longer: Mapping[str, float]
    recipe: Mapping[str, object]
    more: Mapping[str, object]
    attention: Mapping[str, object]
    pipeline: Mapping[str, object]
    speed: Mapping[str, int]

    @property
    def batch_size(self) -> int:
        """Images of a step."""
        return int(str(self.recipe['train.batch_size']))

    def steps(self, stage: str, *, images: int, share: float = 1.0, network: str = '') -> int:
        """Optimizer steps of a training.

        Args:
            stage: one of `STAGES`.
            images: in the training halves.
            share: of the steps that the file asks for.
            network: one of `NETWORKS`; '' for one that is not trained longer than the others.
        """
        length = self.length[stage]
        steps = length.get('steps') or length['epochs'] * images / self.batch_size
        return max(1, math.ceil(share * self.longer.get(network, 1) * steps))


def read_preset(name: str) -> Preset:
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
    _check(content, path)
    from offline_training.recipes import flatten

    return Preset(
        path=path,
        input_size_wh=parse_size(content['input_size'], multiple=32),
        sequences=content['sequences'],
        networks=content['networks'],
        length=content['length'],
        longer=content['longer'],
        recipe=flatten(content['recipe']),
        more=flatten(content['more']),
        attention=content['attention'],
        pipeline=flatten(content['pipeline']),
        speed=content['speed'],
    )


def _check(content: Any, path: Path) -> None:
    if not isinstance(content, dict) or set(content) != _KEYS:
        given = set(content) if isinstance(content, dict) else set()
        raise InputError(
            f'{path}: expected the keys {", ".join(sorted(_KEYS))}; missing: '
            f'{", ".join(sorted(_KEYS - given)) or "none"}, unknown: '
            f'{", ".join(sorted(map(str, given - _KEYS))) or "none"}'
        )
    if set(content['networks']) != set(NETWORKS) or set(content['length']) != set(STAGES):
        raise InputError(
            f'{path}: expected the networks {", ".join(NETWORKS)} and the lengths '
            f'{", ".join(STAGES)}'
        )
    longer = content['longer']
    if not set(longer) <= set(NETWORKS) or not all(value > 0 for value in longer.values()):
        raise InvalidOptionError(
            f'{path}: longer: expected factors above 0 by network ({", ".join(NETWORKS)}), got '
            f'{longer}'
        )
    for stage, length in content['length'].items():
        if set(length) not in ({'steps'}, {'epochs'}) or not min(length.values()) > 0:
            raise InvalidOptionError(
                f'{path}: length.{stage}: expected steps or epochs, above 0; got {length}'
            )
