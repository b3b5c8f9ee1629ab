"""From labelled sets of any layout to training sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from mot_compress_ros.errors import InvalidOptionError
from mot_compress_ros.options import from_mapping
from offline_training.datasets.classes import CLASS_NAMES
from offline_training.datasets.opening import read_configured
from offline_training.datasets.records import SourceConfig
from offline_training.datasets.training_images import (
    IdentityCounter,
    of_first_classes,
    training_images,
    TrainingSource,
)


def collect_sources(
    entries: Sequence[Mapping[str, object]], root: Path, *, n_class: int = len(CLASS_NAMES)
) -> list[TrainingSource]:
    """Read every set that a recipe names.

    Args:
        entries: the recipe's `sources`.
        root: folder that their paths are relative to.
        n_class: how many of the product's classes are learned, from the first; boxes of the
            others are left out.

    Raises:
        InvalidOptionError: an entry has an unknown key or value, or one that its layout does not
            know.
        InputError: a set is missing or damaged.
    """
    counter = IdentityCounter()
    sources = []
    for entry in entries:
        config = from_mapping(SourceConfig, entry)
        if not config.path:
            raise InvalidOptionError('sources: an entry has no path')
        labelled = read_configured(root / config.path, config, entry)
        images = tuple(
            of_first_classes(image, n_class)
            for image in training_images(labelled, config, counter)
        )
        sources.append(TrainingSource(name=config.path, images=images, weight=config.weight))
    return sources
