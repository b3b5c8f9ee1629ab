"""The page of results: every number comes from a JSON file, every table names its command."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mot_compress_ros.errors import InputError
from offline_training.evaluation.tables import benchmark_table, evaluation_table

HEAD = """# Measured results

This page is written by `python -m offline_training results`; no number is typed by hand.
Ratios are in per cent, times in milliseconds.
"""
TRACKING_NOTE = (
    'HOTA, DetA, AssA, MOTA and IDF1 are computed by TrackEval, AP by pycocotools. Only classes '
    'that a sequence labels exhaustively are scored; predictions that match a region to ignore '
    'are taken out before; of partly labelled sequences only recall and identity are stated. '
    'Real and synthetic sequences are never pooled.'
)


def results_page(reports: Sequence[Mapping[str, Any]]) -> str:
    """Markdown of all reports, in their order.

    Raises:
        InputError: a report is of an unknown kind.
    """
    sections = []
    for report in reports:
        if report['kind'] not in _SECTIONS:
            raise InputError(f'report of kind {report["kind"]!r}; legal: {", ".join(_SECTIONS)}')
        sections.append(_SECTIONS[report['kind']](report))
    return '\n'.join([HEAD, *sections])


def _evaluation(report: Mapping[str, Any]) -> str:
    title = f'## Accuracy of {report["model"]["name"]}'
    if report['teacher']:
        interval = report['options']['keyframe.interval']
        title += f', with {report["teacher"]["name"]} on one frame in {interval}'
    note = f'{TRACKING_NOTE} Runtime: {report["model"]["runtime"]}.'
    return '\n'.join([title, '', *_origin(report), note, '', evaluation_table(report), ''])


def _benchmark(report: Mapping[str, Any]) -> str:
    width, height = report['size_wh']
    source = 'x'.join(map(str, report['source_size_wh']))
    note = (
        f'Input {report["input"]}, camera images {source}; {report["frames"]} frames after '
        f'{report["warm_up"]} of warm-up, median of {report["repeats"]} interleaved turns, '
        f'{report["environment"]["threads"]} threads, one camera, batch 1; load average before '
        f'{report["environment"]["load_average_before"]:.1f}. Without decoding of messages and '
        f'without ROS.'
    )
    title = f'## Speed of the pipeline at {width} x {height}'
    return '\n'.join([title, '', *_origin(report), note, '', benchmark_table(report), ''])


def _origin(report: Mapping[str, Any]) -> list[str]:
    environment = report['environment']
    versions = ', '.join(f'{name} {v}' for name, v in environment['versions'].items())
    return [
        f'`{report["command"]}`',
        '',
        f'{environment["cpu"]}, {environment["cores"]} cores; Python {environment["python"]}, '
        f'{versions}.',
        '',
    ]


_SECTIONS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    'evaluation': _evaluation,
    'benchmark pipeline': _benchmark,
}
