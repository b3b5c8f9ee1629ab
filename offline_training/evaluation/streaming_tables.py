"""The table of a streaming evaluation, from the dictionary that its JSON file holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from offline_training.evaluation.tables import markdown_table, number

NOTHING = '–'
COLUMNS = (
    'sHOTA',
    'sMOTA',
    'sIDF1',
    'sAP',
    'HOTA lost',
    'dropped',
    'missed',
    'stale frames',
    'stale ms',
    'p95',
    'latency ms',
)


def streaming_table(report: Mapping[str, Any]) -> str:
    """One row per speed, the offline scores first; several sequences are shown together.

    Ratios are in per cent. `missed` is the share of frames whose output was not ready when the
    next frame came, `stale` the mean age of the output in use; sAP is the mean over classes.
    """
    rows = _rows('offline', report['offline'])
    for rung in report['rungs']:
        rows += _rows(f'{rung["speed_factor"]:g}x', rung)
    return markdown_table(['speed factor', *COLUMNS], rows)


def _rows(speed: str, rung: Mapping[str, Any]) -> list[list[str]]:
    parts = [(s['name'], s) for s in rung['sequences']]
    if len(parts) > 1:
        parts = [(f'{origin} together', part) for origin, part in rung['combined'].items()]
    return [[f'{speed}, {name}', *_cells(part)] for name, part in parts]


def _cells(part: Mapping[str, Any]) -> list[str]:
    scores, timing = part.get('all', {}), part['timing']
    defined = scores.get('boxes', 0) > 0
    lost = part.get('loss', {}).get('hota')
    return [
        *(number(scores.get(key), defined=defined) or NOTHING for key in ('hota', 'mota', 'idf1')),
        number(part.get('detection', {}).get('class_average', {}).get('ap')) or NOTHING,
        number(lost, defined=defined) or NOTHING,
        str(timing['dropped']),
        number(timing['missed_share']) or NOTHING,
        plain(timing['age_frames'], 'mean', digits=2),
        plain(timing['age_ms'], 'mean', digits=0),
        plain(timing['age_ms'], 'p95', digits=0),
        plain(timing['latency_ms'], 'mean', digits=1),
    ]


def plain(statistics: Mapping[str, float] | None, key: str, *, digits: int) -> str:
    """A statistic, or a dash where there was nothing to measure."""
    return NOTHING if statistics is None else f'{statistics[key]:.{digits}f}'
