"""Sizes of the experiment: `config/experiments/compression_*.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from mot_compress_ros.errors import InputError

PRESETS: Mapping[str, Path] = {
    'small': Path('config/experiments/compression_small.yaml'),
    'full': Path('config/experiments/compression_full.yaml'),
}
KEYS: Mapping[str, frozenset[str]] = {
    'table1': frozenset(
        {
            *('images_per_class', 'epochs', 'fine_tune_epochs', 'sweep_epochs', 'amounts'),
            *('temperatures', 'alphas', 'ours', 'repeats', 'precision'),
        }
    ),
    'table2': frozenset({'input_size', 'networks', 'recipe', 'amount', 'sequences', 'speed'}),
    'table3': frozenset(
        {
            *('side_px', 'teacher_width', 'student_width', 'teacher', 'student', 'fine_tune'),
            *('amount', 'images', 'teacher_norm'),
        }
    ),
}


def read_preset(name: str, table: str) -> dict[str, Any]:
    """The part of a preset, or of a file of that form, that is about one table.

    Args:
        name: of `PRESETS`, or a path.
        table: of `KEYS`.

    Raises:
        InputError: there is no such file, or a key is missing or unknown.
    """
    path = PRESETS.get(name, Path(name))
    try:
        content = yaml.safe_load(path.read_text(encoding='utf-8'))
    except (OSError, yaml.YAMLError) as error:
        raise InputError(
            f'--preset {name}: no preset and no YAML file that can be read ({error}); presets: '
            f'{", ".join(PRESETS)}'
        ) from None
    part = content.get(table) if isinstance(content, dict) else None
    given = set(part) if isinstance(part, dict) else set()
    if given != KEYS[table]:
        raise InputError(
            f'{path}: {table}: expected the keys {", ".join(sorted(KEYS[table]))}; missing: '
            f'{", ".join(sorted(KEYS[table] - given)) or "none"}, unknown: '
            f'{", ".join(sorted(given - KEYS[table])) or "none"}'
        )
    assert isinstance(part, dict)
    return part
