"""Tables of measured numbers, from the dictionaries that the JSON files hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import itertools
from typing import Any

TRACKING_COLUMNS = (
    ('hota', 'HOTA'),
    ('det_a', 'DetA'),
    ('ass_a', 'AssA'),
    ('mota', 'MOTA'),
    ('idf1', 'IDF1'),
    ('mostly_tracked', 'MT'),
    ('partly_tracked', 'PT'),
    ('mostly_lost', 'ML'),
    ('id_switches', 'IDSW'),
    ('fragments', 'Frag'),
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
DETECTION_COLUMNS = (
    ('ap', 'AP50:95'),
    ('ap50', 'AP50'),
    ('ap_small', 'AP small'),
    ('ap_medium', 'AP medium'),
    ('ap_large', 'AP large'),
    ('boxes', 'boxes'),
)
REID_COLUMNS = (
    ('tpr_at_far_0.001', 'TPR@FAR 0.001'),
    ('tpr_at_far_0.01', 'TPR@FAR 0.01'),
    ('tpr_at_far_0.1', 'TPR@FAR 0.1'),
    ('map', 'mAP'),
    ('rank1', 'rank 1'),
    ('rank1_after_gap', 'rank 1 after 1 s'),
    ('embeddings', 'boxes'),
)
INTERVAL_COLUMNS = (('hota', 'HOTA'), ('mota', 'MOTA'), ('idf1', 'IDF1'))
SIZE_PRECISIONS = ('fp32', 'fp16', 'int8')
_LABELS = {'class_average': 'class average', 'all': 'all'}


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
    """All tables of one evaluation, or of results that were scored; also of older versions."""
    parts = [
        _tracking_table(report),
        _interval_table(report),
        _partial_table(report),
        _detection_table(report),
        _reid_table(report),
        _size_table(report),
    ]
    return '\n\n'.join(part for part in parts if part)


def _rows(
    name: str, scores: Mapping[str, Any], columns: Sequence[tuple[str, str]]
) -> list[list[str]]:
    parts = dict(scores.get('classes', {}))
    if len(parts) > 1:
        parts |= {label: scores[key] for key, label in _LABELS.items() if key in scores}
    return [
        [
            f'{name}, {label}',
            *(number(v.get(key), defined=v.get('boxes', 1) > 0) for key, _ in columns),
        ]
        for label, v in parts.items()
    ]


def _table(title: str, rows: list[list[str]], columns: Sequence[tuple[str, str]]) -> str:
    """The table without columns that no row fills; '' where there is no row."""
    header = [title, *(label for _, label in columns)]
    filled = [k == 0 or any(row[k] for row in rows) for k in range(len(header))]
    lines = [list(itertools.compress(row, filled)) for row in (header, *rows)]
    return markdown_table(lines[0], lines[1:]) if rows else ''


def _tracking_table(report: Mapping[str, Any]) -> str:
    whole = [s for s in report['sequences'] if not s['partly_labelled']]
    rows = [row for s in whole for row in _rows(s['name'], s, TRACKING_COLUMNS)]
    if len(whole) > 1:
        for origin, scores in report['combined'].items():
            rows += _rows(f'{origin} together', scores, TRACKING_COLUMNS)
    return _table('tracking', rows, TRACKING_COLUMNS)


def _interval_table(report: Mapping[str, Any]) -> str:
    """Intervals of what is pooled, and a sentence for what has none."""
    given = {o: s['bootstrap'] for o, s in report['combined'].items() if 'bootstrap' in s}
    rows, words = [], []
    for origin, of_origin in given.items():
        if 'why_not' in of_origin:
            words.append(f'Interval of {origin} together: {of_origin["why_not"]}.')
        scores = of_origin.get('scores', {})
        classes = [part for part in scores if part not in _LABELS]
        for part in scores if len(classes) > 1 else classes:
            bounds = [_interval(scores[part][key]) for key, _ in INTERVAL_COLUMNS]
            rows.append([f'{origin} together, {_LABELS.get(part, part)}', *bounds])
    table = _table(f'interval of {_confidence(report)}', rows, INTERVAL_COLUMNS)
    return '\n\n'.join(part for part in (table, ' '.join(words)) if part)


def _confidence(report: Mapping[str, Any]) -> str:
    bootstrap = report.get('bootstrap') or {}
    return f'{100 * bootstrap["confidence"]:g} %' if bootstrap else ''


def _interval(bounds: Mapping[str, float | None]) -> str:
    low, high = bounds['low'], bounds['high']
    return '–' if low is None or high is None else f'{100 * low:.1f} to {100 * high:.1f}'


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
    for images in report.get('image_sets', ()):
        rows += _rows(f'{images["name"]} ({images["model"]})', images, DETECTION_COLUMNS)
    return _table('detection', rows, DETECTION_COLUMNS)


def _reid_table(report: Mapping[str, Any]) -> str:
    """Re-ID of each sequence, and of all of one origin together."""
    named = [(s['name'], s['reid']) for s in report['sequences'] if s.get('reid')]
    rows = [row for name, reid in named for row in _rows(name, {'classes': reid}, REID_COLUMNS)]
    if len(named) > 1:
        for origin, reid in report['combined_reid'].items():
            rows += _rows(f'{origin} together', {'classes': reid}, REID_COLUMNS)
    return _table('re-ID', rows, REID_COLUMNS)


def _size_table(report: Mapping[str, Any]) -> str:
    """Megabytes of each network, both ways."""
    known = {r: s for r in ('student', 'teacher') if (s := report.get('sizes', {}).get(r))}
    rows = [
        [
            f'{report["model" if role == "student" else role]["name"]} ({role})',
            f'{sizes["parameters"]}',
            *(f'{sizes["shipped_mb"][name]:.2f}' for name in SIZE_PRECISIONS),
            f'{sizes["paper_mb"]:.1f}',
        ]
        for role, sizes in known.items()
    ]
    header = ['size, MB', 'parameters', *SIZE_PRECISIONS, 'as in the paper']
    return markdown_table(header, rows) if rows else ''


def benchmark_table(report: Mapping[str, Any]) -> str:
    """Latency per stage and frames per second of each contestant."""
    rows = []
    for name, model in report['models'].items():
        for stage, times in model['stages'].items():
            speed = f'{model["frames_per_s"]:.1f}' if stage == 'total' else ''
            cells = [f'{times[f"p{q}_ms"]:.1f}' for q in (50, 95, 99)]
            rows.append([f'{name} ({model["runtime"]}), {stage}', *cells, speed])
    return markdown_table(['ms', 'p50', 'p95', 'p99', 'frames/s'], rows)
