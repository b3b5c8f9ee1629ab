"""Throughput of training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from offline_training.evaluation.results_sections.origin import origin_lines
from offline_training.evaluation.tables import markdown_table

COLUMNS = (
    ('images_per_s', 'images/s'),
    ('step_ms', 'step, ms'),
    ('data_ms', 'wait for data, ms'),
    ('compute_ms', 'compute, ms'),
    ('batch_ms', 'a batch alone, ms'),
    ('peak_memory_mib', 'peak memory, MiB'),
)


def section(report: Mapping[str, Any]) -> str:
    """Speed of each contestant, and the ratios between them."""
    environment = report['environment']
    shapes = {(c['batch_size'], *c['window_wh']) for c in report['contestants']}
    batches = ', '.join(f'{n} windows of {w} x {h}' for n, w, h in sorted(shapes))
    note = (
        f'Input: {report["input"]}; batches of {batches}; {report["steps"]} steps after '
        f'{report["warm_up"]} of warm-up, median of {report["repeats"]} interleaved turns; '
        f'{environment["device"]}, {environment["threads"]} CPU threads and {report["workers"]} '
        f'to make batches; load average before {environment["load_average_before"]:.1f}. Memory '
        'is that of tensors on a GPU, and of the whole process on a CPU.'
    )
    return '\n'.join(
        ['## Speed of training', '', *origin_lines(report), note, '', training_tables(report), '']
    )


def training_tables(report: Mapping[str, Any]) -> str:
    """A row for each contestant, and one for each ratio."""
    rows = [[c['name'], *(f'{c[key]:.1f}' for key, _ in COLUMNS)] for c in report['contestants']]
    tables = [markdown_table(['training', *(label for _, label in COLUMNS)], rows)]
    if report['ratios']:
        ratios = [[r['name'], r['to'], f'{r["images_per_s"]:.2f}'] for r in report['ratios']]
        tables.append(markdown_table(['images/s of', 'over those of', 'ratio'], ratios))
    return '\n\n'.join(tables)
