"""Loss curves of training runs, raw and smoothed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import math
from typing import Any

import numpy as np

from offline_training.reports import TRAINING
from offline_training.reports.cells import plain, run_cell
from offline_training.reports.content import Cell, Chart, Section, Table, Theme
from offline_training.reports.figures import FULL_WIDTH_IN
from offline_training.reports.plots import legend
from offline_training.reports.runs import Run

TOTAL = 'total'
# Columns of a log that are no part of the loss.
NO_LOSS = frozenset({'step', 'learning_rate', 'grad_norm', 'images_per_s', 'time_s'})
SMOOTHING = 0.9  # share of the old mean at each logged step
_MOST_POINTS = 600
_COLUMNS = 3
_FEW = 100  # points of which every one is shown


def section(runs: Sequence[Run]) -> Section | None:
    """The total, its parts, and where each run has come to."""
    trained = [run for run in runs if run.kind == TRAINING]
    if not trained:
        return None
    names = _names(trained)
    parts = [name for name in names if name != TOTAL]
    charts = [_total_chart(trained)] if TOTAL in names else []
    if parts:
        charts.append(_parts_chart(trained, parts))
    rows: list[list[Cell | str]] = [
        [
            run_cell(run),
            plain(int(run.content['log'][-1]['step'])),
            *(plain(_last(run, name), 3) for name in names),
            plain(_mean(run, 'images_per_s')),
        ]
        for run in trained
    ]
    return Section(
        title='Training',
        note=f'Loss over the steps; bold: running mean that keeps {SMOOTHING:.0%} at each logged '
        'step, which the table gives at the last one. Losses of runs with another loss or other '
        'data cannot be compared.',
        parts=[*charts, Table(title='', head=['run', 'last step', *names, 'images/s'], rows=rows)],
    )


def smoothed(values: Sequence[float], share: float = SMOOTHING) -> list[float]:
    """Running mean that starts without a bias: weights of all values so far sum to one."""
    result, total, weight = [], 0.0, 0.0
    for value in values:
        total, weight = share * total + value, share * weight + 1.0
        result.append(total / weight)
    return result


def _names(runs: Sequence[Run]) -> list[str]:
    """Parts of the loss, the total first."""
    names = dict.fromkeys(key for run in runs for entry in run.content['log'] for key in entry)
    return sorted((n for n in names if n not in NO_LOSS), key=lambda n: n != TOTAL)


def _points(run: Run, name: str) -> tuple[list[float], list[float]]:
    log: Sequence[Mapping[str, float]] = run.content['log']
    entries = [(entry['step'], entry[name]) for entry in log if name in entry]
    return [step for step, _ in entries], [value for _, value in entries]


def _last(run: Run, name: str) -> float | None:
    _, values = _points(run, name)
    return smoothed(values)[-1] if values else None


def _mean(run: Run, name: str) -> float | None:
    _, values = _points(run, name)
    return sum(values) / len(values) if values else None


def _curve(axes: Any, run: Run, name: str) -> Any:
    """Draws a run's curve; the handle for the legend, or None where there is nothing."""
    steps, values = _points(run, name)
    if not steps:
        return None
    every = math.ceil(len(steps) / _MOST_POINTS)
    axes.plot(steps[::every], values[::every], color=run.color, linewidth=0.7, alpha=0.3)
    (line,) = axes.plot(steps[::every], smoothed(values)[::every], color=run.color, linewidth=1.8)
    return line


def _frame(axes: Any, runs: Sequence[Run], name: str) -> None:
    """Keep single outliers from squeezing the curves: what few steps reach is cut off."""
    values = [value for run in runs for value in _points(run, name)[1]]
    if len(values) < _FEW:
        return
    means = [value for run in runs for value in smoothed(_points(run, name)[1])]
    low, high = np.percentile(values, [1, 99])
    low, high = min(float(low), *means), max(float(high), *means)
    if high > low:
        axes.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))


def _total_chart(runs: Sequence[Run]) -> Chart:
    def draw(figure: Any, theme: Theme) -> None:
        del theme
        axes = figure.subplots()
        drawn = [(_curve(axes, run, TOTAL), run.label) for run in runs]
        _frame(axes, runs, TOTAL)
        axes.set_xlabel('step')
        axes.set_ylabel('total loss')
        kept = [(line, label) for line, label in drawn if line is not None]
        legend(figure, [line for line, _ in kept], [label for _, label in kept])

    return Chart(name='loss', title='Total loss', width_in=FULL_WIDTH_IN, height_in=3.2, draw=draw)


def _parts_chart(runs: Sequence[Run], names: Sequence[str]) -> Chart:
    rows = math.ceil(len(names) / _COLUMNS)

    def draw(figure: Any, theme: Theme) -> None:
        del theme
        grid = figure.subplots(rows, _COLUMNS, squeeze=False, sharex=True).ravel()
        handles: dict[str, Any] = {}
        for axes, name in zip(grid, names, strict=False):
            for run in runs:
                line = _curve(axes, run, name)
                if line is not None:
                    handles.setdefault(run.label, line)
            _frame(axes, runs, name)
            axes.set_title(name)
        for axes in grid[len(names) :]:
            axes.set_visible(False)
        for axes in grid[max(len(names) - _COLUMNS, 0) : len(names)]:
            axes.tick_params(labelbottom=True)
        legend(figure, list(handles.values()), list(handles))

    return Chart(
        name='loss-parts',
        title='Parts of the loss',
        width_in=FULL_WIDTH_IN,
        height_in=0.5 + 1.9 * rows,
        draw=draw,
    )
