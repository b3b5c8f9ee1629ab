"""How well the runs track each sequence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from offline_training.reports import EVALUATIONS
from offline_training.reports.content import Cell, Chart, Section, Table
from offline_training.reports.plots import dots, Series
from offline_training.reports.runs import dig, Run
from offline_training.reports.scores import (
    by_name,
    COLUMNS,
    in_order,
    in_percent,
    parts,
    score_cells,
    Scores,
)

PARTIAL_COLUMNS = (
    ('recall', 'recall'),
    ('id_recall', 'ID recall'),
    ('id_switches', 'IDSW'),
    ('fragments', 'fragments'),
)
MOST_ROWS = 40


def section(runs: Sequence[Run]) -> Section | None:
    """Charts and tables, where there are several sequences or partly labelled ones."""
    scored = [run for run in runs if run.kind in EVALUATIONS]
    shown = [*_sequences(scored), *_partial(scored)]
    return Section(title='Sequences', note='', parts=shown) if shown else None


def _sequences(runs: Sequence[Run]) -> list[Table | Chart]:
    """HOTA of each sequence, where there are several."""
    of_run = {run.label: by_name(run, partly=False) for run in runs}
    names = in_order(name for found in of_run.values() for name in found)
    if len(names) < 2:
        return []
    columns = COLUMNS[:5]
    rows: list[list[Cell | str]] = []
    for name in names:
        present = [(run, of_run[run.label][name]) for run in runs if name in of_run[run.label]]
        for k, (run, _) in enumerate(present):
            label = Cell(text=f'{name}, {run.label}', color=run.color)
            rows.append([label, *score_cells(columns, present, k, ('all',))])
    head = ['sequence, run', *(label for _, label in columns)]
    return [
        _sequence_chart(runs, of_run, names[:MOST_ROWS], hidden=len(names) - MOST_ROWS),
        Table(title='by sequence, all classes', head=head, rows=rows, folded=True),
    ]


def _sequence_chart(
    runs: Sequence[Run],
    of_run: Mapping[str, Mapping[str, Scores]],
    names: Sequence[str],
    *,
    hidden: int,
) -> Chart:
    series = [
        Series(
            label=run.label,
            color=run.color,
            marker=run.marker,
            y=[in_percent(dig(of_run[run.label], name, 'all', 'hota')) for name in names],
        )
        for run in runs
    ]
    title = 'HOTA by sequence, all classes'
    if hidden > 0:
        title += f' (the first {len(names)}; {hidden} are in the table only)'
    return dots('hota-sequences', title, rows=names, series=series, unit='HOTA, %')


def _partial(runs: Sequence[Run]) -> list[Table | Chart]:
    """Sequences of which only some objects are labelled."""
    of_run = {run.label: by_name(run, partly=True) for run in runs}
    names = in_order(name for found in of_run.values() for name in found)
    rows: list[list[Cell | str]] = []
    for name in names:
        present = [(run, of_run[run.label][name]) for run in runs if name in of_run[run.label]]
        for keys, label in parts([scores for _, scores in present]):
            for k, (run, _) in enumerate(present):
                text = Cell(text=f'{name}, {label}, {run.label}', color=run.color)
                rows.append([text, *score_cells(PARTIAL_COLUMNS, present, k, keys)])
    head = ['partly labelled sequence, class, run', *(label for _, label in PARTIAL_COLUMNS)]
    return [Table(title='partly labelled', head=head, rows=rows, folded=True)] if rows else []
