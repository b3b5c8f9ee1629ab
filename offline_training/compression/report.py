"""What each step of a recipe changed, as plain values and as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from offline_training.compression.pipeline import Compression
from offline_training.evaluation.tables import markdown_table

QUANTILES = ('p50_ms', 'p95_ms', 'p99_ms')
METRICS = {'hota': 'HOTA', 'mota': 'MOTA', 'idf1': 'IDF1', 'ap50': 'AP50'}


def report_of(
    compression: Compression, times: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """A row for the model as it came and for each step."""
    commands = {step.name: step.command for step in compression.recipe.steps}
    rows = []
    for name in compression.names:
        outcome = compression.study.outcome(name)
        row = {
            'step': name,
            'did': commands.get(name, ''),
            'command': outcome.get('command', ''),
            'seconds': compression.study.seconds(name),
            **outcome['facts'],
        }
        if compression.recipe.scores:
            row |= compression.scores(name)
        if name in times:
            row['time'] = times[name]
            row['runtime'] = times[name]['runtime']
        rows.append(row)
    return rows


def tables(rows: Sequence[Mapping[str, Any]]) -> str:
    """What each step costs and finds; in brackets, the difference from the row above."""
    parts = [_cost_table(rows)]
    if any('time' in row for row in rows):
        parts.append(_time_table(rows))
    places = list(dict.fromkeys(place for row in rows for place in row.get('scores', {})))
    parts += [_score_table(place, rows) for place in places]
    return '\n\n'.join(parts)


def _cost_table(rows: Sequence[Mapping[str, Any]]) -> str:
    files = list(dict.fromkeys(name for row in rows for name in row['bytes']))
    header = ['step', 'did', 'GMAC', 'parameters, M', *(f'{name}, MB' for name in files)]
    lines = []
    for row, before in zip(rows, [None, *rows], strict=False):
        old = before or {}
        cells = [_changed(row['macs'] / 1e9, _over(old.get('macs'), 1e9), '.2f')]
        cells += [_changed(row['parameters'] / 1e6, _over(old.get('parameters'), 1e6), '.3f')]
        for name in files:
            now = _over(row['bytes'].get(name), 1e6)
            cells.append(_changed(now, _over(old.get('bytes', {}).get(name), 1e6), '.2f'))
        lines.append([row['step'], row['did'], *cells])
    return markdown_table(header, lines)


def _time_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Milliseconds of a whole frame, of its network, and the speed against the first row."""
    header = ['step', 'runtime', 'p50 ms', 'p95 ms', 'p99 ms', 'network ms', 'frames/s', 'times']
    lines = []
    first = rows[0]['time']['frames_per_s']
    for row, before in zip(rows, [None, *rows], strict=False):
        total = row['time']['stages']['total']
        old = before['time']['stages']['total'] if before else {}
        cells = [_changed(total[q], old.get(q), '.1f') for q in QUANTILES]
        infer = row['time']['stages']['infer']['p50_ms']
        speed = row['time']['frames_per_s']
        cells += [f'{infer:.1f}', f'{speed:.1f}', f'{speed / first:.2f}']
        lines.append([row['step'], row['runtime'], *cells])
    return markdown_table(header, lines)


def _score_table(place: str, rows: Sequence[Mapping[str, Any]]) -> str:
    names = [key for key in METRICS if any(key in row['scores'].get(place, {}) for row in rows)]
    lines = []
    for row, before in zip(rows, [None, *rows], strict=False):
        now = row['scores'].get(place, {})
        old = before['scores'].get(place, {}) if before else {}
        cells = [_changed(_times(now.get(k)), _times(old.get(k)), '.1f') for k in names]
        lines.append([row['step'], *cells])
    return markdown_table([place, *(METRICS[key] for key in names)], lines)


def _changed(now: float | None, before: float | None, form: str) -> str:
    """`3.2 (-0.4)`; without brackets where nothing changed or nothing was before."""
    if now is None:
        return ''
    text = f'{now:{form}}'
    if before is None or f'{before:{form}}' == text:
        return text
    return f'{text} ({now - before:+{form}})'


def _over(value: float | None, unit: float) -> float | None:
    return None if value is None else value / unit


def _times(value: float | None) -> float | None:
    return None if value is None else 100 * value
