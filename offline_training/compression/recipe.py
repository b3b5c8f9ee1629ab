"""What a `compress` recipe says, every key checked before hours are spent on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
import re
from typing import Any

import yaml

from mot_compress_ros.errors import InvalidOptionError
from mot_compress_ros.inference import BackendOptions
from mot_compress_ros.options import from_mapping

DATA = '$DATA'  # stands for --data in every text of a recipe
START = 'start'  # name of the model as it came
_NAME = re.compile(r'[a-z0-9_]+')
_KEYS = {'model': str, 'teacher': str, 'input_size': str, 'runtime': dict, 'steps': list}
_PARTS = {'scores': dict, 'speed': dict}
_STEP_KEYS = ('name', 'command', 'with', 'runtime')
_SCORE_KEYS = ('data', 'bdd', 'teacher', 'keyframe_interval', 'set')
_SPEED = {'size': '1088x608', 'frames': 60, 'repeats': 5}


@dataclass(frozen=True, kw_only=True)
class StepRecipe:
    """One step.

    Attributes:
        name: unique, of small letters, digits and underscores.
        command: one of `steps.COMMANDS`.
        options: of the command, by long name without dashes; a list is several values, a mapping
            is several NAME=VALUE, true is a flag.
        runtime: options `runtime.*` with which the node would run what this step leaves behind.
    """

    name: str
    command: str
    options: Mapping[str, Any] = field(default_factory=dict)
    runtime: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class CompressRecipe:
    """What becomes of a model, and how each step is judged.

    Attributes:
        model: bundle that it begins with.
        teacher: bundle that teaches wherever a command asks one; '' for none.
        input_size: WxH of the network in the vehicle; '' as the bundle says.
        runtime: of the model as it came.
        steps: in order; each takes what the one before left.
        scores: arguments of `evaluate`, by long name; {} judges nothing.
        speed: `size`, `frames` and `repeats` of the turns; {} measures nothing.
    """

    model: str
    teacher: str = ''
    input_size: str = ''
    runtime: Mapping[str, Any] = field(default_factory=dict)
    steps: Sequence[StepRecipe]
    scores: Mapping[str, Any] = field(default_factory=dict)
    speed: Mapping[str, Any] = field(default_factory=dict)


def read_compress_recipe(
    path: Path, *, data: Path | None, commands: Sequence[str]
) -> CompressRecipe:
    """Read and check a recipe.

    Args:
        path: YAML.
        data: what `$DATA` stands for.
        commands: that a step may name.

    Raises:
        InvalidOptionError: it cannot be read, or a key or value is not what is expected; the
            message names it.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding='utf-8'))
    except (OSError, yaml.YAMLError) as error:
        raise InvalidOptionError(f'{path}: not readable as YAML ({error})') from None
    if not isinstance(content, dict):
        raise InvalidOptionError(f'{path}: expected the keys {", ".join([*_KEYS, *_PARTS])}')
    try:
        return _recipe(_with_data(content, data), commands)
    except InvalidOptionError as error:
        raise InvalidOptionError(f'{path}: {error}') from None


def _recipe(content: dict[str, Any], commands: Sequence[str]) -> CompressRecipe:
    _check_keys('the recipe', content, {**_KEYS, **_PARTS})
    for key, kind in {**_KEYS, **_PARTS}.items():
        if key in content and not isinstance(content[key], kind):
            raise InvalidOptionError(f'{key}: expected {_WORDS[kind]}, got {content[key]!r}')
    if not content.get('model') or not content.get('steps'):
        raise InvalidOptionError('model and steps: needed')
    steps = [_step(entry, commands) for entry in content['steps']]
    names = [START, *(step.name for step in steps)]
    if doubles := sorted({name for name in names if names.count(name) > 1}):
        raise InvalidOptionError(f'steps: the name {doubles[0]} is there twice')
    _check_keys('scores', content.get('scores', {}), _SCORE_KEYS)
    _check_keys('speed', content.get('speed', {}), _SPEED)
    from_mapping(BackendOptions, content.get('runtime', {}))
    speed = {**_SPEED, **content['speed']} if content.get('speed') else {}
    return CompressRecipe(**{**content, 'steps': steps, 'speed': speed})


def _step(entry: object, commands: Sequence[str]) -> StepRecipe:
    if not isinstance(entry, dict):
        raise InvalidOptionError(f'steps: expected mappings, got {entry!r}')
    _check_keys('a step', entry, _STEP_KEYS)
    name, command = entry.get('name'), entry.get('command')
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidOptionError(
            f'steps: name: expected small letters, digits and underscores, got {name!r}'
        )
    if not isinstance(command, str) or command not in commands:
        raise InvalidOptionError(
            f'steps: {name}: command: expected one of {", ".join(commands)}, got {command!r}'
        )
    options, runtime = entry.get('with') or {}, entry.get('runtime') or {}
    for key, value in (('with', options), ('runtime', runtime)):
        if not isinstance(value, dict):
            raise InvalidOptionError(f'steps: {name}: {key}: expected a mapping, got {value!r}')
    from_mapping(BackendOptions, runtime)
    return StepRecipe(name=name, command=command, options=options, runtime=runtime)


def _check_keys(
    where: str, content: Mapping[str, object], legal: Sequence[str] | Mapping[str, object]
) -> None:
    if unknown := sorted(content.keys() - set(legal)):
        raise InvalidOptionError(f'{where}: {unknown[0]}: unknown; legal: {", ".join(legal)}')


def _with_data(value: Any, data: Path | None) -> Any:
    """Every text with `$DATA` filled in."""
    if isinstance(value, dict):
        return {key: _with_data(inner, data) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_data(inner, data) for inner in value]
    if isinstance(value, str) and DATA in value:
        if data is None:
            raise InvalidOptionError(f'{value}: give the folder of the data sets with --data')
        return value.replace(DATA, str(data))
    return value


_WORDS = {str: 'a text', dict: 'a mapping', list: 'a list'}
