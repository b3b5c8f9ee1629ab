"""How well the runs' embeddings tell identities apart, by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from offline_training.reports import EVALUATIONS
from offline_training.reports.cells import plain, score_cell
from offline_training.reports.content import Cell, Section, Table
from offline_training.reports.runs import dig, Run
from offline_training.reports.scores import in_order, mapping

COLUMNS = (
    ('tpr_at_far_0.001', 'TPR@FAR 0.001'),
    ('tpr_at_far_0.01', 'TPR@FAR 0.01'),
    ('tpr_at_far_0.1', 'TPR@FAR 0.1'),
    ('map', 'mAP'),
    ('rank1', 'rank 1'),
    ('rank1_after_gap', 'rank 1 after a gap'),
)


def section(runs: Sequence[Run]) -> Section | None:
    """One row per origin, class and run."""
    scored = [run for run in runs if run.kind in EVALUATIONS and run.get('combined_reid')]
    origins = in_order(key for run in scored for key in mapping(run.get('combined_reid')))
    rows = [row for origin in origins for row in _rows(scored, origin)]
    if not rows:
        return None
    head = ['sequences, class, run', *(label for _, label in COLUMNS), 'boxes']
    return Section(
        title='Re-identification',
        note='At the centres of labelled boxes, per cent; compared where as many were read.',
        parts=[Table(title='by class', head=head, rows=rows, folded=len(rows) > 12)],
    )


def _rows(runs: Sequence[Run], origin: str) -> list[list[Cell | str]]:
    of_run = [(run, mapping(run.get('combined_reid', origin))) for run in runs]
    rows: list[list[Cell | str]] = []
    for name in in_order(key for _, classes in of_run for key in classes):
        present = [(run, c[name]) for run, c in of_run if isinstance(c.get(name), Mapping)]
        for k, (run, scores) in enumerate(present):
            # The pair of a student and a teacher reads its embeddings on fewer frames.
            same = scores.get('embeddings') == present[0][1].get('embeddings')
            first = present[0][1] if k and same else None
            rows.append(
                [
                    Cell(text=f'{origin}, {name}, {run.label}', color=run.color),
                    *(
                        score_cell(field, scores.get(field), first=dig(first, field))
                        for field, _ in COLUMNS
                    ),
                    plain(scores.get('embeddings')),
                ]
            )
    return rows
