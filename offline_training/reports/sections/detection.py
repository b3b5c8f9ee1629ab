"""Average precision of the runs' detections, by set and class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from offline_training.reports import EVALUATIONS
from offline_training.reports.cells import score_cell
from offline_training.reports.content import Cell, Section, Table
from offline_training.reports.runs import dig, entries, Run
from offline_training.reports.scores import mapping

FIELDS = (('ap', 'AP50:95'), ('ap50', 'AP50'))
Found = dict[tuple[str, str], Mapping[str, Any]]  # (set, class) -> scores


def section(runs: Sequence[Run]) -> Section | None:
    """One column per run and measure: sets and sequences together first, then each sequence."""
    scored = [run for run in runs if run.kind in EVALUATIONS]
    parts = []
    together = [(run, dict(_together(run))) for run in scored]
    if any(found for _, found in together):
        parts.append(_table('together', together, folded=False))
    each = [(run, dict(_sequences(run))) for run in scored]
    if any(found for _, found in each):
        parts.append(_table('by sequence', each, folded=bool(parts)))
    if not parts:
        return None
    note = 'Average precision in per cent; compared where there were as many boxes to find.'
    return Section(title='Detection', note=note, parts=parts)


def _table(title: str, of_run: Sequence[tuple[Run, Found]], *, folded: bool) -> Table:
    present = [(run, found) for run, found in of_run if found]
    keys = list(dict.fromkeys(key for _, found in present for key in found))
    head = ['set, class', *(f'{label}, {run.label}' for _, label in FIELDS for run, _ in present)]
    rows: list[list[Cell | str]] = [
        [f'{name}, {part}', *_cells(present, (name, part))] for name, part in keys
    ]
    return Table(title=title, head=head, rows=rows, folded=folded)


def _cells(present: Sequence[tuple[Run, Found]], key: tuple[str, str]) -> Iterator[Cell]:
    reference = present[0][1].get(key)
    for field, _ in FIELDS:
        for k, (_, found) in enumerate(present):
            scores = found.get(key)
            same = dig(scores, 'boxes') == dig(reference, 'boxes')
            first = dig(reference, field) if k and same else None
            yield score_cell(field, dig(scores, field), first=first)


def _together(run: Run) -> Iterator[tuple[tuple[str, str], Mapping[str, Any]]]:
    """Of all sequences of one origin, and of the sets of images that the run's own model saw."""
    for origin, scores in mapping(run.get('combined_detection')).items():
        yield from _parts(str(origin), scores)
    for images in entries(run.content, 'image_sets'):
        name = str(dig(images, 'name'))
        model = dig(images, 'model')
        is_own = model in (None, run.get('model', 'name'))
        yield from _parts(name if is_own else f'{name} ({model})', images)


def _sequences(run: Run) -> Iterator[tuple[tuple[str, str], Mapping[str, Any]]]:
    for sequence in entries(run.content, 'sequences'):
        yield from _parts(str(dig(sequence, 'name')), dig(sequence, 'detection'))


def _parts(name: str, scores: object) -> Iterator[tuple[tuple[str, str], Mapping[str, Any]]]:
    classes = dig(scores, 'classes')
    if not isinstance(classes, Mapping):
        return
    for class_name, of_class in classes.items():
        if isinstance(of_class, Mapping):
            yield (name, str(class_name)), of_class
    average = dig(scores, 'class_average')
    if len(classes) > 1 and isinstance(average, Mapping):
        # The classes that it is a mean of, and their boxes, say whether it can be compared.
        yield (name, 'class average'), {**average, 'boxes': _boxes(classes)}


def _boxes(classes: Mapping[str, object]) -> dict[str, object]:
    return {name: dig(of_class, 'boxes') for name, of_class in classes.items()}
