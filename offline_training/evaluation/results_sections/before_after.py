"""Two evaluations of the same data beside each other: a model before and after a change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mot_compress_ros.errors import InputError
from offline_training.evaluation.results_sections.origin import origin_lines
from offline_training.evaluation.tables import markdown_table

TRACKING = {'hota': 'HOTA', 'mota': 'MOTA', 'idf1': 'IDF1'}
_Key = tuple[str, str]


def section(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Markdown: a row for each score that both have, in per cent, differences in points.

    Raises:
        InputError: they are not evaluations by the same protocol, or share no score.
    """
    kinds = {(r['kind'], r.get('protocol')) for r in (before, after)}
    if len(kinds) != 1 or next(iter(kinds))[0] != 'evaluation':
        raise InputError(f'expected two files of `evaluate` by one protocol, got {sorted(kinds)}')
    old, new = dict(_scores(before)), dict(_scores(after))
    rows = [
        [*key, f'{100 * old[key]:.1f}', f'{100 * value:.1f}', f'{100 * (value - old[key]):+.1f}']
        for key, value in new.items()
        if key in old
    ]
    if not rows:
        raise InputError(f'`{before["command"]}` and `{after["command"]}` share no score')
    return '\n'.join(
        [
            f'## {after["model"]["name"]}, before and after',
            '',
            'Before:',
            '',
            *origin_lines(before),
            'After:',
            '',
            *origin_lines(after),
            markdown_table(['on', 'score', 'before', 'after', 'Δ'], rows),
            '',
        ]
    )


def _scores(report: Mapping[str, Any]) -> Iterator[tuple[_Key, float]]:
    """Place and measure of everything that can be compared, with its ratio."""
    for origin, pooled in report['combined'].items():
        classes = pooled['classes']
        names = {**classes, **({'all': pooled['all']} if len(classes) > 1 else {})}
        for name, scores in names.items():
            for measure, heading in TRACKING.items():
                yield (f'{origin} sequences, {name}', heading), float(scores[measure])
    for sequence in report['sequences']:
        if sequence['partly_labelled']:
            for name, scores in sequence['classes'].items():
                yield (f'{sequence["name"]}, {name}', 'recall'), float(scores['recall'])
    for images in report['image_sets']:
        for name, scores in images['classes'].items():
            if scores['ap50'] is not None:
                yield (f'{images["name"]}, {name}', 'AP50'), float(scores['ap50'])
