"""How much noise the motion models assume."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class NoiseWeights:
    """Standard deviations per reference period, as fractions of the size of the box.

    The defaults are DeepSORT's (Wojke et al. 2017), which FairMOT, ByteTrack and BoT-SORT share.
    """

    position: float = 1 / 20
    velocity: float = 1 / 160
    measured: float = 1 / 20
