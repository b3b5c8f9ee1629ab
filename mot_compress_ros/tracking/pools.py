"""Which tracks and which detections take part in a round."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mot_compress_ros.tracking.pairs import BoolArray
from mot_compress_ros.tracking.scene import Scene


def everyone(scene: Scene) -> BoolArray:
    """All tracks."""
    return np.ones(len(scene.tracks), bool)


def confirmed(scene: Scene) -> BoolArray:
    """Tracks that the last frame showed."""
    return scene.confirmed


def confirmed_or_lost(scene: Scene) -> BoolArray:
    """Tracks that were confirmed, whether the last frame showed them or not."""
    return scene.confirmed | scene.lost


def tentative(scene: Scene) -> BoolArray:
    """Tracks that are not confirmed yet."""
    return scene.tentative


def scoring(*, at_least: float) -> Callable[[Scene], BoolArray]:
    """Detections of such a score."""
    return lambda scene: scene.seen.scores >= at_least


def scoring_less(*, than: float) -> Callable[[Scene], BoolArray]:
    """Detections of a lower score."""
    return lambda scene: scene.seen.scores < than
