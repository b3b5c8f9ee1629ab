"""From labelled sets of any layout to training sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import importlib
from pathlib import Path

from mot_compress_ros.errors import InvalidOptionError
from mot_compress_ros.options import from_mapping
from offline_training.datasets import LAYOUTS
from offline_training.datasets.records import SourceConfig
from offline_training.datasets.training_images import (
    IdentityCounter,
    training_images,
    TrainingSource,
)


def collect_sources(entries: Sequence[Mapping[str, object]], root: Path) -> list[TrainingSource]:
    """Read every set that a recipe names.

    Args:
        entries: the recipe's `sources`.
        root: folder that their paths are relative to.

    Raises:
        InvalidOptionError: an entry has an unknown key or value, or one that its layout does not
            know.
        InputError: a set is missing or damaged.
    """
    counter = IdentityCounter()
    modules = {name: importlib.import_module(path) for name, path in LAYOUTS.items()}
    particular = frozenset().union(*(module.OPTIONS for module in modules.values()))
    sources = []
    for entry in entries:
        config = from_mapping(SourceConfig, entry)
        if not config.path:
            raise InvalidOptionError('sources: an entry has no path')
        layout = modules[config.layout]
        foreign = sorted(set(entry) & (particular - layout.OPTIONS))
        if foreign:
            raise InvalidOptionError(
                f'sources: {config.path}: {", ".join(foreign)} means nothing in the layout '
                f'{config.layout}; remove it'
            )
        labelled = layout.read(root / config.path, config)
        images = training_images(labelled, config, counter)
        sources.append(
            TrainingSource(name=config.path, images=tuple(images), weight=config.weight)
        )
    return sources
