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
ENOUGH_SEQUENCES = 10  # fewer give an interval that is worth a warning
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
    return _joined(tables_together(report), tables_by_sequence(report))


def tables_together(report: Mapping[str, Any]) -> str:
    """What a reader wants first: sequences of one origin together, sets of images, sizes."""
    tracking, detection, reid = _pooled_rows(report)
    for images in report.get('image_sets', ()):
        name = f'{images["name"]} ({images["model"]})'
        detection += _rows(name, images, DETECTION_COLUMNS)
    return _joined(
        _table('tracking', tracking, TRACKING_COLUMNS),
        _interval_table(report),
        _partial_table(report),
        _table('detection', detection, DETECTION_COLUMNS),
        _table('re-ID', reid, REID_COLUMNS),
        _size_table(report),
    )


def tables_by_sequence(report: Mapping[str, Any]) -> str:
    """Each sequence by itself; '' where the tables above have said it all."""
    tracking, detection, reid = _sequence_rows(report)
    return _joined(
        _table('tracking by sequence', tracking, TRACKING_COLUMNS),
        _table('detection by sequence', detection, DETECTION_COLUMNS),
        _table('re-ID by sequence', reid, REID_COLUMNS),
    )


def _joined(*parts: str) -> str:
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


def _names_by_origin(report: Mapping[str, Any]) -> dict[str, list[str]]:
    """Names of the sequences that are labelled wholly."""
    names: dict[str, list[str]] = {}
    for sequence in report['sequences']:
        if not sequence['partly_labelled']:
            names.setdefault(sequence['origin'], []).append(sequence['name'])
    return names


def _group(report: Mapping[str, Any], origin: str) -> str:
    """What the sequences of an origin are called together; one alone keeps its name."""
    names = _names_by_origin(report).get(origin, [])
    return names[0] if len(names) == 1 else f'{origin} together'


def _pooled_rows(
    report: Mapping[str, Any],
) -> tuple[list[list[str]], list[list[str]], list[list[str]]]:
    """Rows of tracking, detection and re-ID of each origin."""
    tracking, detection, reid = [], [], []
    for origin, scores in report['combined'].items():
        tracking += _rows(_group(report, origin), scores, TRACKING_COLUMNS)
    for origin, scores in report.get('combined_detection', {}).items():
        detection += _rows(_group(report, origin), scores, DETECTION_COLUMNS)
    for origin, classes in report.get('combined_reid', {}).items():
        reid += _rows(_group(report, origin), {'classes': classes}, REID_COLUMNS)
    return tracking, detection, reid


def _sequence_rows(
    report: Mapping[str, Any],
) -> tuple[list[list[str]], list[list[str]], list[list[str]]]:
    """Rows of tracking, detection and re-ID of each sequence that has others beside it."""
    names = _names_by_origin(report)
    tracking, detection, reid = [], [], []
    for sequence in report['sequences']:
        alone = len(names.get(sequence['origin'], [])) == 1
        if sequence['partly_labelled']:
            continue
        if not alone:
            tracking += _rows(sequence['name'], sequence, TRACKING_COLUMNS)
        if 'detection' in sequence and not (alone and 'combined_detection' in report):
            detection += _rows(sequence['name'], sequence['detection'], DETECTION_COLUMNS)
        if sequence.get('reid') and not alone:
            reid += _rows(sequence['name'], {'classes': sequence['reid']}, REID_COLUMNS)
    return tracking, detection, reid


def _interval_table(report: Mapping[str, Any]) -> str:
    """Intervals of what is pooled, and sentences of what they are worth."""
    rows, words = [], []
    for origin, scores in report['combined'].items():
        bootstrap = scores.get('bootstrap', {})
        bounds, name = bootstrap.get('scores', {}), _group(report, origin)
        if 'why_not' in bootstrap:
            words.append(f'Interval of {name}: {bootstrap["why_not"]}.')
        elif bounds and bootstrap['sequences'] < ENOUGH_SEQUENCES:
            words.append(
                f'Intervals of {name} come from {bootstrap["sequences"]} sequences: so few make '
                'them rough, and rather too narrow.'
            )
        classes = [part for part in scores['classes'] if part in bounds]
        for part in [*classes, *(_LABELS if len(classes) > 1 else ())]:
            cells = [_interval(bounds[part][key]) for key, _ in INTERVAL_COLUMNS]
            rows.append([f'{name}, {_LABELS.get(part, part)}', *cells])
    table = _table(f'interval of {_confidence(report)}', rows, INTERVAL_COLUMNS)
    return _joined(table, ' '.join(words))


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
