"""What each part of `vehicle` is worth, as Markdown: the change of the scores without it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean

from offline_training.evaluation.tables import markdown_table
from offline_training.experiments.tracking_cases import FULL
from offline_training.experiments.tracking_presets import CHANGED, OURS
from offline_training.experiments.tracking_results import PresetRow

ABLATION_RATES = (FULL, '5')
LOW_RATE_HZ = 10.0  # up to which a frame rate counts as low

Scores = Mapping[tuple[str, str], PresetRow]  # by (group, rate)


def ablation_table(rows: Sequence[PresetRow]) -> str:
    """Mean change by each change of `vehicle`, over rows of every frame and of low frame rates.

    Args:
        rows: of any presets; those of the changes begin with `CHANGED`. '' where there are none.
    """
    by_name: dict[str, dict[tuple[str, str], PresetRow]] = {}
    for row in rows:
        by_name.setdefault(row.preset, {})[row.row.group, row.row.rate] = row
    ours = by_name.get(OURS, {})
    changed = {name: found for name, found in by_name.items() if name.startswith(CHANGED)}
    if not ours or not changed:
        return ''
    measured = [key for key in ours if all(key in found for found in changed.values())]
    low = [key for key in measured if ours[key].row.fps[1] <= LOW_RATE_HZ]
    rest = [key for key in measured if key not in set(low)]
    lines = [
        [name.removeprefix(CHANGED), *_cells(ours, found, rest), *_cells(ours, found, low)]
        for name, found in changed.items()
    ]
    measures = ['HOTA', 'MOTA', 'IDF1', 'IDSW']
    low_measures = [f'{name}, low' for name in measures]
    table = markdown_table(['change', *measures, *low_measures], lines)
    return (
        f'Mean change over {len(rest)} rows above and {len(low)} rows up to {LOW_RATE_HZ:g} FPS '
        f'(low); IDSW as a sum.\n\n{table}'
    )


def _cells(ours: Scores, changed: Scores, keys: Sequence[tuple[str, str]]) -> list[str]:
    if not keys:
        return [''] * 4
    pairs = [(ours[key].row.scores, changed[key].row.scores) for key in keys]
    return [
        f'{100 * mean(b.hota - a.hota for a, b in pairs):+.2f}',
        f'{100 * mean(b.mota - a.mota for a, b in pairs):+.2f}',
        f'{100 * mean(b.idf1 - a.idf1 for a, b in pairs):+.2f}',
        f'{sum(b.id_switches - a.id_switches for a, b in pairs):+d}',
    ]
