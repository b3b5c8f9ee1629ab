"""Tables of measured numbers, from the dictionaries that the JSON files hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

TRACKING_COLUMNS = (
    ('hota', 'HOTA'),
    ('det_a', 'DetA'),
    ('ass_a', 'AssA'),
    ('mota', 'MOTA'),
    ('idf1', 'IDF1'),
    ('mostly_tracked', 'MT'),
    ('mostly_lost', 'ML'),
    ('id_switches', 'IDSW'),
    ('false_positives', 'FP'),
    ('misses', 'FN'),
    ('objects', 'objects'),
    ('boxes', 'boxes'),
)
PARTIAL_COLUMNS = (
    ('recall', 'recall'),
    ('id_recall', 'ID recall'),
    ('id_switches', 'IDSW'),
    ('fragments', 'fragments'),
    ('boxes', 'boxes'),
)
DETECTION_COLUMNS = (('ap', 'AP50:95'), ('ap50', 'AP50'), ('boxes', 'boxes'))


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first column to the left, the others to the right."""
    widths = [max(len(row[k]) for row in (header, *rows)) for k in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        first, *rest = (
            c.ljust(w) if k == 0 else c.rjust(w)
            for k, (c, w) in enumerate(zip(cells, widths, strict=True))
        )
        return '| ' + ' | '.join((first, *rest)) + ' |'

    rule = (
        '|'
        + '|'.join('-' * (w + 2) if k == 0 else '-' * (w + 1) + ':' for k, w in enumerate(widths))
        + '|'
    )
    return '\n'.join((line(header), rule, *(line(row) for row in rows)))


def number(value: object, *, defined: bool = True) -> str:
    """Counts as they are, ratios in per cent with one decimal, '–' where there is no ratio."""
    if isinstance(value, float) and not defined:
        return '–'
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return '' if value is None else str(value)
    return str(value) if isinstance(value, int) else f'{100 * value:.1f}'


def evaluation_table(report: Mapping[str, Any]) -> str:
    """All tables of one evaluation."""
    parts = [
        _tracking_table(report),
        _partial_table(report),
        _detection_table(report),
    ]
    return '\n\n'.join(part for part in parts if part)


def _rows(
    name: str, scores: Mapping[str, Any], columns: Sequence[tuple[str, str]]
) -> list[list[str]]:
    parts = dict(scores.get('classes', {}))
    if len(parts) > 1:
        parts |= {
            label: scores[key]
            for key, label in (('class_average', 'class average'), ('all', 'all'))
            if key in scores
        }
    return [
        [
            f'{name}, {label}',
            *(number(v.get(key), defined=v.get('boxes', 1) > 0) for key, _ in columns),
        ]
        for label, v in parts.items()
    ]


def _table(title: str, rows: list[list[str]], columns: Sequence[tuple[str, str]]) -> str:
    return markdown_table([title, *(label for _, label in columns)], rows) if rows else ''


def _tracking_table(report: Mapping[str, Any]) -> str:
    whole = [s for s in report['sequences'] if not s['partly_labelled']]
    rows = [row for s in whole for row in _rows(s['name'], s, TRACKING_COLUMNS)]
    if len(whole) > 1:
        for origin, scores in report['combined'].items():
            rows += _rows(f'{origin} together', scores, TRACKING_COLUMNS)
    return _table('tracking', rows, TRACKING_COLUMNS)


def _partial_table(report: Mapping[str, Any]) -> str:
    partly = [s for s in report['sequences'] if s['partly_labelled']]
    rows = [row for s in partly for row in _rows(s['name'], s, PARTIAL_COLUMNS)]
    return _table('partly labelled', rows, PARTIAL_COLUMNS)


def _detection_table(report: Mapping[str, Any]) -> str:
    rows = [
        row
        for s in report['sequences']
        if 'detection' in s
        for row in _rows(s['name'], s['detection'], DETECTION_COLUMNS)
    ]
    for images in report['image_sets']:
        rows += _rows(f'{images["name"]} ({images["model"]})', images, DETECTION_COLUMNS)
    return _table('detection', rows, DETECTION_COLUMNS)


def benchmark_table(report: Mapping[str, Any]) -> str:
    """Latency per stage and frames per second of each contestant."""
    rows = []
    for name, model in report['models'].items():
        for stage, times in model['stages'].items():
            speed = f'{model["frames_per_s"]:.1f}' if stage == 'total' else ''
            cells = [f'{times[f"p{q}_ms"]:.1f}' for q in (50, 95, 99)]
            rows.append([f'{name} ({model["runtime"]}), {stage}', *cells, speed])
    return markdown_table(['ms', 'p50', 'p95', 'p99', 'frames/s'], rows)
