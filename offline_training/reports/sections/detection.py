"""Average precision of the runs' detections, by set and class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from offline_training.reports import EVALUATIONS
from offline_training.reports.cells import score_cell
from offline_training.reports.content import Cell, Section, Table
from offline_training.reports.runs import dig, entries, Run

FIELDS = (('ap', 'AP50:95'), ('ap50', 'AP50'))
Found = dict[tuple[str, str], Mapping[str, Any]]  # (set, class) -> scores


def section(runs: Sequence[Run]) -> Section | None:
    """One column per run and measure."""
    of_run = [(run, dict(_scores(run))) for run in runs if run.kind in EVALUATIONS]
    present = [(run, found) for run, found in of_run if found]
    if not present:
        return None
    keys = list(dict.fromkeys(key for _, found in present for key in found))
    head = ['set, class', *(f'{label}, {run.label}' for _, label in FIELDS for run, _ in present)]
    rows: list[list[Cell | str]] = [
        [f'{name}, {part}', *_cells(present, (name, part))] for name, part in keys
    ]
    table = Table(title='by set and class', head=head, rows=rows, folded=len(rows) > 12)
    return Section(title='Detection', note='Average precision in per cent.', parts=[table])


def _cells(present: Sequence[tuple[Run, Found]], key: tuple[str, str]) -> Iterator[Cell]:
    for field, _ in FIELDS:
        first = dig(present[0][1].get(key), field)
        for k, (_, found) in enumerate(present):
            yield score_cell(field, dig(found.get(key), field), first=first if k else None)


def _scores(run: Run) -> Iterator[tuple[tuple[str, str], Mapping[str, Any]]]:
    """Of the sequences, and of the sets of images that the run's own model saw."""
    for sequence in entries(run.content, 'sequences'):
        yield from _parts(str(dig(sequence, 'name')), dig(sequence, 'detection'))
    for images in entries(run.content, 'image_sets'):
        name = str(dig(images, 'name'))
        model = dig(images, 'model')
        is_own = model in (None, run.get('model', 'name'))
        yield from _parts(name if is_own else f'{name} ({model})', images)


def _parts(name: str, scores: object) -> Iterator[tuple[tuple[str, str], Mapping[str, Any]]]:
    classes = dig(scores, 'classes')
    if not isinstance(classes, Mapping):
        return
    for class_name, of_class in classes.items():
        if isinstance(of_class, Mapping):
            yield (name, str(class_name)), of_class
    average = dig(scores, 'class_average')
    if len(classes) > 1 and isinstance(average, Mapping):
        yield (name, 'class average'), average
