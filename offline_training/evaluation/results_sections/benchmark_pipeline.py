"""Latency of the pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from offline_training.evaluation.results_sections.origin import origin_lines
from offline_training.evaluation.tables import benchmark_table


def section(report: Mapping[str, Any]) -> str:
    """Stages and frames per second of each contestant."""
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
    return '\n'.join([title, '', *origin_lines(report), note, '', benchmark_table(report), ''])
