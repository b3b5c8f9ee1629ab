"""The page of results: every number comes from a JSON file, every table names its command."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
import importlib
from typing import Any

from mot_compress_ros.errors import InputError
from offline_training.evaluation.results_sections import before_after, SECTIONS

HEAD = """# Measured results

This page is written by `python -m offline_training results`; no number is typed by hand.
Ratios are in per cent, times in milliseconds.
"""


def results_page(
    reports: Sequence[Mapping[str, Any]],
    *,
    compared: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]] = (),
) -> str:
    """Markdown of all reports, in their order, then of pairs before and after a change.

    Raises:
        InputError: a report is of an unknown kind, or lacks what its kind has.
    """
    sections = []
    for report in reports:
        if str(report['kind']) not in SECTIONS:
            raise InputError(f'report of kind {report["kind"]!r}; legal: {", ".join(SECTIONS)}')
        sections.append(_section(report))
    sections += [_compared(before, after) for before, after in compared]
    return '\n'.join([HEAD, *sections])


def _section(report: Mapping[str, Any]) -> str:
    section = importlib.import_module(SECTIONS[report['kind']]).section
    return _rendered(section, report)


def _compared(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    return _rendered(before_after.section, before, after)


def _rendered(section: Callable[..., str], *reports: Mapping[str, Any]) -> str:
    try:
        return str(section(*reports))
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
        raise InputError(
            f'the report of `{reports[-1]["command"]}` is not as its kind, '
            f'{reports[-1]["kind"]!r}, has it '
            f'({type(error).__name__}: {error}); run the command again'
        ) from error
