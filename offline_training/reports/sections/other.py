"""Runs of other kinds, such as sizes or experiments: every number that they hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from offline_training.reports import KINDS
from offline_training.reports.cells import plain
from offline_training.reports.content import Cell, DASH, Section, Table
from offline_training.reports.runs import as_number, COMMON_KEYS, Run

MOST_ROWS = 400
_DIGITS = 4


def section(runs: Sequence[Run]) -> Section | None:
    """A table per kind: one row per value, one column per run."""
    others = [run for run in runs if run.kind not in KINDS]
    if not others:
        return None
    kinds = list(dict.fromkeys(run.kind for run in others))
    tables = [_table(kind, [run for run in others if run.kind == kind]) for kind in kinds]
    return Section(title='Other measurements', note='', parts=tables)


def _table(kind: str, runs: Sequence[Run]) -> Table:
    of_run = [
        dict(flat({k: v for k, v in run.content.items() if k not in COMMON_KEYS})) for run in runs
    ]
    keys = list(dict.fromkeys(key for values in of_run for key in values))
    rows: list[list[Cell | str]] = [
        [key, *(_text(values.get(key)) for values in of_run)] for key in keys[:MOST_ROWS]
    ]
    hidden = len(keys) - MOST_ROWS
    title = f'{kind} (the first {MOST_ROWS} of {len(keys)} values)' if hidden > 0 else kind
    head = ['value', *(run.label for run in runs)]
    return Table(title=title, head=head, rows=rows, folded=len(rows) > 60)


def flat(content: object, prefix: str = '') -> Iterator[tuple[str, object]]:
    """Leaves of nested dictionaries and lists, with the path to each."""
    if isinstance(content, Mapping):
        for key, value in content.items():
            yield from flat(value, f'{prefix}.{key}' if prefix else str(key))
    elif isinstance(content, list):
        for number, value in enumerate(content):
            yield from flat(value, f'{prefix}[{number}]')
    else:
        yield prefix, content


def _text(value: object) -> str:
    if value is None:
        return DASH
    return plain(value, _DIGITS) if as_number(value) is not None else str(value)
