"""Options of the parts that learn from a teacher, beside their weights."""

from __future__ import annotations

from dataclasses import dataclass

from mot_compress_ros.options import option

_LEAST = 1e-3


@dataclass(frozen=True, kw_only=True)
class DistillationConfig:
    """What the thesis does not print; its abstract names the ideas only."""

    response_temperature: float = option(
        0.1, 'response_consistency: of the softmax over cosines', minimum=_LEAST
    )
    response_own: float = option(
        1.0, "response_consistency: weight of a target's own response", minimum=0.0
    )
    attention_temperature: float = option(
        0.5, "key_features: of the teacher's attention (FGD: 0.5)", minimum=_LEAST
    )
    key_share: float = option(
        0.1,
        'key_features: cells outside of objects where the two differ most, of all cells',
        minimum=0.0,
        maximum=1.0,
    )
    key_background: float = option(
        0.5, 'key_features: weight of those cells; objects have 1', minimum=0.0
    )
    difference_power: float = option(
        1.0,
        'prediction_difference: power of the difference of scores that weighs a sample; '
        '0: all samples alike',
        minimum=0.0,
    )
    difference_min_score: float = option(
        0.1,
        "prediction_difference: smallest value of a teacher's peak that is a sample",
        minimum=0.0,
        maximum=1.0,
    )
    difference_max_samples: int = option(
        100, 'prediction_difference: most samples of an image, the best', minimum=1, maximum=5000
    )
