"""How good a model is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from offline_training.evaluation.results_sections.origin import origin_lines
from offline_training.evaluation.tables import evaluation_table

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
AP_NOTE = 'AP is computed by pycocotools, on the classes of the product.'
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
    return '\n'.join([title, '', *origin_lines(report), note, '', evaluation_table(report), ''])


def notes(report: Mapping[str, Any]) -> str:
    """By whose rules it was scored, and how the intervals came about."""
    note = NOTES[report.get('protocol', 'product')]
    bootstrap = report.get('bootstrap')
    return f'{note} {INTERVAL_NOTE.format(**bootstrap)}' if bootstrap else note
