"""Confidence intervals over sequences: how far a score would move on other drives.

Sequences are drawn with replacement, and TrackEval pools each draw anew from the raw results of
its sequences; percentiles of the pooled scores are the interval (Efron's percentile bootstrap).
Frames are not drawn: those of one sequence are far from independent. Two evaluations of the same
sequences are compared draw by draw, so what is hard for both takes no part.

With few sequences an interval is rough: of three there are ten different draws.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.errors import InputError
from mot_compress_ros.options import option
from offline_training.evaluation.tracking_scores import (
    average_classes,
    combine_classes,
    combine_sequences,
    RawScores,
)

FIELDS = ('hota', 'mota', 'idf1')
POOLED = ('class_average', 'all')
ONE_SEQUENCE = 'one sequence only: no interval can be given'
# Raw scores by class name, by name of the sequence.
RawBySequence = Mapping[str, Mapping[str, RawScores]]
Draw = tuple[int, ...]  # how often each sequence was drawn


@dataclass(frozen=True, kw_only=True)
class BootstrapConfig:
    """How intervals are made."""

    resamples: int = option(1000, 'draws of the sequences', minimum=1)
    confidence: float = option(
        0.95, 'share of the draws in the interval', minimum=0.5, maximum=1.0
    )
    seed: int = option(0, 'of the draws', minimum=0)


def intervals(per_sequence: RawBySequence, config: BootstrapConfig) -> dict[str, Any]:
    """Intervals of the pooled scores by class name, `class_average` and `all`.

    Args:
        per_sequence: raw scores; a sequence need not have every class.
        config: number of draws, width, seed.

    Returns:
        `sequences` and the words `why_not` where there is but one; else `scores`: for each class
        and field `low` and `high`.
    """
    names = sorted(per_sequence)
    if len(names) < 2:
        return {'sequences': len(names), 'why_not': ONE_SEQUENCE}
    draws = _draws(len(names), config)
    values = _values(per_sequence, names, draws)
    return {
        'sequences': len(names),
        'scores': {
            part: {field: _interval(of_field, config) for field, of_field in fields.items()}
            for part, fields in values.items()
        },
    }


def paired_differences(
    before: Mapping[str, Any], after: Mapping[str, Any], config: BootstrapConfig | None = None
) -> dict[str, Any]:
    """What changed from one evaluation to another, with intervals, by origin.

    Args:
        before: a report as `evaluate --json` or `score --json` writes it.
        after: another, by the same protocol.
        config: number of draws, width, seed.

    Returns:
        By origin: `sequences` (names of what both have), and either `why_not` or `scores`: for
        each class and field `difference` (after - before), `low`, `high`, and `share_above_zero`
        of the draws that have the class. `class_average` and `all` are there only where both
        scored the same classes.

    Raises:
        InputError: the protocols differ, or a report has no raw scores (it is of an older
            version).
    """
    config = config or BootstrapConfig()
    protocols = [report.get('protocol', 'product') for report in (before, after)]
    if protocols[0] != protocols[1]:
        raise InputError(
            f'evaluations by the protocols {" and ".join(protocols)} cannot be compared'
        )
    first, second = raw_of_report(before), raw_of_report(after)
    return {
        origin: _difference(first[origin], second[origin], config)
        for origin in first
        if origin in second
    }


def raw_of_report(report: Mapping[str, Any]) -> dict[str, dict[str, dict[str, RawScores]]]:
    """Raw scores by class name, by sequence, by origin.

    Raises:
        InputError: the report has none.
    """
    found: dict[str, dict[str, dict[str, RawScores]]] = {}
    for sequence in report['sequences']:
        if sequence.get('partly_labelled') or not sequence.get('classes'):
            continue
        if 'raw' not in sequence:
            raise InputError(
                f'{report["command"]}: its JSON has no raw scores; run the command again'
            )
        raw = {name: RawScores.from_json(scores) for name, scores in sequence['raw'].items()}
        found.setdefault(sequence['origin'], {})[sequence['name']] = raw
    return found


def _difference(
    first: RawBySequence, second: RawBySequence, config: BootstrapConfig
) -> dict[str, Any]:
    names = sorted(set(first) & set(second))
    if len(names) < 2:
        return {'sequences': names, 'why_not': ONE_SEQUENCE if names else 'no common sequence'}
    draws = _draws(len(names), config)
    once: Draw = (1,) * len(names)
    one, two = (_values(raw, names, [*draws, once]) for raw in (first, second))
    common = [part for part in one if part in two]
    if _classes(first, names) != _classes(second, names):
        common = [part for part in common if part not in POOLED]
    scores = {
        part: {field: _change(two[part][field] - one[part][field], config) for field in FIELDS}
        for part in common
    }
    return {'sequences': names, 'scores': scores}


def _change(change: NDArray[np.float64], config: BootstrapConfig) -> dict[str, float | None]:
    """Of the differences by draw, the last of which is of every sequence once."""
    drawn = change[:-1][np.isfinite(change[:-1])]
    return {
        'difference': float(change[-1]) if np.isfinite(change[-1]) else None,
        **_interval(change[:-1], config),
        'share_above_zero': float(np.mean(drawn > 0)) if len(drawn) else None,
    }


def _classes(raw: RawBySequence, names: Sequence[str]) -> set[str]:
    return {class_name for name in names for class_name in raw[name]}


def _draws(n: int, config: BootstrapConfig) -> list[Draw]:
    """How often each of `n` sequences is drawn, for every resample."""
    rng = np.random.default_rng(config.seed)
    chosen = rng.integers(0, n, size=(config.resamples, n))
    return [tuple(np.bincount(row, minlength=n).tolist()) for row in chosen]


def _values(
    per_sequence: RawBySequence, names: Sequence[str], draws: Sequence[Draw]
) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Pooled scores by part and field, one value per draw; NaN where a draw lacks the class."""
    known: dict[Draw, dict[str, dict[str, float]]] = {}
    for draw in draws:
        if draw not in known:
            known[draw] = _pooled(per_sequence, names, draw)
    parts = dict.fromkeys(part for scores in known.values() for part in scores)
    return {
        part: {
            field: np.array([known[draw].get(part, {}).get(field, np.nan) for draw in draws])
            for field in FIELDS
        }
        for part in parts
    }


def _pooled(
    per_sequence: RawBySequence, names: Sequence[str], draw: Draw
) -> dict[str, dict[str, float]]:
    """Scores of one draw by class, `class_average` and `all`; classes without objects not."""
    classes = sorted({name for raw in per_sequence.values() for name in raw})
    pooled: dict[str, RawScores] = {}
    for class_name in classes:
        drawn = {
            f'{name} {copy}': per_sequence[name][class_name]
            for name, times in zip(names, draw, strict=True)
            for copy in range(times)
            if class_name in per_sequence[name]
        }
        if drawn:
            pooled[class_name] = combine_sequences(drawn)
    if pooled:
        pooled |= {'class_average': average_classes(pooled), 'all': combine_classes(pooled)}
    summaries = {name: raw.summary() for name, raw in pooled.items() if raw.boxes}
    return {
        name: {field: getattr(summary, field) for field in FIELDS}
        for name, summary in summaries.items()
    }


def _interval(values: NDArray[np.float64], config: BootstrapConfig) -> dict[str, float | None]:
    """The middle `confidence` of the draws; draws without the class are left out."""
    defined = values[np.isfinite(values)]
    if not len(defined):
        return {'low': None, 'high': None}
    tail = 50 * (1 - config.confidence)
    low, high = np.percentile(defined, [tail, 100 - tail])
    return {'low': float(low), 'high': float(high)}
