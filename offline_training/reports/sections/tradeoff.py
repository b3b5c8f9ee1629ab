"""Speed against accuracy: each evaluation at the latency measured of its model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.lines import Line2D

from offline_training.reports import EVALUATIONS
from offline_training.reports.cells import percent, plain, run_cell
from offline_training.reports.content import Cell, Chart, Section, Table, Theme
from offline_training.reports.figures import FULL_WIDTH_IN
from offline_training.reports.plots import legend
from offline_training.reports.runs import as_number, Run
from offline_training.reports.sections.latency import Contestant, contestants
from offline_training.reports.sections.overview import model_name
from offline_training.reports.sections.sizes import weights_mb

_MIN_AREA, _AREA_PER_MB = 40.0, 12.0


@dataclass(frozen=True, kw_only=True)
class Point:
    """An evaluation of one origin at one measured latency.

    Attributes:
        run: the evaluation.
        benchmark: where the latency is from.
        origin: of the sequences.
        hota: all classes, a ratio.
        mean_ms: time per frame over the whole run, keyframes included.
        p95_ms: of single frames.
        size_mb: of the weights; None where nobody has measured it.
    """

    run: Run
    benchmark: Run
    origin: str
    hota: float
    mean_ms: float
    p95_ms: float | None
    size_mb: float | None


def section(runs: Sequence[Run]) -> Section | None:
    """A scatter chart, and the table."""
    found = points(runs)
    if not found:
        return None
    origins = list(dict.fromkeys(point.origin for point in found))
    rows: list[list[Cell | str]] = [
        [
            run_cell(p.run),
            p.benchmark.label,
            p.origin,
            percent(p.hota),
            plain(p.mean_ms),
            plain(p.p95_ms),
            plain(p.size_mb, 2),
        ]
        for p in found
    ]
    head = ('run', 'latency from', 'sequences', 'HOTA', 'mean ms', 'p95 ms', 'fp32 MB')
    has_size = any(p.size_mb is not None for p in found)
    return Section(
        title='Speed and accuracy',
        note='Points: mean time of a frame, all stages; the line ends at the 95th percentile.'
        + (' The area of a point grows with the size of the weights.' if has_size else ''),
        parts=[
            _chart(found, origins),
            Table(title='', head=head, rows=rows, text_columns=3),
        ],
    )


def points(runs: Sequence[Run]) -> list[Point]:
    """Every evaluation with every benchmark that has a contestant of its model's name."""
    measured = contestants(runs)
    found = []
    for run in runs:
        combined = run.get('combined')
        if run.kind not in EVALUATIONS or not isinstance(combined, dict):
            continue
        for origin in combined:
            hota = as_number(run.get('combined', origin, 'all', 'hota'))
            for contestant in measured:
                ms = _mean_ms(contestant)
                if contestant.name == model_name(run) and hota is not None and ms is not None:
                    found.append(
                        Point(
                            run=run,
                            benchmark=contestant.run,
                            origin=str(origin),
                            hota=hota,
                            mean_ms=ms,
                            p95_ms=contestant.ms('total', 'p95_ms'),
                            size_mb=weights_mb(runs, run),
                        )
                    )
    return found


def _mean_ms(contestant: Contestant) -> float | None:
    rate = as_number(contestant.measured.get('frames_per_s'))
    return 1e3 / rate if rate else None


def _chart(found: Sequence[Point], origins: Sequence[str]) -> Chart:
    def draw(figure: Any, theme: Theme) -> None:
        del theme
        handles: dict[str, Any] = {}
        row = figure.subplots(1, len(origins), squeeze=False)[0]
        for axes, origin in zip(row, origins, strict=True):
            here = [p for p in found if p.origin == origin]
            for p in here:
                area = _MIN_AREA + _AREA_PER_MB * (p.size_mb or 0.0)
                look: dict[str, Any] = {'color': p.run.color, 'marker': p.run.marker}
                axes.scatter([p.mean_ms], [100 * p.hota], s=area, alpha=0.85, zorder=3, **look)
                ends = [p.mean_ms, p.p95_ms or p.mean_ms]
                axes.plot(ends, [100 * p.hota] * 2, color=p.run.color, linewidth=1.4)
                handles.setdefault(_label(p, found), Line2D([], [], linestyle='', **look))
            axes.set_xlim(0, 1.2 * max(p.p95_ms or p.mean_ms for p in here))
            axes.margins(y=0.3)
            axes.set_title(f'HOTA, %, {origin}')
            axes.set_xlabel('ms a frame')
        legend(figure, list(handles.values()), list(handles))

    share = 0.65 if len(origins) == 1 else 1.0
    return Chart(
        name='speed-accuracy',
        title='HOTA over latency',
        width_in=FULL_WIDTH_IN * share,
        height_in=3.4,
        draw=draw,
    )


def _label(point: Point, found: Sequence[Point]) -> str:
    several = len({p.benchmark.label for p in found}) > 1
    return f'{point.run.label}, {point.benchmark.label}' if several else point.run.label
