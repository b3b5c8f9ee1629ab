"""How long a frame takes: percentiles per stage of every contestant of `benchmark pipeline`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from offline_training.reports import BENCHMARK
from offline_training.reports.cells import plain
from offline_training.reports.content import Cell, Chart, Section, Table, Theme
from offline_training.reports.figures import FULL_WIDTH_IN
from offline_training.reports.plots import legend
from offline_training.reports.runs import as_number, dig, Run

STAGES = ('preprocess', 'infer', 'decode', 'track')
STAGE_COLORS = ('#8fa3b8', '#4c8df6', '#b667e0', '#2fa866')
QUANTILES = ('p50_ms', 'p95_ms', 'p99_ms')


@dataclass(frozen=True, eq=False, kw_only=True)
class Contestant:
    """One model in one benchmark."""

    run: Run
    name: str
    measured: Mapping[str, Any]

    def ms(self, stage: str, quantile: str = 'p50_ms') -> float | None:
        """Milliseconds of a stage."""
        return as_number(dig(self.measured, 'stages', stage, quantile))


def contestants(runs: Sequence[Run]) -> list[Contestant]:
    """Of all benchmarks, in their order."""
    return [
        Contestant(run=run, name=str(name), measured=measured)
        for run in runs
        if run.kind == BENCHMARK and isinstance(run.get('models'), Mapping)
        for name, measured in run.get('models').items()
        if isinstance(measured, Mapping)
    ]


def section(runs: Sequence[Run]) -> Section | None:
    """A chart of the stages, and the table of percentiles."""
    found = contestants(runs)
    if not found:
        return None
    many = len({c.run.label for c in found}) > 1
    labels = [f'{c.name}, {c.run.label}' if many else c.name for c in found]
    rows: list[list[Cell | str]] = [
        [
            Cell(text=label, color=c.run.color if many else ''),
            *(plain(c.ms('total', q)) for q in QUANTILES),
            *(plain(c.ms(stage)) for stage in STAGES),
            plain(as_number(c.measured.get('frames_per_s'))),
        ]
        for label, c in zip(labels, found, strict=True)
    ]
    head = (
        'contestant',
        *(f'total {q.removesuffix("_ms")}' for q in QUANTILES),
        *(f'{stage} p50' for stage in STAGES),
        'frames/s',
    )
    return Section(
        title='Latency',
        note=f'Milliseconds a frame. {_setting(found)}',
        parts=[_chart(found, labels), Table(title='', head=head, rows=rows)],
    )


def _setting(found: Sequence[Contestant]) -> str:
    given = [c.run.get('size_wh') for c in found]
    sizes = {'x'.join(map(str, size)) for size in given if isinstance(size, list)}
    return f'Network input {", ".join(sorted(sizes))}.' if sizes else ''


def _chart(found: Sequence[Contestant], labels: Sequence[str]) -> Chart:
    def draw(figure: Any, theme: Theme) -> None:
        axes = figure.subplots()
        axes.grid(visible=False, axis='y')
        handles, rows = [], range(len(found))
        left = [0.0] * len(found)
        for stage, color in zip(STAGES, STAGE_COLORS, strict=True):
            widths = [c.ms(stage) or 0.0 for c in found]
            handles.append(axes.barh(rows, widths, 0.6, left=left, color=color))
            left = [a + b for a, b in zip(left, widths, strict=True)]
        for quantile, marker in (('p95_ms', '|'), ('p99_ms', 'x')):
            points = [(c.ms('total', quantile), row) for row, c in enumerate(found)]
            drawn = [(ms, row) for ms, row in points if ms is not None]
            handles.append(
                axes.scatter(
                    [ms for ms, _ in drawn],
                    [row for _, row in drawn],
                    s=70 if marker == '|' else 30,
                    color=theme.ink,
                    marker=marker,
                    linewidths=1.6,
                    zorder=3,
                )
            )
        axes.set_yticks(rows, labels)
        axes.set_ylim(len(found) - 0.5, -0.5)
        axes.set_xlim(left=0)
        axes.set_xlabel('ms')
        legend(figure, handles, [*(f'{s} p50' for s in STAGES), 'total p95', 'total p99'])

    return Chart(
        name='latency',
        title='Where the time goes',
        width_in=FULL_WIDTH_IN,
        height_in=1.3 + 0.36 * len(found),
        draw=draw,
    )
