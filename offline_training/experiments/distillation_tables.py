"""The tables of `experiments distillation`: scores, and differences from the plain student."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from offline_training.evaluation.tables import markdown_table
from offline_training.experiments.distillation_plan import (
    PLAIN,
    TEACHER,
    THESIS,
    Variant,
    VARIANTS,
)
from offline_training.experiments.distillation_work import Result

MEASURES = {'idf1': 'IDF1', 'mota': 'MOTA', 'mt': 'MT', 'hota': 'HOTA'}
DASH = '–'
_COUNTS = ('MT', 'PT', 'ML')


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A student less the plain one.

    Attributes:
        variant: name of the student's.
        measure: one of `MEASURES`.
        ours: in points.
        low: lower end of the interval over sequences; None where there is none.
        high: upper end.
        thesis: the same difference there; None where it prints none.
    """

    variant: str
    measure: str
    ours: float
    low: float | None
    high: float | None
    thesis: float | None

    def to_json(self) -> dict[str, object]:
        """All of it."""
        return {
            'variant': self.variant,
            'measure': self.measure,
            'ours': self.ours,
            'low': self.low,
            'high': self.high,
            'thesis': self.thesis,
        }


def differences(results: Mapping[str, Result], *, resamples: int) -> list[Difference]:
    """Of every variant that was scored from the plain student, by variant and measure.

    Args:
        results: by name of the training.
        resamples: draws of the intervals; 0 for none.
    """
    plain, found = results[VARIANTS[PLAIN].training], []
    for variant in VARIANTS.values():
        if variant.name != PLAIN and variant.training in results:
            taught = results[variant.training]
            bounds = _bounds(plain.report, taught.report, resamples) if resamples else {}
            for measure in MEASURES:
                low, high = bounds.get(measure, (None, None))
                found.append(
                    Difference(
                        variant=variant.name,
                        measure=measure,
                        ours=taught.figures[measure] - plain.figures[measure],
                        low=low,
                        high=high,
                        thesis=_of_thesis(variant.name, measure),
                    )
                )
    return found


def _of_thesis(variant: str, measure: str) -> float | None:
    if variant not in THESIS or measure not in THESIS[variant]:
        return None
    return THESIS[variant][measure] - THESIS[PLAIN][measure]


def _bounds(
    plain: Mapping[str, Any], taught: Mapping[str, Any], resamples: int
) -> dict[str, tuple[float | None, float | None]]:
    """Ends of the intervals of 95 %, in points, by measure; {} for one sequence."""
    from offline_training.evaluation.bootstrap import BootstrapConfig, paired_differences

    config = BootstrapConfig(resamples=resamples)
    (found,) = paired_differences(plain, taught, config).values()
    if 'why_not' in found:
        return {}
    scores = found['scores']['all']
    bounds = {
        measure: (_points(scores[measure]['low']), _points(scores[measure]['high']))
        for measure in ('idf1', 'mota', 'hota')
    }
    return {**bounds, 'mt': tracked_bounds(plain, taught, config)}


def tracked_bounds(
    plain: Mapping[str, Any], taught: Mapping[str, Any], config: Any
) -> tuple[float, float]:
    """Ends of the interval of the difference in mostly tracked objects, in points.

    Sequences are drawn as in `evaluation.bootstrap`.
    """
    counts = np.stack([_tracked_counts(report) for report in (plain, taught)])  # (2, N, 3)
    n = counts.shape[1]
    chosen = np.random.default_rng(config.seed).integers(0, n, size=(config.resamples, n))
    drawn = counts[:, chosen].sum(axis=2)  # (2, resamples, 3)
    shares = drawn[..., 0] / np.maximum(drawn.sum(axis=2), 1)
    tail = 50 * (1 - config.confidence)
    low, high = np.percentile(100 * (shares[1] - shares[0]), [tail, 100 - tail])
    return float(low), float(high)


def _tracked_counts(report: Mapping[str, Any]) -> Any:
    """(N, 3) objects mostly, partly and hardly tracked, of each sequence by name."""
    from offline_training.evaluation.bootstrap import raw_of_report

    (sequences,) = raw_of_report(report).values()
    return np.array(
        [
            [
                sum(float(raw.by_metric['CLEAR'][name]) for raw in classes.values())
                for name in _COUNTS
            ]
            for _, classes in sorted(sequences.items())
        ]
    )


def _points(value: float | None) -> float | None:
    return None if value is None else 100 * value


def scores_table(results: Mapping[str, Result]) -> str:
    """Each network: the thesis' figure beside ours, where it has one."""
    header = ['student']
    for measure, name in MEASURES.items():
        header += [f'{name}, thesis', 'ours'] if measure in THESIS[PLAIN] else [name]
    rows = [_scores('the teacher', {}, results[TEACHER])] if TEACHER in results else []
    for variant in _of(results):
        thesis = THESIS.get(variant.name, {})
        rows.append(_scores(variant.what, thesis, results[variant.training]))
    return markdown_table(header, rows)


def _scores(what: str, thesis: Mapping[str, float], result: Result) -> list[str]:
    cells = [what]
    for measure in MEASURES:
        if measure in THESIS[PLAIN]:
            cells.append(DASH if measure not in thesis else f'{thesis[measure]:.1f}')
        cells.append(f'{result.figures[measure]:.1f}')
    return cells


def _of(results: Mapping[str, Result]) -> list[Variant]:
    return [variant for variant in VARIANTS.values() if variant.training in results]


def differences_table(found: Sequence[Difference]) -> str:
    """Each student less the plain one, with its interval."""
    header = ['student', *(f'{name}, points' for name in MEASURES.values()), 'thesis']
    rows = []
    for name in dict.fromkeys(difference.variant for difference in found):
        mine = [difference for difference in found if difference.variant == name]
        said = [f'{d.thesis:+.1f} {MEASURES[d.measure]}' for d in mine if d.thesis is not None]
        rows.append([VARIANTS[name].what, *map(_cell, mine), ', '.join(said) or DASH])
    return markdown_table(header, rows)


def _cell(difference: Difference) -> str:
    text = f'{difference.ours:+.1f}'
    if difference.low is None or difference.high is None:
        return text
    return f'{text} ({difference.low:+.1f} to {difference.high:+.1f})'


def all_tables(results: Mapping[str, Result], found: Sequence[Difference]) -> str:
    """What stands between the markers of a page."""
    parts = ['### Scores', scores_table(results)]
    if found:
        parts += ['### What teaching brings', differences_table(found)]
    return '\n\n'.join(parts)
