"""Oracle boxes made a little worse, because a tracker has little to get wrong in perfect ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.datatypes import Detections

_SEED = 317


@dataclass(frozen=True, kw_only=True)
class Noise:
    """How much worse.

    Attributes:
        jitter: standard deviation of the centre, and of the logarithm of the size, in sizes.
        misses: share of the boxes that are left out.
        false_alarms: boxes that are nothing, per true one.
    """

    jitter: float = 0.05
    misses: float = 0.1
    false_alarms: float = 0.05


def with_noise(
    frames: Sequence[Detections], *, name: str, noise: Noise | None = None
) -> list[Detections]:
    """The frames of one sequence with noise; the same every time, whatever came before.

    A false alarm has class and size of a box of its frame and lies anywhere between the outermost
    boxes of the sequence; every score stays 1, so no threshold tells it apart.
    """
    noise = noise or Noise()
    rng = np.random.default_rng([_SEED, *name.encode()])
    corners = np.concatenate([d.boxes_xyxy_px for d in frames])  # (N, 4)
    if not len(corners):
        return list(frames)
    low, high = corners[:, :2].min(axis=0), corners[:, 2:].max(axis=0)
    return [_frame(d, noise, rng, low_px=low, high_px=high) for d in frames]


def _frame(
    seen: Detections,
    noise: Noise,
    rng: np.random.Generator,
    *,
    low_px: NDArray[np.floating],
    high_px: NDArray[np.floating],
) -> Detections:
    n = len(seen)
    kept = np.flatnonzero(rng.random(n) >= noise.misses)
    wrong = rng.integers(0, n, rng.poisson(noise.false_alarms * n)) if n else kept[:0]
    size = seen.boxes_xyxy_px[:, 2:] - seen.boxes_xyxy_px[:, :2]  # (N, 2)
    centre = seen.boxes_xyxy_px[:, :2] + size / 2
    moved = centre[kept] + noise.jitter * size[kept] * rng.standard_normal((len(kept), 2))
    scaled = size[kept] * np.exp(noise.jitter * rng.standard_normal((len(kept), 2)))
    anywhere = rng.uniform(low_px, high_px, (len(wrong), 2))
    centre, size = np.concatenate([moved, anywhere]), np.concatenate([scaled, size[wrong]])
    rows = np.concatenate([kept, wrong])
    return Detections(
        boxes_xyxy_px=np.concatenate([centre - size / 2, centre + size / 2], axis=1).astype(
            np.float32
        ),
        scores=seen.scores[rows],
        class_ids=seen.class_ids[rows],
        embeddings=seen.embeddings[rows],
        embedding_space=seen.embedding_space,
    )
