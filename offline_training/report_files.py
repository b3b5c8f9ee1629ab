"""Files that commands leave behind: checked before the work begins, and written whole or not."""

from __future__ import annotations

from collections.abc import Mapping
import json
from pathlib import Path

from mot_compress_ros.errors import InputError


def check_writable(*paths: Path | None) -> None:
    """Make the folders of files that are to be written; hours of work must not end in an error.

    Args:
        paths: of files; None stands for one that nobody asked for.

    Raises:
        InputError: one cannot be written.
    """
    for path in paths:
        if path is None:
            continue
        if path.is_dir():
            raise InputError(f'{path}: is a folder; expected the name of a file to write')
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part = _part(path)
            part.touch()
            part.unlink()
        except OSError as error:
            raise _not_written(path, error) from None


def write_text(path: Path, text: str) -> None:
    """Write a file; a kill leaves the old one or the new one, never half of one.

    Raises:
        InputError: it cannot be written.
    """
    part = _part(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding='utf-8')
        part.replace(path)
    except OSError as error:
        raise _not_written(path, error) from None


def write_report(path: Path, report: Mapping[str, object]) -> None:
    """Write a report as JSON; as `write_text`."""
    write_text(path, json.dumps(report, indent=1) + '\n')


def _part(path: Path) -> Path:
    return path.with_name(f'{path.name}.part')


def _not_written(path: Path, error: OSError) -> InputError:
    return InputError(f'{path}: cannot be written ({error.strerror or error})')
