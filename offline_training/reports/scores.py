"""What the sections of evaluations share: scores by class, as cells with differences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from offline_training.reports.cells import score_cell
from offline_training.reports.content import Cell
from offline_training.reports.runs import as_number, dig, entries, Run

COLUMNS = (
    ('hota', 'HOTA'),
    ('det_a', 'DetA'),
    ('ass_a', 'AssA'),
    ('mota', 'MOTA'),
    ('idf1', 'IDF1'),
    ('mostly_tracked', 'MT'),
    ('mostly_lost', 'ML'),
    ('id_switches', 'IDSW'),
    ('false_positives', 'FP'),
    ('misses', 'FN'),
)
POOLED = (('class_average', 'class average'), ('all', 'all classes'))
Scores = Mapping[str, Any]


def score_cells(
    columns: Sequence[tuple[str, str]],
    present: Sequence[tuple[Run, Scores]],
    k: int,
    keys: tuple[str, ...],
) -> list[Cell]:
    """Scores of run `k` below `keys`, compared with run 0 where that is fair."""
    scores, first = present[k][1], present[0][1]
    comparable = k > 0 and are_comparable(present[k], present[0], keys)
    return [
        score_cell(
            field,
            defined(dig(scores, *keys), field),
            first=defined(dig(first, *keys), field) if comparable else None,
            interval=interval(scores, keys[-1], field),
        )
        for field, _ in columns
    ]


def are_comparable(
    one: tuple[Run, Scores], other: tuple[Run, Scores], keys: tuple[str, ...]
) -> bool:
    """Whether one protocol judged both on the same sequences, and they pool the same classes."""
    classes = [set(mapping(scores.get('classes'))) for _, scores in (one, other)]
    return (
        protocol(one[0]) == protocol(other[0])
        and sequence_names(one[1]) == sequence_names(other[1])
        and (keys[0] == 'classes' or classes[0] == classes[1])
    )


def protocol(run: Run) -> str:
    """By whose rules a run was judged."""
    return str(run.get('protocol') or 'product')


def defined(part: object, field: str) -> float | None:
    """A score; ratios of a class without boxes are none."""
    value = as_number(dig(part, field))
    return None if isinstance(value, float) and dig(part, 'boxes') == 0 else value


def interval(scores: Scores, part: str, field: str) -> tuple[object, ...]:
    """Low and high of a pooled score, by the bootstrap over sequences; nothing without one."""
    ends = dig(scores, 'bootstrap', 'scores', part, field)
    return (dig(ends, 'low'), dig(ends, 'high')) if isinstance(ends, Mapping) else ()


def parts(of_runs: Sequence[Scores]) -> list[tuple[tuple[str, ...], str]]:
    """Keys and labels of the classes that any run has, then of the pooled scores."""
    names = in_order(name for scores in of_runs for name in mapping(dig(scores, 'classes')))
    found: list[tuple[tuple[str, ...], str]] = [(('classes', name), name) for name in names]
    pooled = [((key,), label) for key, label in POOLED if any(key in s for s in of_runs)]
    return found + (pooled if len(names) > 1 else [])


def by_name(run: Run, *, partly: bool) -> dict[str, Scores]:
    """The sequences of a run that are labelled wholly, or partly."""
    return {
        str(s['name']): s
        for s in entries(run.content, 'sequences')
        if 'name' in s and bool(s.get('partly_labelled')) == partly
    }


def sequence_names(scores: Scores) -> list[str]:
    """Which sequences were pooled; a single one is compared by its name."""
    names = scores.get('sequences')
    return [str(n) for n in names] if isinstance(names, list) else [str(scores.get('name'))]


def mapping(value: object) -> Mapping[str, Any]:
    """`value` if it is a dictionary, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def in_order(names: Iterable[object]) -> list[str]:
    """Each name once, in order of its first appearance."""
    return list(dict.fromkeys(str(name) for name in names))


def in_percent(value: object) -> float | None:
    """A ratio in per cent; None for what is none."""
    number = as_number(value)
    return None if number is None else 100 * number
