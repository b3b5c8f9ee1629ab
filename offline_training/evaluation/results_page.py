"""The page of results: every number comes from a JSON file, every table names its command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import importlib
from typing import Any

from mot_compress_ros.errors import InputError
from offline_training.evaluation.results_sections import SECTIONS

HEAD = """# Measured results

This page is written by `python -m offline_training results`; no number is typed by hand.
Ratios are in per cent, times in milliseconds.
"""


def results_page(reports: Sequence[Mapping[str, Any]]) -> str:
    """Markdown of all reports, in their order.

    Raises:
        InputError: a report is of an unknown kind, or lacks what its kind has.
    """
    sections = []
    for report in reports:
        if str(report['kind']) not in SECTIONS:
            raise InputError(f'report of kind {report["kind"]!r}; legal: {", ".join(SECTIONS)}')
        sections.append(_section(report))
    return '\n'.join([HEAD, *sections])


def _section(report: Mapping[str, Any]) -> str:
    section = importlib.import_module(SECTIONS[report['kind']]).section
    try:
        return str(section(report))
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
        raise InputError(
            f'the report of `{report["command"]}` is not as its kind, {report["kind"]!r}, has it '
            f'({type(error).__name__}: {error}); run the command again'
        ) from error
