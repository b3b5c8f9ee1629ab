"""What models cost: parameters, multiply-adds, sizes both ways."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from offline_training.commands.sizes import sizes_table
from offline_training.evaluation.results_sections.origin import origin_lines


def section(report: Mapping[str, Any]) -> str:
    """One row per model, and what the columns mean."""
    table = sizes_table(list(report['models']), identities=report['identities'])
    return '\n'.join(['## Size of the models', '', *origin_lines(report), table, ''])
