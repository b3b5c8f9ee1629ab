"""How good a model is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from offline_training.evaluation.results_sections.origin import origin_lines
from offline_training.evaluation.tables import tables_by_sequence, tables_together

NOTES = {
    'product': (
        'HOTA, DetA, AssA, MOTA and IDF1 are computed by TrackEval. Only classes that a sequence '
        'labels exhaustively are scored; predictions that match a region to ignore are taken out '
        'before; of partly labelled sequences only recall and identity are stated. Real and '
        'synthetic sequences are never pooled.'
    ),
    'mot_challenge': (
        'HOTA, DetA, AssA, MOTA and IDF1 of pedestrians are computed by TrackEval after its '
        'preprocessing for MOTChallenge.'
    ),
    'kitti': (
        'HOTA, DetA, AssA, MOTA and IDF1 of cars and pedestrians are computed by TrackEval after '
        'its preprocessing for KITTI.'
    ),
}
AP_NOTE = (
    'AP is computed by pycocotools, on the classes of the product, over the images of all '
    'sequences together.'
)
INTERVAL_NOTE = (
    'Intervals: percentile bootstrap over sequences, {confidence:.0%}, {resamples} resamples.'
)


def section(report: Mapping[str, Any]) -> str:
    """Tables of tracking, detection, re-ID and size."""
    title = f'## Accuracy of {report["model"]["name"]}'
    if report['teacher']:
        interval = report['options']['keyframe.interval']
        title += f', with {report["teacher"]["name"]} on one frame in {interval}'
    note = f'{notes(report)} {AP_NOTE} Runtime: {report["model"]["runtime"]}.'
    return '\n'.join([title, '', *origin_lines(report), note, '', *tables(report), ''])


def tables(report: Mapping[str, Any]) -> list[str]:
    """The tables for all to see, and those of single sequences for who unfolds them."""
    parts = [tables_together(report)]
    if report.get('failed'):
        parts += ['', f'**Without {", ".join(report["failed"])}**, which could not be scored.']
    each = tables_by_sequence(report)
    if each:
        # Markdown within HTML needs the empty lines.
        summary = '<details><summary>Each sequence</summary>'
        parts += ['', summary, '', each, '', '</details>']
    return parts


def notes(report: Mapping[str, Any]) -> str:
    """By whose rules it was scored, and how the intervals came about."""
    note = NOTES[report.get('protocol', 'product')]
    bootstrap = report.get('bootstrap')
    return f'{note} {INTERVAL_NOTE.format(**bootstrap)}' if bootstrap else note
