"""What `experiments recipe` found: each change of the training against the baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from offline_training.reports import RECIPE
from offline_training.reports.cells import percent, plain, signed, tone_of
from offline_training.reports.content import Cell, Section, Table
from offline_training.reports.runs import as_number, dig, entries, Run
from offline_training.reports.scores import in_order, mapping

LABELS = {'hota': 'HOTA', 'mota': 'MOTA', 'idf1': 'IDF1', 'ap50': 'AP50', 'reid': 're-ID'}


def section(runs: Sequence[Run]) -> Section | None:
    """A table per run."""
    tables = [_table(run) for run in runs if run.kind == RECIPE and entries(run.content, 'rows')]
    if not tables:
        return None
    note = 'Per cent, means over seeds and origins; small: the difference to the baseline.'
    return Section(title='Experiments', note=note, parts=tables)


def _table(run: Run) -> Table:
    found = entries(run.content, 'rows')
    measures = in_order(key for row in found for key in mapping(row.get('values')))
    rows: list[list[Cell | str]] = [
        [
            str(row.get('name')),
            str(run.get('variants', str(row.get('name')), 'what') or ''),
            *(_cell(row, measure) for measure in measures),
            _gain(row),
            plain(row.get('seeds')),
            'yes' if row.get('kept') is True else 'no',
        ]
        for row in found
    ]
    head = ['variant', 'what', *(LABELS.get(m, m) for m in measures), 'gain', 'seeds', 'kept']
    return Table(title=run.label, head=head, rows=rows, text_columns=2)


def _cell(row: Mapping[str, object], measure: str) -> Cell:
    change = as_number(dig(row, 'differences', measure))
    return Cell(
        text=percent(dig(row, 'values', measure)),
        note='' if change is None else signed(100 * change),
        tone='' if change is None else tone_of(measure, 100 * change),
    )


def _gain(row: Mapping[str, object]) -> Cell:
    if not row.get('differences'):
        return Cell(text='')  # the baseline
    gain, error = as_number(row.get('gain')), as_number(row.get('error'))
    note = f'± {100 * error:.1f}' if error else ''
    return Cell(text='' if gain is None else f'{100 * gain:+.1f}', note=note)
