"""What models cost: parameters, multiply-adds and megabytes, in both ways to count them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from offline_training.reports import EVALUATIONS, SIZES
from offline_training.reports.cells import plain
from offline_training.reports.content import Cell, DASH, Section, Table
from offline_training.reports.runs import as_number, dig, entries, Run

PRECISIONS = ('fp32', 'fp16', 'int8')


def section(runs: Sequence[Run]) -> Section | None:
    """One row per model; runs of `sizes` know more of it than an evaluation does."""
    rows: list[list[Cell | str]] = []
    known: set[str] = set()
    for run in sorted(runs, key=lambda run: run.kind != SIZES):
        for model in measured(run):
            name = str(model.get('name') or DASH)
            if run.kind == SIZES or name not in known:
                rows.append(_row(name, model))
            known.add(name)
    if not rows:
        return None
    head = ['model', 'input', 'parameters', 'GMAC', *PRECISIONS, 'file', 'as in the paper']
    return Section(
        title='Size',
        note='Megabytes of 10^6 bytes: the weights as shipped at each precision, the file as it '
        'is, and a training checkpoint as FairMOT writes it.',
        parts=[Table(title='', head=head, rows=rows, text_columns=2)],
    )


def measured(run: Run) -> list[Mapping[str, Any]]:
    """The models of a run of `sizes`, or the networks of an evaluation in the same form."""
    if run.kind in EVALUATIONS:
        roles = {'student': 'model', 'teacher': 'teacher'}
        found = [(run.get(key), run.get('sizes', role)) for role, key in roles.items()]
        return [_of_evaluation(model, sizes) for model, sizes in found if sizes]
    return entries(run.content, 'models') if run.kind == SIZES else []


def _of_evaluation(model: object, sizes: object) -> Mapping[str, Any]:
    return {
        'name': dig(model, 'name'),
        'input_size_wh': dig(model, 'input_size_wh'),
        'parameters': dig(sizes, 'parameters'),
        'shipped_bytes': {p: _scaled(dig(sizes, 'shipped_mb', p), 1e-6) for p in PRECISIONS},
        'paper_bytes': _scaled(dig(sizes, 'paper_mb'), 1e-6),
    }


def weights_mb(runs: Sequence[Run], run: Run) -> float | None:
    """Single-precision weights of a run's networks together; None where one is unknown."""
    names = [run.get('model', 'name'), run.get('teacher', 'name')]
    wanted = [name for name in names if isinstance(name, str)]
    models = [model for source in (run, *runs) for model in measured(source)]
    sizes = [
        next((dig(m, 'shipped_bytes', 'fp32') for m in models if m.get('name') == name), None)
        for name in wanted
    ]
    known = [size for value in sizes if (size := _scaled(value, 1e6)) is not None]
    return sum(known) if known and len(known) == len(wanted) else None


def _row(name: str, model: Mapping[str, Any]) -> list[Cell | str]:
    size_wh = model.get('input_size_wh')
    return [
        name,
        'x'.join(map(str, size_wh)) if isinstance(size_wh, list) else DASH,
        plain(model.get('parameters')),
        plain(_scaled(model.get('macs'), 1e9), 2),
        *(plain(_scaled(dig(model, 'shipped_bytes', p), 1e6), 2) for p in PRECISIONS),
        plain(_scaled(model.get('file_bytes'), 1e6), 2),
        plain(_scaled(model.get('paper_bytes'), 1e6), 1),
    ]


def _scaled(value: object, unit: float) -> float | None:
    number = as_number(value)
    return None if number is None else number / unit
