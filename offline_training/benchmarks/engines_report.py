"""Tables, goals and plot of `benchmark engines`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from offline_training.evaluation.tables import markdown_table
from offline_training.reports.content import Chart, Theme
from offline_training.reports.figures import FULL_WIDTH_IN
from offline_training.reports.runs import COLORS

NAME = 'engines'
INT8_OWN_GOAL, INT8_ALL_GOAL = 2.5, 1.5  # times as fast as fp32: of its engine, of any
Found = Mapping[str, Any]
_HEADER = (
    'runtime',
    'format',
    'heads',
    'p50 ms',
    'p95 ms',
    'p99 ms',
    'network ms',
    'x eager fp32',
)


def goals(model: str, found: Found) -> list[dict[str, Any]]:
    """What int8 was to reach, where it was measured, and whether it did."""
    contestants = list(found['contestants'].values())
    int8 = _fastest(c for c in contestants if c['precision'] == 'int8')
    fp32 = [c for c in contestants if c['precision'] == 'fp32']
    if int8 is None:
        return []
    own = _fastest(c for c in fp32 if c['runtime'] == int8['runtime'])
    rows = [
        (f'{model}: int8 in {int8["runtime"]} against fp32 there', own, INT8_OWN_GOAL),
        (f'{model}: int8 against the fastest fp32 of all', _fastest(fp32), INT8_ALL_GOAL),
    ]
    return [
        {'goal': text, 'value': times_as_fast(int8, other), 'wanted': wanted}
        | {'met': times_as_fast(int8, other) >= wanted}
        for text, other, wanted in rows
        if other is not None
    ]


def times_as_fast(one: Found, other: Found) -> float:
    """How many times as fast `one` is as `other`: the median over the turns of both."""
    ratios = np.divide(other['turn_medians_ms'], one['turn_medians_ms'])
    return float(np.median(ratios))


def sparse_gains(found: Found) -> list[tuple[str, float]]:
    """How many times as fast heads at peaks are as dense ones, by runtime and format."""
    contestants = found['contestants']
    gains = []
    for label, one in contestants.items():
        dense = contestants.get(f'{one["runtime"]} {one["precision"]} dense')
        if one['sparse_heads'] and dense is not None:
            gains.append((label.removesuffix(' peaks'), times_as_fast(one, dense)))
    return gains


def tables(report: Found) -> str:
    """Times of all contestants, the gain of heads at peaks, the goals."""
    parts = []
    for model, found in report['models'].items():
        parts += [f'**{model}**', markdown_table(_HEADER, _rows(found))]
        gains = [[name, f'{gain:.2f}'] for name, gain in sparse_gains(found)]
        if gains:
            parts.append(markdown_table(('heads at peaks', 'x dense heads'), gains))
        if found['refused']:
            parts.append('\n'.join(f'- Without {k}: {v}' for k, v in found['refused'].items()))
    if report['goals']:
        rows = [
            [g['goal'], f'{g["value"]:.2f}', f'{g["wanted"]:g}', 'yes' if g['met'] else 'no']
            for g in report['goals']
        ]
        parts.append(markdown_table(('goal', 'times as fast', 'at least', 'met'), rows))
    return '\n\n'.join(parts)


def origin_text(report: Found) -> str:
    """How it was measured, for the page."""
    size = 'x'.join(map(str, report['size_wh']))
    n = report['environment']['threads']
    threads = f'{n} CPU threads' if n else 'as many CPU threads as each runtime takes'
    return (
        f'Made by `{report["command"]}` on {report["environment"]["cpu"]}, '
        f'{report["environment"]["cores"]} cores, {threads}: {size}, batch 1, '
        f'{report["repeats"]} turns of {report["frames"]} frames for each contestant; others used '
        f'{report["others_share"]:.0%} of the machine in that time. A frame: network, peaks and '
        'the heads read at these. Ratios are medians over the turns.'
    )


def times_chart(report: Found) -> Chart:
    """Median and 95th percentile of all contestants, one panel for each model."""
    models = report['models']
    rows = max(len(found['contestants']) for found in models.values())

    def draw(figure: Any, theme: Theme) -> None:
        panels = figure.subplots(1, len(models), squeeze=False)[0]
        for axes, (model, found) in zip(panels, models.items(), strict=True):
            _draw_bars(axes, found, theme)
            axes.set_title(model)
            axes.set_xlabel('a frame, ms; the line ends at the 95th percentile')

    return Chart(
        name=NAME,
        title='Time of a frame by runtime',
        width_in=FULL_WIDTH_IN,
        height_in=1.0 + 0.28 * rows,
        draw=draw,
    )


def _draw_bars(axes: Any, found: Found, theme: Theme) -> None:
    """Bars, the slowest on top; a colour for each runtime."""
    ordered = sorted(found['contestants'].items(), key=lambda item: item[1]['p50_ms'])
    runtimes = sorted({one['runtime'] for _, one in ordered})
    for place, (_, one) in enumerate(ordered):
        color = COLORS[runtimes.index(one['runtime']) % len(COLORS)]
        alpha = 1.0 if one['sparse_heads'] else 0.5
        axes.barh(place, one['p50_ms'], color=color, alpha=alpha)
        axes.plot([one['p50_ms'], one['p95_ms']], [place, place], color=theme.ink, linewidth=1)
    axes.set_yticks(range(len(ordered)), [label for label, _ in ordered])
    axes.set_xlim(left=0)


def _rows(found: Found) -> list[list[str]]:
    return [
        [
            one['runtime'],
            one['precision'],
            'peaks' if one['sparse_heads'] else 'dense',
            *(f'{one[f"p{q}_ms"]:.2f}' for q in (50, 95, 99)),
            f'{one["network_p50_ms"]:.2f}',
            f'{one["times_as_fast"]:.2f}',
        ]
        for one in found['contestants'].values()
    ]


def _fastest(contestants: Iterable[Found]) -> Found | None:
    return min(contestants, key=lambda one: float(one['p50_ms']), default=None)
