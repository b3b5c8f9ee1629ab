"""What comparisons found, for people and for JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mot_compress_ros.inference import Bundle
from mot_compress_ros.inference.graphs import paths_of
from offline_training.evaluation.tables import markdown_table
from offline_training.export.exporting import Verdict

HEADER = (
    'graph',
    'MB',
    'heat map max',
    'peaks missed',
    'box error px',
    'overlap min',
    'cosine min',
    'verdict',
)


def verdict_json(verdict: Verdict, file_bytes: int) -> dict[str, Any]:
    """One graph, as it is written to JSON."""
    return {
        'graph': verdict.graph.as_json(),
        'label': verdict.graph.label,
        'file_bytes': file_bytes,
        'parity': verdict.parity.as_json(),
        'failures': list(verdict.failures),
    }


def files_bytes(bundle: Bundle, verdict: Verdict) -> int:
    """Size of a graph's files."""
    return sum(path.stat().st_size for path in paths_of(bundle.path, verdict.graph))


def verdict_table(found: Sequence[Mapping[str, Any]]) -> str:
    """A table of what `verdict_json` made, and below it what is out of bounds."""
    lines = [markdown_table(HEADER, [_row(one) for one in found])]
    lines += [f'{one["label"]}: {"; ".join(one["failures"])}' for one in found if one['failures']]
    return '\n'.join(lines)


def _row(one: Mapping[str, Any]) -> list[str]:
    parity = one['parity']
    return [
        one['label'],
        f'{one["file_bytes"] / 1e6:.2f}',
        f'{parity["heatmap_max_abs"]:.1e}',
        f'{parity["peaks_missed"]} of {parity["peaks"]}',
        f'{parity["box_error_px"]:.3f}',
        f'{parity["iou_min"]:.4f}',
        f'{parity["cosine_min"]:.5f}',
        'differs' if one['failures'] else 'same',
    ]
