"""Streaming scores over the ladder of machines: where each run's accuracy collapses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from offline_training.reports import STREAMING
from offline_training.reports.cells import percent, plain, score_cell
from offline_training.reports.content import Cell, Chart, DASH, Section, Table, Theme
from offline_training.reports.figures import FULL_WIDTH_IN
from offline_training.reports.plots import legend
from offline_training.reports.runs import as_number, dig, entries, Run
from offline_training.reports.scores import in_order, interval, mapping

FIELDS = (('hota', 'sHOTA'), ('mota', 'sMOTA'), ('idf1', 'sIDF1'))

_MOST_SHOWN = 40  # rows; more are folded


def section(runs: Sequence[Run]) -> Section | None:
    """A chart over the speed factor, and the table of all rungs."""
    streamed = [run for run in runs if run.kind == STREAMING and _rungs(run)]
    if not streamed:
        return None
    rows = [row for origin in _origins(streamed) for run in streamed for row in _rows(run, origin)]
    head = (
        'run, sequences',
        'speed factor',
        *(label for _, label in FIELDS),
        'sAP',
        'HOTA lost',
        'stale ms',
        'stale p95',
        'latency ms',
        'dropped',
        'missed %',
        'empty',
    )
    table = Table(title='all rungs', head=head, rows=rows, folded=len(rows) > _MOST_SHOWN)
    return Section(
        title='Streaming',
        note='Ground truth meets the latest output that was ready at its time; dashed: offline. '
        'Stale: age of the output in use; missed: frames whose output was not ready when the next '
        'one came. A speed factor of 2 is a machine twice as fast. '
        + '; '.join(f'{run.label}: {setting(run)}' for run in streamed)
        + '.',
        parts=[ladder_chart(streamed), table],
    )


def setting(run: Run) -> str:
    """By which rules a run was streamed."""
    text = f'{run.get("latency") or "latency " + DASH}, eta {_option(run, "eta")}'
    for name in ('forecast', 'shrinking_tail'):
        if _option(run, name) is True:
            text += f', {name.replace("_", " ")}'
    return text


def _option(run: Run, name: str) -> Any:
    value = run.get('options', f'streaming.{name}')
    return DASH if value is None else value


def _rungs(run: Run) -> list[Mapping[str, Any]]:
    rungs = entries(run.content, 'rungs')
    return [rung for rung in rungs if (as_number(rung.get('speed_factor')) or 0) > 0]


def _origins(runs: Sequence[Run]) -> list[str]:
    rungs = [rung for run in runs for rung in _rungs(run)]
    return in_order(origin for rung in rungs for origin in mapping(rung.get('combined')))


def _rows(run: Run, origin: str) -> list[list[Cell | str]]:
    rows: list[list[Cell | str]] = []
    for rung in _rungs(run):
        part = dig(rung, 'combined', origin)
        if part is None:
            continue
        timing = dig(part, 'timing')
        rows.append(
            [
                Cell(text=f'{run.label}, {origin}', color=run.color),
                f'{rung["speed_factor"]:g}',
                *(
                    score_cell(
                        field,
                        dig(part, 'all', field),
                        interval=interval(mapping(part), 'all', field),
                    )
                    for field, _ in FIELDS
                ),
                percent(dig(part, 'detection', 'class_average', 'ap')),
                percent(dig(part, 'loss', 'hota')),
                plain(dig(timing, 'age_ms', 'mean'), 0),
                plain(dig(timing, 'age_ms', 'p95'), 0),
                plain(dig(timing, 'latency_ms', 'mean')),
                plain(dig(timing, 'dropped')),
                percent(dig(timing, 'missed_share')),
                plain(dig(timing, 'empty')),
            ]
        )
    return rows


def ladder_chart(runs: Sequence[Run]) -> Chart:
    """Streaming HOTA and the age of what is in use, over the speed factor; a row per origin."""
    origins = _origins(runs)

    def draw(figure: Any, theme: Theme) -> None:
        grid = figure.subplots(len(origins), 2, squeeze=False, sharex=True)
        handles: dict[str, Any] = {}
        for (scores, ages), origin in zip(grid, origins, strict=True):
            for run in runs:
                _curve(scores, run, origin, ('all', 'hota'), scale=100.0, handles=handles)
                _curve(ages, run, origin, ('timing', 'age_ms', 'mean'), scale=1.0, handles=handles)
                offline = as_number(run.get('offline', 'combined', origin, 'all', 'hota'))
                if offline is not None:
                    scores.axhline(100 * offline, color=run.color, linestyle='--', linewidth=1)
            scores.set_title(f'sHOTA, %, {origin}')
            ages.set_title(f'age of the output in use, ms, {origin}')
            ages.set_ylim(bottom=0)
        _speed_axis(grid[-1], _factors(runs))
        legend(figure, list(handles.values()), list(handles))
        del theme

    return Chart(
        name='streaming',
        title='Streaming scores over the speed of the machine',
        width_in=FULL_WIDTH_IN,
        height_in=0.7 + 2.7 * max(len(origins), 1),
        draw=draw,
    )


def _curve(
    axes: Any,
    run: Run,
    origin: str,
    keys: tuple[str, ...],
    *,
    scale: float,
    handles: dict[str, Any],
) -> None:
    points = [
        (float(rung['speed_factor']), value)
        for rung in _rungs(run)
        if (value := as_number(dig(rung, 'combined', origin, *keys))) is not None
    ]
    if not points:
        return
    points.sort()
    (line,) = axes.plot(
        [x for x, _ in points],
        [scale * y for _, y in points],
        color=run.color,
        marker=run.marker,
        markersize=4.5,
        linewidth=1.6,
    )
    handles.setdefault(run.label, line)


def _factors(runs: Sequence[Run]) -> list[float]:
    return sorted({float(rung['speed_factor']) for run in runs for rung in _rungs(run)})


def _speed_axis(row: Sequence[Any], factors: Sequence[float]) -> None:
    """A logarithmic axis with a tick for each rung."""
    for axes in row:
        axes.set_xscale('log', base=2)
        axes.set_xticks(factors, [f'{factor:g}' for factor in factors])
        axes.minorticks_off()
        axes.set_xlabel('speed factor')
