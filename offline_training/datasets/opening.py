"""Which layout a folder has, and reading it with the options of that layout."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
import importlib
from pathlib import Path
from types import ModuleType

from mot_compress_ros.errors import InputError, InvalidOptionError
from mot_compress_ros.options import from_mapping
from offline_training.command_options import typed
from offline_training.datasets import LAYOUTS
from offline_training.datasets.records import LabelledSet, SourceConfig

_MAX_DEPTH = 3
_MAX_HINTS = 6


def open_set(path: Path, settings: Mapping[str, object]) -> LabelledSet:
    """Read the set at `path`.

    Args:
        path: folder or file.
        settings: options of `SourceConfig`, texts or values; without `layout` it is recognised.

    Raises:
        InputError: nothing is there, its layout is unknown, or it is damaged.
        InvalidOptionError: an option is unknown, out of range, or of another layout.
    """
    _require(path)
    values = typed(
        SourceConfig, {'layout': settings.get('layout') or recognised(path), **settings}
    )
    return read_configured(
        path, from_mapping(SourceConfig, {**values, 'path': str(path)}), settings
    )


def read_configured(path: Path, config: SourceConfig, given: Collection[str]) -> LabelledSet:
    """Read the set at `path` with the layout and the options of `config`.

    Args:
        path: folder or file.
        config: all options.
        given: names of those that were asked for, which must mean something in the layout.

    Raises:
        InputError: nothing is there, it is damaged, or two of its sequences have one name.
        InvalidOptionError: an option is of another layout.
    """
    layout = layout_module(config.layout)
    foreign = sorted(set(given) & (_particular_options() - layout.OPTIONS))
    if foreign:
        raise InvalidOptionError(
            f'{path}: {", ".join(foreign)} means nothing in the layout {config.layout}; legal '
            f'there: {", ".join(sorted(layout.OPTIONS)) or "none"}'
        )
    _require(path)
    labelled: LabelledSet = layout.read(path, config)
    if not len(labelled):
        raise InputError(f'{path}: read as {config.layout}: holds no image and no frame')
    names = Counter(sequence.name for sequence in labelled.sequences)
    doubles = sorted(name for name, count in names.items() if count > 1)
    if doubles:
        raise InputError(f'{path}: two sequences are called {", ".join(doubles)}; rename one')
    return labelled


def _require(path: Path) -> None:
    if not path.exists():
        raise InputError(f'{path}: no such file or folder')


def layout_module(name: str) -> ModuleType:
    """The module of a layout in `LAYOUTS`."""
    return importlib.import_module(LAYOUTS[name])


def recognised(path: Path) -> str:
    """The name of the first layout that recognises `path`.

    Raises:
        InputError: none does; the message lists them, and folders below that one recognises.
    """
    name = _recognised(path)
    if name:
        return name
    below = _sets_below(path)
    hint = f'Below it there is {"; ".join(below)}. ' if below else ''
    width = max(map(len, LAYOUTS))
    known = '\n'.join(f'  {name:<{width}}  {looks_for(name)}' for name in LAYOUTS)
    raise InputError(
        f'{path}: not a set of a known layout. {hint}--layout names one; the known ones:\n{known}'
    )


def looks_for(name: str) -> str:
    """What a layout looks for: the first sentence of its module, in one line."""
    doc = (layout_module(name).__doc__ or name).strip().split('\n\n')[0]
    return ' '.join(doc.split()).removeprefix('Read ')


def _recognised(path: Path) -> str:
    return next((name for name in LAYOUTS if layout_module(name).recognises(path)), '')


def _sets_below(path: Path) -> list[str]:
    """Folders below that a layout recognises; what lies in such a folder is not looked at."""
    found: list[str] = []
    level = [path]
    for _ in range(_MAX_DEPTH):
        children = [c for p in level if p.is_dir() for c in sorted(p.iterdir()) if c.is_dir()]
        level = []
        for child in children[:100]:
            name = _recognised(child)
            if name:
                found.append(f'{child} ({name})')
            else:
                level.append(child)
        if len(found) >= _MAX_HINTS:
            break
    more = [f'{len(found) - _MAX_HINTS} more'] if len(found) > _MAX_HINTS else []
    return found[:_MAX_HINTS] + more


def _particular_options() -> frozenset[str]:
    """Options that have a meaning for some layouts only."""
    return frozenset().union(*(layout_module(name).OPTIONS for name in LAYOUTS))
