"""Tables of presets beside each other, as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import mean

from offline_training.evaluation.tables import markdown_table
from offline_training.experiments.tracking_ablation import ablation_table
from offline_training.experiments.tracking_cases import DROPPED, FULL
from offline_training.experiments.tracking_presets import CHANGED, OURS
from offline_training.experiments.tracking_results import PresetRow

TOLERANCE = 0.003  # HOTA that `vehicle` may be behind the best
HELD_OUT = 'synthetic ego-motion'  # how the names of groups begin on which nothing was chosen
_DASH = '–'
_BEHIND = f'{OURS} minus best other'

# By (group, rate): preset -> row, in order.
Grid = Mapping[tuple[str, str], Mapping[str, PresetRow]]


def grid_of(rows: Sequence[PresetRow]) -> Grid:
    """The rows by group and rate, in order."""
    grid: dict[tuple[str, str], dict[str, PresetRow]] = {}
    for row in rows:
        grid.setdefault((row.row.group, row.row.rate), {})[row.preset] = row
    return grid


def all_tables(rows: Sequence[PresetRow]) -> str:
    """Every table and the verdict: what stands between the markers of a page."""
    grid = grid_of([row for row in rows if not row.preset.startswith(CHANGED)])
    sections = [
        ('### HOTA, every frame', hota_table(grid, keys_at(grid, FULL))),
        ('### HOTA on the frame-rate ladder', hota_table(grid, ladder_rates(grid))),
        ('### Means over the ladder', ladder_means_table(grid)),
        ('### HOTA, a fifth of the frames missing', hota_table(grid, keys_at(grid, DROPPED))),
        (f'### Where `{OURS}` is behind', verdict(grid)),
        (f'### What the parts of `{OURS}` are worth', ablation_table(rows)),
        ('### All measures, every frame', detail_table(grid, [[k] for k in keys_at(grid, FULL)])),
        ('### All measures, means over the ladder', detail_table(grid, ladders(grid))),
    ]
    return '\n\n'.join(f'{title}\n\n{text}' for title, text in sections if text)


def keys_at(grid: Grid, rate: str) -> list[tuple[str, str]]:
    """Keys of `grid` of one rate."""
    return [key for key in grid if key[1] == rate]


def ladder_rates(grid: Grid) -> list[tuple[str, str]]:
    """Keys of the groups that have rungs below the full rate, with the full rate first."""
    rungs = [key for key in grid if key[1] not in (FULL, DROPPED)]
    groups = dict.fromkeys(group for group, _ in rungs)
    return [key for group in groups for key in grid if key[0] == group and key[1] != DROPPED]


def ladders(grid: Grid) -> list[list[tuple[str, str]]]:
    """The keys of `ladder_rates`, one list for each group."""
    keys = ladder_rates(grid)
    return [[k for k in keys if k[0] == group] for group in dict.fromkeys(k[0] for k in keys)]


def hota_table(grid: Grid, keys: Sequence[tuple[str, str]]) -> str:
    """HOTA by group and preset, the best bold; '' where there is nothing."""
    names = _presets(grid, keys)
    lines = []
    for key in keys:
        values = {name: _hota(grid[key], name) for name in names}
        lines.append([key[0], _frames_per_s(grid[key]), *_compared(values)])
    return _table(['data', 'FPS', *names], lines, names)


def ladder_means_table(grid: Grid) -> str:
    """Mean HOTA over the full rate and the rungs; '' where there are no rungs."""
    names = _presets(grid, ladder_rates(grid))
    lines = []
    for keys in ladders(grid):
        found = {n: [_hota(grid[key], n) for key in keys] for n in names}
        values = {
            n: mean(v for v in seen if v is not None) if None not in seen else None
            for n, seen in found.items()
        }
        lines.append([keys[0][0], str(len(keys)), *_compared(values)])
    return _table(['data', 'rates', *names], lines, names)


def detail_table(grid: Grid, groups: Sequence[Sequence[tuple[str, str]]]) -> str:
    """HOTA, MOTA, IDF1, IDSW and ms of every preset; '' where there is nothing.

    A group is one key of `grid`, or several whose means are shown, IDSW as a sum.
    """
    lines = []
    for keys in groups:
        names = [n for n in grid[keys[0]] if all(n in grid[key] for key in keys)]
        rows = [[grid[key][name].row for key in keys] for name in names]
        columns = [
            _marked([100 * mean(r.scores.hota for r in part) for part in rows], '.1f'),
            _marked([100 * mean(r.scores.mota for r in part) for part in rows], '.1f'),
            _marked([100 * mean(r.scores.idf1 for r in part) for part in rows], '.1f'),
            _marked([sum(r.scores.id_switches for r in part) for part in rows], 'd', best=min),
            _marked([mean(r.ms for r in part) for part in rows], '.2f', best=min),
        ]
        cells = zip(names, *columns, strict=True)
        lines += [[keys[0][0] if k == 0 else '', *line] for k, line in enumerate(cells)]
    header = ['data', 'preset', 'HOTA', 'MOTA', 'IDF1', 'IDSW', 'ms']
    return markdown_table(header, lines) if lines else ''


def verdict(grid: Grid) -> str:
    """Rows in which `vehicle` is more than `TOLERANCE` behind, and who leads."""
    judged = [key for key, presets in grid.items() if OURS in presets and len(presets) > 1]
    if not judged:
        return ''
    behind_by: list[tuple[float, str]] = []
    for key in judged:
        leader = max(grid[key], key=lambda name: grid[key][name].row.scores.hota)
        behind = _behind(grid[key])
        if behind > TOLERANCE:
            behind_by.append((behind, f'{key[0]}, {_frames_per_s(grid[key])} FPS: `{leader}`'))
    head = (
        f'In {len(judged) - len(behind_by)} of {len(judged)} rows `{OURS}` is the best or at most '
        f'{100 * TOLERANCE:.1f} HOTA behind.'
    )
    fresh = [key for key in judged if key[0].startswith(HELD_OUT)]
    if fresh:
        good = sum(1 for key in fresh if _behind(grid[key]) <= TOLERANCE)
        head += (
            f' Of the {len(fresh)} on scenes on which nothing was chosen ({HELD_OUT}) these are '
            f'{good}.'
        )
    if not behind_by:
        return head
    listed = [f'- {text} leads by {100 * by:.1f}' for by, text in sorted(behind_by, reverse=True)]
    return '\n'.join([f'{head} Of the others:', '', *listed])


def _behind(presets: Mapping[str, PresetRow]) -> float:
    """How much less HOTA `vehicle` has than the best of a row."""
    return max(row.row.scores.hota for row in presets.values()) - presets[OURS].row.scores.hota


def _presets(grid: Grid, keys: Sequence[tuple[str, str]]) -> list[str]:
    return list(dict.fromkeys(name for key in keys for name in grid[key]))


def _hota(presets: Mapping[str, PresetRow], name: str) -> float | None:
    return presets[name].row.scores.hota if name in presets else None


def _compared(values: Mapping[str, float | None]) -> list[str]:
    """Cells in per cent, the best bold, and how far `vehicle` is from the best of the others."""
    known = [round(100 * v, 1) for v in values.values() if v is not None]
    cells = [_DASH if v is None else _bold(100 * v, max(known), '.1f') for v in values.values()]
    ours = values.get(OURS)
    others = [v for name, v in values.items() if name != OURS and v is not None]
    if ours is None or not others:
        return [*cells, '']
    return [*cells, f'{100 * (ours - max(others)):+.1f}']


def _table(header: Sequence[str], lines: Sequence[Sequence[str]], names: Sequence[str]) -> str:
    """With the last column where it says something."""
    if not lines:
        return ''
    if OURS in names and len(names) > 1:
        return markdown_table([*header, _BEHIND], lines)
    return markdown_table(header, [line[:-1] for line in lines])


def _marked(
    values: Sequence[float], form: str, *, best: Callable[[Sequence[float]], float] = max
) -> list[str]:
    """Cells of a column, the best one bold."""
    return [_bold(v, best(values), form) for v in values]


def _bold(value: float, best: float, form: str) -> str:
    text = format(value, form)
    return f'**{text}**' if text == format(best, form) else text


def _frames_per_s(presets: Mapping[str, PresetRow]) -> str:
    """Of the sequences: one number, or the lowest and the highest."""
    low, high = next(iter(presets.values())).row.fps
    texts = list(dict.fromkeys(f'{round(f, 1):g}' for f in (low, high)))
    return ' to '.join(texts)
