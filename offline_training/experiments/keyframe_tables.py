"""The tables of `experiments keyframe`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from offline_training.evaluation.tables import markdown_table
from offline_training.experiments.keyframe_claims import Mean, Verdict

NOTHING = '–'
_HEAD = (
    'sHOTA',
    'sMOTA',
    'sIDF1',
    'offline HOTA',
    'lost %',
    'keyframes/s',
    'streamed',
    'p99 ms',
    'worst ms',
    'missed %',
    'stale ms',
    'late ms',
)


def group_table(modes: Mapping[str, Mean]) -> str:
    """One row per mode."""
    rows = [[name, *_cells(mode)] for name, mode in modes.items()]
    return markdown_table(['keyframes', *_HEAD], rows)


def _cells(mode: Mean) -> list[str]:
    return [
        *(f'{100 * v:.1f}' for v in (mode.streaming, mode.mota, mode.idf1, mode.offline)),
        f'{100 * mode.lost:.1f}',
        f'{mode.runs_per_s:.2f}',
        f'{mode.streamed_runs_per_s:.2f}',
        f'{mode.p99_ms:.0f}',
        f'{mode.worst_ms:.0f}',
        f'{100 * mode.missed:.1f}',
        *(NOTHING if ms is None else f'{ms:.0f}' for ms in (mode.stale_ms, mode.late_ms)),
    ]


def steps_table(results: Sequence[Mapping[str, Any]], group: str, factor: float) -> str:
    """Offline and streaming HOTA of each mode in each cell of a group; '' where it has but one."""
    mine = [result for result in results if result['group'] == group]
    cells = list(dict.fromkeys(result['cell'] for result in mine))
    if len(cells) < 2:
        return ''
    found = {(result['row'], result['cell']): result for result in mine}
    rows = [
        [row, *(_both(found[row, cell], factor) for cell in cells)]
        for row in dict.fromkeys(result['row'] for result in mine)
    ]
    return markdown_table(['HOTA offline / streaming', *cells], rows)


def _both(result: Mapping[str, Any], factor: float) -> str:
    rung = next(r for r in result['rungs'] if r['speed_factor'] == factor)
    return f'{100 * result["offline"]["hota"]:.1f} / {100 * rung["hota"]:.1f}'


def verdict_lines(verdicts: Sequence[Verdict]) -> str:
    """A line for each claim."""
    return '\n'.join(f'- {"met" if v.met else "missed"}: {v.claim}: {v.said}' for v in verdicts)
