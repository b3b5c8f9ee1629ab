"""Cost and accuracy of the compensation of camera motion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from offline_training.evaluation.results_sections.origin import origin_lines
from offline_training.evaluation.tables import markdown_table


def section(report: Mapping[str, Any]) -> str:
    """How it was measured, then the tables."""
    threads = report['environment']['threads']
    note = (
        f'OpenCV on {threads} thread{"s" * (threads > 1)}; {report["repeats"]} turns of the '
        'stopwatch over all pairs. Standing place, place and course: how far, in heights of the '
        'object, road users are from where the homography expects those that stand, all of them, '
        'and all of them with their own steady motion.'
    )
    lines = ['## Compensation of camera motion', '', *origin_lines(report), note, '']
    return '\n'.join([*lines, camera_motion_tables(report), ''])


def camera_motion_tables(report: Mapping[str, Any]) -> str:
    """The measurements as Markdown."""
    size, scene = ('x'.join(map(str, report[k])) for k in ('size_wh', 'scene_size_wh'))
    parts = [f'{size}, {report["pairs"]} pairs of pictures', _stage_table(report)]
    parts += ['error in pixels where the turn is known', _turn_table(report)]
    for stride, rows in report['drives'].items():
        parts += [f'rendered drives {scene}, every {stride}. frame of 15 a second']
        parts += [_drive_table(rows)]
    return '\n\n'.join(parts)


def _stage_table(report: Mapping[str, Any]) -> str:
    rows = [
        (stage, *(f'{row[key]:.2f}' for key in ('p50_ms', 'p95_ms')))
        for stage, row in report['stages'].items()
    ]
    return markdown_table(('stage', 'p50 ms', 'p95 ms'), rows)


def _turn_table(report: Mapping[str, Any]) -> str:
    rows = [
        (name, *(f'{row[key]:.2f}' for key in ('p50', 'p95', 'mean')), str(row['unknown']))
        for name, row in report['turned_pictures'].items()
    ]
    return markdown_table(('by', 'p50', 'p95', 'mean', 'unknown'), rows)


def _drive_table(rows: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    keys = ('rotation_px', 'standing_place', 'place', 'course')
    header = ['by', *(f'{key.replace("_", " ")} {q}' for key in keys for q in ('p50', 'mean'))]
    shown = [
        (
            name,
            *(_cell(row.get(key), q) for key in keys for q in ('p50', 'mean')),
            _cell(row['unknown'], 'mean'),
        )
        for name, row in rows.items()
    ]
    return markdown_table((*header, 'unknown'), shown)


def _cell(numbers: Mapping[str, float] | None, key: str) -> str:
    """Drives of two frames have no course."""
    return '–' if numbers is None else f'{numbers[key]:.3f}'
