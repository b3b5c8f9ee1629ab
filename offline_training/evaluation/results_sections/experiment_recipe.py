"""What changes to the recipe of training are worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from offline_training.evaluation.results_sections.origin import origin_lines
from offline_training.experiments.comparison import comparison_table, Row


def section(report: Mapping[str, Any]) -> str:
    """One row per variant, the baseline first."""
    names = [field.name for field in fields(Row)]
    rows = [Row(**{name: row[name] for name in names}) for row in report['rows']]
    what = {name: variant['what'] for name, variant in report['variants'].items()}
    settings = ', '.join(f'{name} {value}' for name, value in report['settings'].items())
    note = (
        f'Preset `{report["preset"]}`: {settings}; seeds {", ".join(map(str, report["seeds"]))}. '
        'Ratios in per cent, means over real and synthetic data; Δ and gain are differences to '
        'the first row in points. Kept is what gains more than the standard error over the seeds.'
    )
    if len(report['seeds']) == 1:
        note += ' With one seed nobody knows how much of a difference is chance.'
    if report.get('seed_spread') is not None:
        spread = 100 * report['seed_spread']
        note += f' The seeds alone move the mean of the first row by {spread:.1f} points.'
    if report.get('started_from'):
        note += f' All start from `{report["started_from"]}` as it was shipped at the time.'
    seeds = len(report['seeds'])
    title = f'## Changes to the training recipe, {seeds} seed{"s" if seeds > 1 else ""}'
    table = comparison_table(rows, what)
    return '\n'.join([title, '', *origin_lines(report), note, '', table, ''])
