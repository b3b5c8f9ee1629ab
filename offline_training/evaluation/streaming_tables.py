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

MODE_COLUMNS = (
    'sHOTA',
    'sMOTA',
    'sIDF1',
    'offline HOTA',
    'keyframes/s',
    'p99 ms',
    'worst ms',
    'missed',
    'dropped',
    'stale ms',
    'late ms',
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


def modes_table(report: Mapping[str, Any]) -> str:
    """One row per keyframe mode and speed; several sequences of one origin are shown together.

    Ratios are in per cent. `p99` and `worst` are of the time from the beginning of a frame's work
    to its output, `missed` is the share of frames whose output was not ready when the next frame
    came, `stale` the mean age of the output in use, `late` the mean time from the coming of a
    frame to the use of what a teacher beside the student found in it.
    """
    rows = [
        [f'{mode["mode"]}, {rung["speed_factor"]:g}x, {name}', *_mode_cells(part, offline)]
        for mode in report['modes']
        for rung in mode['rungs']
        for (name, part), (_, offline) in zip(_parts(rung), _parts(mode['offline']), strict=True)
    ]
    return markdown_table(['keyframes, speed factor', *MODE_COLUMNS], rows)


def _mode_cells(part: Mapping[str, Any], offline: Mapping[str, Any]) -> list[str]:
    scores, timing = part.get('all', {}), part['timing']
    defined = scores.get('boxes', 0) > 0
    per_s = timing['teacher_runs_per_s']
    return [
        *(number(scores.get(key), defined=defined) or NOTHING for key in ('hota', 'mota', 'idf1')),
        number(offline.get('all', {}).get('hota'), defined=defined) or NOTHING,
        NOTHING if per_s is None else f'{per_s:.2f}',
        plain(timing['runtime_ms'], 'p99', digits=0),
        plain(timing['runtime_ms'], 'max', digits=0),
        number(timing['missed_share']) or NOTHING,
        str(timing['dropped']),
        plain(timing['age_ms'], 'mean', digits=0),
        plain(timing['late_ms'], 'mean', digits=0),
    ]


def _rows(speed: str, rung: Mapping[str, Any]) -> list[list[str]]:
    return [[f'{speed}, {name}', *_cells(part)] for name, part in _parts(rung)]


def _parts(rung: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Names and scores: of the sequence, or of those of each origin together."""
    parts = [(s['name'], s) for s in rung['sequences']]
    if len(parts) > 1:
        parts = [(f'{origin} together', part) for origin, part in rung['combined'].items()]
    return parts


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
