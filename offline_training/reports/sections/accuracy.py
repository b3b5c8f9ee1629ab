"""How well the runs track: all sequences of one origin together, and by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mot_compress_ros.errors import MotCompressError
from offline_training.reports import EVALUATIONS
from offline_training.reports.cells import run_cell, signed, tone_of
from offline_training.reports.content import Cell, Chart, DASH, file_name, Section, Table
from offline_training.reports.plots import grouped_bars, Series
from offline_training.reports.runs import as_number, dig, Run
from offline_training.reports.scores import (
    COLUMNS,
    defined,
    in_order,
    in_percent,
    interval,
    mapping,
    parts,
    protocol,
    score_cells,
    Scores,
    sequence_names,
)


def section(runs: Sequence[Run]) -> Section | None:
    """Tables and charts of the evaluations."""
    scored = [run for run in runs if run.kind in EVALUATIONS]
    if not scored:
        return None
    shown: list[Table | Chart] = []
    for origin in in_order(key for run in scored for key in mapping(run.get('combined'))):
        shown += _of_origin(scored, origin)
    shown += _changes(scored)
    return Section(title='Tracking', note=_note(scored), parts=shown) if shown else None


def _note(runs: Sequence[Run]) -> str:
    note = 'Ratios in per cent.'
    protocols = {protocol(run) for run in runs}
    if len(protocols) > 1:
        by_run = ', '.join(f'{run.label} by {protocol(run)}' for run in runs)
        note += f' Judged by different rules, which cannot be compared: {by_run}.'
    for run in runs:
        failed = in_order(mapping(run.get('failed')))
        if failed:
            note += f' {run.label} is without {", ".join(failed)}, which could not be scored.'
    confidence = next(
        (c for run in runs if (c := as_number(run.get('bootstrap', 'confidence')))), None
    )
    if confidence is not None:
        note += f' Intervals: bootstrap over sequences, {confidence:.0%}.'
    return note


def _of_origin(runs: Sequence[Run], origin: str) -> list[Table | Chart]:
    of_run = [(run, run.get('combined', origin)) for run in runs]
    present = [(run, scores) for run, scores in of_run if isinstance(scores, Mapping)]
    rows = [
        [run_cell(run), *score_cells(COLUMNS, present, k, ('all',))]
        for k, (run, _) in enumerate(present)
    ]
    labels = [label for _, label in COLUMNS]
    names = {tuple(sequence_names(scores)) for _, scores in present}
    differs = ' (of different sequences)' if len(names) > 1 else ''
    return [
        Table(title=f'{origin}, all classes{differs}', head=['run', *labels], rows=rows),
        _class_chart(present, origin),
        Table(
            title=f'{origin}, by class',
            head=['class, run', *labels],
            rows=_class_rows(present),
            folded=True,
        ),
    ]


def _class_rows(present: Sequence[tuple[Run, Scores]]) -> list[list[Cell | str]]:
    rows: list[list[Cell | str]] = []
    for keys, label in parts([scores for _, scores in present]):
        for k, (run, scores) in enumerate(present):
            if dig(scores, *keys) is not None:
                name = Cell(text=f'{label}, {run.label}', color=run.color)
                rows.append([name, *score_cells(COLUMNS, present, k, keys)])
    return rows


def _class_chart(present: Sequence[tuple[Run, Scores]], origin: str) -> Chart:
    named = parts([scores for _, scores in present])
    series = []
    for run, scores in present:
        values = [defined(dig(scores, *keys), 'hota') for keys, _ in named]
        ends = [interval(scores, keys[-1], 'hota') or (None, None) for keys, _ in named]
        series.append(
            Series(
                label=run.label,
                color=run.color,
                y=[in_percent(value) for value in values],
                low=[in_percent(low) for low, _ in ends],
                high=[in_percent(high) for _, high in ends],
            )
        )
    return grouped_bars(
        f'hota-{file_name(origin)}',
        f'HOTA by class, {origin}',
        groups=[label for _, label in named],
        series=series,
        unit='HOTA, %',
    )


def _changes(runs: Sequence[Run]) -> list[Table]:
    """Differences to the first run on common sequences, draw by draw, with their intervals."""
    from offline_training.evaluation.bootstrap import FIELDS

    rows: list[list[Cell | str]] = []
    for run in runs[1:]:
        for origin, change in _paired(runs[0], run).items():
            common = dig(change, 'scores', 'all')
            if common is None:
                continue
            label = Cell(text=f'{run.label}, {origin}', color=run.color)
            rows.append(
                [label, str(len(dig(change, 'sequences'))), *(_change(common, f) for f in FIELDS)]
            )
    if not rows:
        return []
    head = ['run, sequences', 'in common', *(field.upper() for field in FIELDS)]
    title = f'difference to {runs[0].label} on common sequences, all classes, with its interval'
    return [Table(title=title, head=head, rows=rows)]


def _paired(first: Run, other: Run) -> Mapping[str, Mapping[str, object]]:
    """By origin; nothing where the files do not hold what it takes."""
    from mot_compress_ros.options import from_mapping
    from offline_training.evaluation.bootstrap import BootstrapConfig, paired_differences

    try:
        given = first.get('bootstrap')
        config = from_mapping(BootstrapConfig, given) if given else None
        return paired_differences(first.content, other.content, config)
    except (MotCompressError, AttributeError, KeyError, TypeError, ValueError):
        return {}  # older files have no raw scores


def _change(common: Mapping[str, object], field: str) -> Cell:
    """A difference in per cent; coloured where its interval leaves zero out."""
    difference = in_percent(dig(common, field, 'difference'))
    low, high = (in_percent(dig(common, field, end)) for end in ('low', 'high'))
    if difference is None or low is None or high is None:
        return Cell(text=DASH)
    is_clear = low > 0 or high < 0
    return Cell(
        text=signed(difference),
        note=f'[{low:+.1f}, {high:+.1f}]',
        tone=tone_of(field, difference) if is_clear else '',
    )
