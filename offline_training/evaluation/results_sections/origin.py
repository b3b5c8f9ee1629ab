"""What every section says first: the command, and what it ran on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def origin_lines(report: Mapping[str, Any]) -> list[str]:
    """The command that made the report, and its machine and versions; ends with an empty line."""
    environment = report['environment']
    versions = ', '.join(f'{name} {v}' for name, v in environment['versions'].items())
    return [
        f'`{report["command"]}`',
        '',
        f'{environment["cpu"]}, {environment["cores"]} cores; Python {environment["python"]}, '
        f'{versions}.',
        '',
    ]
