"""Tables, goals and histograms of `benchmark keyframe`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import math
from typing import Any

import numpy as np

from offline_training.benchmarks.keyframe_turn import STEP
from offline_training.evaluation.tables import markdown_table
from offline_training.reports.content import Chart, Theme
from offline_training.reports.figures import FULL_WIDTH_IN
from offline_training.reports.runs import COLORS

NAME = 'keyframe_times'
ALONE, BESIDE = 'off', 'async'
GOAL = 1.15  # of the student alone
QUIET = 0.03  # share of the machine that others may use
NOTHING = '–'
_COLUMNS = 3
_BINS = 60


def ratio(modes: Mapping[str, Any], mode: str, key: str) -> float | None:
    """A number of a mode over that of the student alone."""
    if ALONE not in modes or mode not in modes:
        return None
    return float(modes[mode][key]) / float(modes[ALONE][key])


def contention(modes: Mapping[str, Any]) -> float | None:
    """How many times as slow the student's network is beside the teacher, by medians."""
    found = ratio(modes, BESIDE, 'student_p50_ms')
    return None if found is None else max(1.0, found)


def goals(modes: Mapping[str, Any], *, device: str) -> list[dict[str, Any]]:
    """What was to be reached, and whether it was.

    On a GPU the worst step counts, on a CPU the 99th percentile: a core of a machine that does
    other things is interrupted for them.
    """
    key, what = ('p99_ms', 'p99') if device == 'cpu' else ('max_ms', 'worst')
    found = [(mode, ratio(modes, mode, key)) for mode in modes if _is(mode, BESIDE)]
    return [
        {
            'goal': f'{mode}: {what} step at most {GOAL} x that of the student alone',
            'value': value,
            'met': value <= GOAL,
        }
        for mode, value in found
        if value is not None
    ]


def _is(text: str, mode: str) -> bool:
    return text.partition(':')[0] == mode


def tables(report: Mapping[str, Any]) -> str:
    """Everything as Markdown."""
    return '\n\n'.join([_time_table(report), _late_table(report), _goal_lines(report)])


def _time_table(report: Mapping[str, Any]) -> str:
    head = ['keyframes', 'p50 ms', 'p95 ms', 'p99 ms', 'worst ms']
    head += ['p50 ratio', 'p99 ratio', 'worst ratio', 'keyframes/s', 'dropped']
    keys = ('p50_ms', 'p95_ms', 'p99_ms', 'max_ms')
    rows = [
        [
            mode,
            *(_cell(found[key], 1) for key in keys),
            *(
                _cell(ratio(report['modes'], mode, key), 2)
                for key in ('p50_ms', 'p99_ms', 'max_ms')
            ),
            _cell(found['keyframes_per_s'], 2),
            _cell(found['dropped'], 0),
        ]
        for mode, found in report['modes'].items()
    ]
    return markdown_table(head, rows)


def _late_table(report: Mapping[str, Any]) -> str:
    head = ['keyframes', 'student ms', 'teacher ms', 'teacher busy %', 'late ms', 'worst late ms']
    head += ['late frames', 'taking in ms', 'worst taking in ms']
    rows = [
        [
            mode,
            _cell(found['student_p50_ms'], 1),
            _cell(found['teacher_p50_ms'], 1),
            _cell(100 * found['teacher_share'], 0),
            _cell(found['late_p50_ms'], 0),
            _cell(found['late_max_ms'], 0),
            _cell(found['late_p50_frames'], 1),
            _cell(found['late_result_p50_ms'], 2),
            _cell(found['late_result_max_ms'], 2),
        ]
        for mode, found in report['modes'].items()
    ]
    return markdown_table(head, rows)


def _goal_lines(report: Mapping[str, Any]) -> str:
    lines = [
        f'- {"met" if goal["met"] else "missed"}: {goal["goal"]}: {goal["value"]:.2f}'
        for goal in report['goals']
    ]
    if report['contention'] is not None:
        lines.append(
            f'- the student is {report["contention"]:.2f} times as slow beside the teacher '
            '(`stream-evaluate --contention`)'
        )
    if report['others_share'] > QUIET:
        lines.append(
            f'- others used {report["others_share"]:.0%} of the machine meanwhile: these times '
            'are not those of the modes alone; measure again on a machine that is idle'
        )
    return '\n'.join(lines) or f'no goal: the modes {ALONE} and {BESIDE} were not both measured'


def _cell(value: float | None, digits: int) -> str:
    return NOTHING if value is None else f'{value:.{digits}f}'


def histogram_chart(report: Mapping[str, Any]) -> Chart:
    """A small panel for each mode: how many steps took how long, all turns together."""
    modes = {
        mode: [ms for turn in found['turns'] for ms in turn[STEP]]
        for mode, found in report['modes'].items()
    }
    rows = math.ceil(len(modes) / _COLUMNS)
    edges = _edges(list(modes.values()))
    most = max(int(np.histogram(ms, edges)[0].max()) for ms in modes.values())
    limit_ms = GOAL * report['modes'][ALONE]['p99_ms'] if ALONE in modes else None

    def draw(figure: Any, theme: Theme) -> None:
        grid = figure.subplots(rows, _COLUMNS, squeeze=False, sharex=True, sharey=True)
        for axes, (number, (mode, took_ms)) in zip(
            grid.flat, enumerate(modes.items()), strict=False
        ):
            axes.hist(took_ms, bins=edges, color=COLORS[number % len(COLORS)])
            axes.set_title(f'{mode}: {len(took_ms)} steps')
            axes.set_xscale('log')
            axes.set_yscale('log')
            if limit_ms:
                axes.axvline(limit_ms, color=theme.ink, linestyle='--', linewidth=1)
            if report['fps']:
                axes.axvline(1e3 / report['fps'], color=theme.soft, linestyle=':', linewidth=1.2)
            axes.set_xticks(_ticks(edges))
            axes.set_yticks([n for n in (1, 10, 100, 1000) if n <= most])
            axes.set_ylim(0.7, 1.5 * most)
            axes.minorticks_off()
            axes.xaxis.set_major_formatter(lambda ms, _: f'{ms:g}')
            axes.yaxis.set_major_formatter(lambda n, _: f'{n:g}')
        for axes in list(grid.flat)[len(modes) :]:
            axes.set_axis_off()
        for axes in grid[:, 0]:
            axes.set_ylabel('steps')
        figure.supxlabel(
            f'ms of a step; dashed: {GOAL} x p99 of the student alone, dotted: frame period',
            fontsize=8.5,
            color=theme.soft,
        )

    return Chart(
        name=NAME,
        title='Time of a step in each keyframe mode',
        width_in=FULL_WIDTH_IN,
        height_in=0.6 + 2.1 * rows,
        draw=draw,
    )


def _edges(samples: Sequence[Sequence[float]]) -> list[float]:
    """Bins of equal width on a logarithmic axis, from the fastest to the slowest step."""
    everything = np.concatenate([np.asarray(s, np.float64) for s in samples])
    low, high = float(everything.min()) * 0.9, float(everything.max()) * 1.1
    return [float(edge) for edge in np.geomspace(low, high, _BINS + 1)]


def _ticks(edges: Sequence[float]) -> list[float]:
    """1, 2 and 5 of each power of ten between the first and the last edge."""
    powers = range(math.floor(math.log10(edges[0])), math.ceil(math.log10(edges[-1])) + 1)
    ticks = [digit * 10.0**power for power in powers for digit in (1, 2, 5)]
    return [tick for tick in ticks if edges[0] <= tick <= edges[-1]]
