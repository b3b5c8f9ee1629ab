"""How good results are that were written by a tracker, ours or another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from offline_training.evaluation.results_sections.evaluation import notes, tables
from offline_training.evaluation.results_sections.origin import origin_lines


def section(report: Mapping[str, Any]) -> str:
    """The table of tracking."""
    title = f'## Scores of {report["results"]} by the rules of {report["protocol"]}'
    lines = [*origin_lines(report), notes(report), '', *tables(report)]
    return '\n'.join([title, '', *lines, ''])
