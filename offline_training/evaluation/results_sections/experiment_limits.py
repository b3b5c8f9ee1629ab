"""What limits a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from offline_training.evaluation.results_sections.origin import origin_lines
from offline_training.experiments.limits import limits_table


def section(report: Mapping[str, Any]) -> str:
    """One row per evaluation and origin of the data."""
    note = (
        'Data: the same model on what it was trained on and on data of the same kind that it '
        'never saw. Resolution: the same weights at other input sizes. Size and time: other '
        'networks, or the same one trained for less. HOTA, MOTA and IDF1 over all classes; AP50 '
        'and AP by size of the object are means over classes and sequences; re-ID is the true '
        'positive rate at a false accept rate of 0.1. Ratios in per cent.'
    )
    title = f'## What limits {report["model"]}'
    table = limits_table(report['rows'])
    return '\n'.join([title, '', *origin_lines(report), note, '', table, ''])
