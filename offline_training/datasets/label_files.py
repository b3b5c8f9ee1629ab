"""What readers of published label files share: parsing with errors that name file and line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
import json
import math
from pathlib import Path
from typing import Any, TypeVar

from mot_compress_ros.errors import InputError

T = TypeVar('T')


def read_json(path: Path, expected: str) -> Any:
    """The content of a JSON file.

    Args:
        path: the file.
        expected: what it should be, for the error.

    Raises:
        InputError: there is no such file, or it is damaged.
    """
    if not path.is_file():
        raise InputError(f'{path}: no such file; expected {expected}')
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise InputError(
            f'{path}: damaged or half-downloaded JSON: {error}; expected {expected}'
        ) from None


def text_lines(path: Path, expected: str) -> Iterator[tuple[str, str]]:
    """Every line of a text file that says something, with file and line number for errors.

    Args:
        path: the file.
        expected: what it should be, for the error.

    Raises:
        InputError: there is no such file, or it is no text.
    """
    try:
        lines = path.read_text(encoding='utf-8').splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f'{path}: no text that can be read: {error}; expected {expected}'
        ) from None
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield f'{path}:{number}', line


def member(record: Any, key: str, kind: type[T], where: str) -> T:
    """`record[key]`, which must be of this type.

    Raises:
        InputError: it is not there, or something else.
    """
    value = record.get(key) if isinstance(record, dict) else None
    if not isinstance(value, kind):
        raise InputError(f'{where}: {key}: expected {kind.__name__}, got {_short(value)}')
    return value


def numbers(values: Any, count: int, where: str) -> list[float]:
    """`values` as finite numbers.

    Raises:
        InputError: it is not a list of `count` of them.
    """
    try:
        found = [float(v) for v in values]
    except (TypeError, ValueError):
        found = []
    if len(found) != count or not all(map(math.isfinite, found)):
        raise InputError(f'{where}: expected {count} finite numbers, got {_short(values)}')
    return found


def corner_box(values: Any, where: str) -> list[float]:
    """x1, y1, x2, y2 of a box.

    Raises:
        InputError: these are not four numbers, or the box has no area.
    """
    box = numbers(values, 4, where)
    if box[2] <= box[0] or box[3] <= box[1]:
        raise InputError(f'{where}: expected x1 < x2 and y1 < y2, got {_short(values)}')
    return box


def width_height_box(values: Any, where: str) -> list[float] | None:
    """x1, y1, x2, y2 from x, y, w, h; None for a box without area, which says nothing.

    Raises:
        InputError: these are not four numbers.
    """
    x, y, w, h = numbers(values, 4, where)
    return [x, y, x + w, y + h] if w > 0 and h > 0 else None


def legal(name: str, names: Sequence[str], where: str) -> str:
    """`name`, which must be one of `names`.

    Raises:
        InputError: it is not.
    """
    if name not in names:
        raise InputError(f'{where}: class {name!r}; legal: {", ".join(names)}')
    return name


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f'{text[:77]}...'
