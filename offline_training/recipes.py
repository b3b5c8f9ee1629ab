"""Training recipes: a short YAML file of differences from the defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from mot_compress_ros.errors import InputError
from mot_compress_ros.networks import ArchitectureConfig
from mot_compress_ros.options import from_mapping
from offline_training.datasets.augment import AugmentConfig
from offline_training.engine import TrainConfig
from offline_training.losses.joint import LossWeights


@dataclass(frozen=True, kw_only=True)
class RecipeConfig:
    """Options of one training run; dotted names in YAML may be nested mappings."""

    architecture: ArchitectureConfig = field(default_factory=ArchitectureConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    loss: LossWeights = field(default_factory=LossWeights)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A recipe file: its options and the data sets it draws from."""

    config: RecipeConfig
    sources: tuple[Mapping[str, object], ...]


def read_recipe(path: Path, overrides: Mapping[str, object] | None = None) -> Recipe:
    """Read a recipe; `overrides` are dotted names that win over the file.

    Raises:
        InputError: not a YAML mapping with `sources`.
        InvalidOptionError: an unknown key or an illegal value.
    """
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise InputError(f'{path}: not readable as YAML ({error})') from None
    if not isinstance(content, dict) or not isinstance(content.get('sources'), list):
        raise InputError(f'{path}: expected a mapping with a list `sources`')
    sources = tuple(content.pop('sources'))
    values = {**flatten(content), **(overrides or {})}
    return Recipe(config=from_mapping(RecipeConfig, values), sources=sources)


def flatten(content: Mapping[str, Any], prefix: str = '') -> dict[str, object]:
    """Nested mappings to dotted names."""
    flat: dict[str, object] = {}
    for key, value in content.items():
        if isinstance(value, Mapping):
            flat.update(flatten(value, prefix=f'{prefix}{key}.'))
        else:
            flat[f'{prefix}{key}'] = value
    return flat
