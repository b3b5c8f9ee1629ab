"""Which code and data made a kept result: it is computed again where either changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
import functools
import hashlib
from pathlib import Path
from types import ModuleType

import numpy as np


@functools.cache
def source_hash(*modules: ModuleType, without: ModuleType | None = None) -> str:
    """Hash of the source of modules, and of all that lies below those that are packages.

    Args:
        modules: which.
        without: a package below one of them that is left out.
    """
    digest = hashlib.sha256()
    left_out = _path(without).parent if without else None
    for module in modules:
        path = _path(module)
        files = sorted(path.parent.rglob('*.py')) if path.name == '__init__.py' else [path]
        for file in files:
            if left_out is None or left_out not in file.parents:
                name = file.relative_to(path.parent).as_posix()
                digest.update(name.encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def _path(module: ModuleType) -> Path:
    return Path(str(module.__file__))


def content_hash(value: object) -> str:
    """Hash of a value made of dataclasses, tuples, lists, arrays and what has a `repr`."""
    digest = hashlib.sha256()
    for part in _parts(value):
        digest.update(part)
    return digest.hexdigest()[:32]


def _parts(value: object) -> Iterator[bytes]:
    """Bytes that two values have in common only where they are the same."""
    if isinstance(value, np.ndarray):
        yield f'{value.dtype}{value.shape}'.encode()
        yield value.tobytes()
    elif isinstance(value, tuple | list):
        yield f'({len(value)}'.encode()
        for item in value:
            yield from _parts(item)
    elif is_dataclass(value):
        yield type(value).__name__.encode()
        for field in fields(value):
            yield from _parts(getattr(value, field.name))
    else:
        yield repr(value).encode() + b';'
