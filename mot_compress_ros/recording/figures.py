"""Several samples in a few numbers, as summary and report tell them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import numpy as np

from mot_compress_ros.health import Percentiles


class LatencySummary(TypedDict):
    """Percentiles of one stage, milliseconds, over n samples."""

    p50: float
    p95: float
    p99: float
    n: int


class Spread(TypedDict):
    """The smallest, the middle and the largest of some values."""

    min: float
    median: float
    max: float


def latency_summary(percentiles: Percentiles) -> LatencySummary:
    """Percentiles as the summary has them, in microseconds' steps."""
    return {
        'p50': round(percentiles.p50, 3),
        'p95': round(percentiles.p95, 3),
        'p99': round(percentiles.p99, 3),
        'n': percentiles.n,
    }


def percentiles_of(samples_ms: Sequence[float]) -> LatencySummary | None:
    """Percentiles of samples in milliseconds; None where there are none."""
    if not samples_ms:
        return None
    p50, p95, p99 = (float(p) for p in np.percentile(samples_ms, [50, 95, 99]))
    return latency_summary(Percentiles(p50=p50, p95=p95, p99=p99, n=len(samples_ms)))


def spread_of(values: Sequence[float]) -> Spread | None:
    """Smallest, median and largest value; None where there are none."""
    if not values:
        return None
    middle = round(float(np.median(values)), 3)
    return {'min': round(min(values), 3), 'median': middle, 'max': round(max(values), 3)}
