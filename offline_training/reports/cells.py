"""Cells of tables: values as people read them, and what changed against the first run."""

from __future__ import annotations

from collections.abc import Sequence

from offline_training.reports.content import Cell, DASH
from offline_training.reports.runs import as_number, Run

# Counts of what went wrong: fewer is better.
LOWER_IS_BETTER = frozenset(
    {'mostly_lost', 'id_switches', 'fragments', 'false_positives', 'misses', 'ms'}
)


def run_cell(run: Run) -> Cell:
    """The run's name with its colour."""
    return Cell(text=run.label, color=run.color)


def percent(value: object) -> str:
    """A ratio in per cent with one decimal; a dash for what is none."""
    number = as_number(value)
    return DASH if number is None else f'{100 * number:.1f}'


def plain(value: object, digits: int = 1) -> str:
    """A number; a count stays whole; a dash for what is none."""
    number = as_number(value)
    if number is None:
        return DASH
    return str(number) if isinstance(number, int) else f'{number:.{digits}f}'


def score_cell(
    field: str, value: object, *, first: object = None, interval: Sequence[object] = ()
) -> Cell:
    """A ratio or a count, its interval, and its difference to the first run.

    Args:
        field: name of the score; says whether more is better.
        value: a float is a ratio, an int a count.
        first: the first run's; None where there is nothing to compare.
        interval: low and high, or nothing.
    """
    number = as_number(value)
    if number is None:
        return Cell(text=DASH)
    is_count = isinstance(number, int)
    text = str(number) if is_count else f'{100 * number:.1f}'
    ends = [as_number(end) for end in interval]
    has_interval = len(ends) == 2 and None not in ends
    reference = as_number(first)
    change = None if reference is None else (1 if is_count else 100) * (number - reference)
    return Cell(
        text=text,
        interval=f'[{percent(ends[0])}, {percent(ends[1])}]' if has_interval else '',
        note='' if change is None else signed(change),
        tone='' if change is None else tone_of(field, change),
    )


def signed(change: float) -> str:
    """A difference with its sign; a count stays whole, and nothing is nothing."""
    if isinstance(change, int):
        return f'{change:+d}' if change else '0'
    text = f'{change:+.1f}'
    return '0.0' if float(text) == 0 else text


def tone_of(field: str, change: float) -> str:
    """'better', 'worse', or '' where the change would not be seen in the table."""
    if abs(change) < 0.05:
        return ''
    return 'better' if (change > 0) != (field in LOWER_IS_BETTER) else 'worse'
