"""How much the camera car turns and bounces: levels by name, and what one scene draws from them.

`calm` is a car that follows a straight avenue over a smooth road. In the others it takes corners,
as fast as cars in towns do, and drives over bumps: a bump is a kick in pitch that is at its peak
0.11 s later and swings back by 0.4 of it within another quarter of a second.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Span = tuple[float, float]

_RISE_S, _DECAY_S, _PERIOD_S = 0.06, 0.25, 0.5
# Of the curve below, so that a bump of 2 degrees peaks at 2 degrees.
_PEAK = 0.61107
_LASTS_S = 2.5


@dataclass(frozen=True, kw_only=True)
class EgoLevel:
    """Inclusive ranges: corners taken, yaw rate in them, peak of bumps, time between bumps."""

    turns: tuple[int, int]
    yaw_deg_s: Span
    bump_deg: Span
    bump_every_s: Span


LEVELS: dict[str, EgoLevel] = {
    'calm': EgoLevel(turns=(0, 0), yaw_deg_s=(20, 30), bump_deg=(0, 0), bump_every_s=(3, 6)),
    'city': EgoLevel(turns=(1, 2), yaw_deg_s=(20, 30), bump_deg=(0.4, 1.2), bump_every_s=(2, 6)),
    'rough': EgoLevel(turns=(2, 2), yaw_deg_s=(30, 40), bump_deg=(1, 3), bump_every_s=(0.6, 2)),
}


@dataclass(frozen=True, eq=False, kw_only=True)
class Bumps:
    """`times_s` (B,) of the kicks and the pitch at their peaks, `peaks_rad` (B,), nose up."""

    times_s: Array
    peaks_rad: Array

    def pitch_rad(self, t_s: Array) -> Array:
        """What the bumps add to the pitch at times (N,), as (N,)."""
        since = np.maximum(t_s[:, None] - self.times_s, 0.0)  # (N, B)
        rise = 1.0 - np.exp(-((since / _RISE_S) ** 2))  # without it the pitch rate would jump
        swing = np.exp(-since / _DECAY_S) * np.sin(2 * np.pi * since / _PERIOD_S)
        return np.asarray((rise * swing / _PEAK) @ self.peaks_rad)


NO_BUMPS = Bumps(times_s=np.zeros(0), peaks_rad=np.zeros(0))


def draw_bumps(
    level: EgoLevel, peak_deg: float | None, duration_s: float, rng: np.random.Generator
) -> Bumps:
    """Kicks from before the start to the end; `peak_deg` replaces the level's range of peaks."""
    low, high = level.bump_deg if peak_deg is None else (peak_deg, peak_deg)
    if high <= 0:
        return NO_BUMPS
    gaps = rng.uniform(*level.bump_every_s, int((duration_s + _LASTS_S) / 0.5) + 2)
    times = np.cumsum(gaps) - _LASTS_S
    times = times[times < duration_s]
    return Bumps(times_s=times, peaks_rad=np.radians(rng.uniform(low, high, len(times))))
