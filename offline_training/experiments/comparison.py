"""Scores of variants beside those of a baseline: differences, their sign, kept or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import math
from statistics import mean, stdev
from typing import Any

from mot_compress_ros.errors import InputError
from offline_training.evaluation.tables import markdown_table

# Measure -> heading.
MEASURES = {'hota': 'HOTA', 'mota': 'MOTA', 'idf1': 'IDF1', 'ap50': 'AP50', 'reid': 're-ID'}
VOTING = ('hota', 'idf1', 'ap50', 'reid')
REID_RATE = 'tpr_at_far_0.1'

# Of one evaluation: measure -> origin -> value in 0..1.
Scores = dict[str, dict[str, float]]


def read_scores(report: Mapping[str, Any]) -> Scores:
    """The measures of an evaluation, real and synthetic data apart.

    HOTA, MOTA and IDF1 are of all classes of the sequences of one origin together, AP50 is the
    mean of the class averages of its sequences and image sets, re-ID the mean over classes of the
    true positive rate at a false accept rate of 0.1.
    """
    scores: Scores = {measure: {} for measure in MEASURES}
    for origin, pooled in report['combined'].items():
        for measure in ('hota', 'mota', 'idf1'):
            scores[measure][origin] = float(pooled['all'][measure])
    for origin, classes in report['combined_reid'].items():
        known = [float(c[REID_RATE]) for c in classes.values() if c[REID_RATE] is not None]
        if known:
            scores['reid'][origin] = mean(known)
    precisions: dict[str, list[float]] = {}
    for sequence in report['sequences']:
        if 'detection' in sequence:
            found = sequence['detection']['class_average']['ap50']
            if found is not None:  # it has an object
                precisions.setdefault(sequence['origin'], []).append(float(found))
    for images in report['image_sets']:
        precisions.setdefault('real', []).append(float(images['class_average']['ap50']))
    scores['ap50'] = {origin: mean(values) for origin, values in precisions.items()}
    return {measure: values for measure, values in scores.items() if values}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One variant, means over its seeds.

    Attributes:
        name: of the variant.
        seeds: how many trainings.
        values: measure -> mean over origins, 0..1.
        by_origin: measure -> origin -> value.
        differences: measure -> to the baseline of the same seeds; empty for the baseline.
        gain: mean of the differences that vote.
        error: standard error of `gain` over the seeds; 0 for one seed, where nobody knows.
        kept: whether the gain is above 0 and above its error.
    """

    name: str
    seeds: int
    values: Mapping[str, float]
    by_origin: Mapping[str, Mapping[str, float]]
    differences: Mapping[str, float]
    gain: float
    error: float
    kept: bool

    def to_json(self) -> dict[str, object]:
        """All of it, with the sign of each difference."""
        return {
            'name': self.name,
            'seeds': self.seeds,
            'values': dict(self.values),
            'by_origin': {m: dict(values) for m, values in self.by_origin.items()},
            'differences': dict(self.differences),
            'signs': {m: sign(d) for m, d in self.differences.items()},
            'gain': self.gain,
            'error': self.error,
            'kept': self.kept,
        }


def compare(scores: Mapping[str, Mapping[int, Scores]]) -> list[Row]:
    """Rows in the order of `scores`, whose first entry is the baseline.

    Args:
        scores: by variant and seed.

    Raises:
        InputError: the runs do not have the same measures or seeds.
    """
    baseline = next(iter(scores.values()))
    kinds = {(seed, *s) for by_seed in scores.values() for seed, s in by_seed.items()}
    expected = {(seed, *s) for seed, s in baseline.items()}
    if kinds != expected:
        raise InputError(
            'the runs were not all evaluated alike; remove evaluation.json of the older ones'
        )
    return [
        _row(name, by_seed, {} if by_seed is baseline else baseline)
        for name, by_seed in scores.items()
    ]


def seed_spread(by_seed: Mapping[int, Scores]) -> float | None:
    """By how much seeds alone move one variant: largest minus smallest mean of what votes.

    None where there is one seed only.
    """
    means = [
        mean(_over_origins(scores, m) for m in VOTING if m in scores)
        for scores in by_seed.values()
    ]
    return max(means) - min(means) if len(means) > 1 else None


def _row(name: str, by_seed: Mapping[int, Scores], baseline: Mapping[int, Scores]) -> Row:
    measures = list(next(iter(by_seed.values())))
    per_seed = {
        seed: {m: _over_origins(by_seed[seed], m) - _over_origins(base, m) for m in measures}
        for seed, base in baseline.items()
    }
    gains = [mean([d for m, d in one.items() if m in VOTING]) for one in per_seed.values()]
    gain = mean(gains) if gains else 0.0
    error = stdev(gains) / math.sqrt(len(gains)) if len(gains) > 1 else 0.0
    origins = {m: list(next(iter(by_seed.values()))[m]) for m in measures}
    return Row(
        name=name,
        seeds=len(by_seed),
        values={m: mean(_over_origins(s, m) for s in by_seed.values()) for m in measures},
        by_origin={
            m: {o: mean(s[m][o] for s in by_seed.values()) for o in origins[m]} for m in measures
        },
        differences={m: mean(d[m] for d in per_seed.values()) for m in measures}
        if per_seed
        else {},
        gain=gain,
        error=error,
        kept=gain > error,
    )


def _over_origins(scores: Scores, measure: str) -> float:
    """Real and synthetic data count alike, however many sequences there are of each."""
    return mean(scores[measure].values())


def sign(difference: float) -> str:
    """+, - or 0."""
    return '+' if difference > 0 else '-' if difference < 0 else '0'


def comparison_table(rows: list[Row], what: Mapping[str, str]) -> str:
    """A Markdown table: values in per cent, differences to the baseline in points."""
    measures = list(rows[0].values)
    header = ['variant']
    for measure in measures:
        header += [MEASURES[measure], 'Δ']
    lines = []
    for row in rows:
        cells = [f'{row.name}: {what[row.name]}']
        for measure in measures:
            difference = row.differences.get(measure)
            cells.append(f'{100 * row.values[measure]:.1f}')
            cells.append('' if difference is None else f'{100 * difference:+.1f}')
        verdict = ('yes' if row.kept else 'no') if row.differences else ''
        spread = f' ± {100 * row.error:.1f}' if row.error else ''
        gain = f'{100 * row.gain:+.1f}{spread}' if row.differences else ''
        lines.append([*cells, gain, verdict])
    return markdown_table([*header, 'gain', 'kept'], lines)
