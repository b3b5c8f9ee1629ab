"""Channel counts under a width multiple."""

from __future__ import annotations

import math


def scaled(channels: int, width: float) -> int:
    """`channels` times `width`, rounded up to a multiple of 8 (YOLOv5's rule)."""
    return math.ceil(channels * width / 8) * 8


def scaled_to_nearest(channels: int, width: float) -> int:
    """`channels` times `width`, to the nearest multiple of 8 of at least 90 % (MobileNet)."""
    exact = channels * width
    nearest = max(8, int(exact + 4) // 8 * 8)
    return nearest if nearest >= 0.9 * exact else nearest + 8
