"""Labelled sets that a tracker of ours can be scored on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mot_compress_ros.errors import InputError
from offline_training.datasets.classes import CLASS_NAMES
from offline_training.datasets.opening import open_set
from offline_training.datasets.records import LabelledSet


def read_set(path: Path, settings: Mapping[str, object]) -> LabelledSet:
    """Read a set of any layout whose classes are those of the product.

    Args:
        path: folder or file.
        settings: options of `SourceConfig`; without `layout` it is recognised.

    Raises:
        InputError: it is of no known layout, damaged, or has other classes.
        InvalidOptionError: an option is unknown, or of another layout.
    """
    labelled = open_set(path, settings)
    if tuple(labelled.class_names) != CLASS_NAMES:
        raise InputError(
            f'{path}: has the classes {", ".join(labelled.class_names)}; a tracker is scored on '
            f'{", ".join(CLASS_NAMES)} (some layouts have --data-option classes=product)'
        )
    return labelled
