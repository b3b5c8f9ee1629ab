"""A busy street of which the oracle tests see the detections: every rule of a tracker is used."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.datatypes import Detections

Array = NDArray[np.float64]


@dataclass
class Street:
    """Objects of three classes that wander, hide, stop, fade, look alike and are seen twice."""

    rng: np.random.Generator
    objects: int

    def __post_init__(self) -> None:
        rng, n = self.rng, self.objects
        self.centre = rng.uniform(100, 700, (n, 2))
        self.speed = rng.normal(0, 4, (n, 2))
        self.size = rng.uniform(50, 150, (n, 2))
        self.look = rng.normal(0, 1, (n, 8))
        self.look[1::4] = self.look[0 : len(self.look[1::4]) * 4 : 4]  # some are twins
        self.kind = rng.choice(3, n, p=[0.6, 0.3, 0.1])
        self.hidden_until, self.faint_until, self.twice_until = np.zeros((3, n))

    def move(self, k: int) -> None:
        rng = self.rng
        self.centre += self.speed
        self.speed += rng.normal(0, 0.5, self.speed.shape)
        self.speed[(self.centre < 100) & (self.speed < 0)] *= -1
        self.speed[(self.centre > 700) & (self.speed > 0)] *= -1
        for until, chance, longest in (
            (self.hidden_until, 0.04, 40),
            (self.faint_until, 0.06, 8),
            (self.twice_until, 0.02, 8),
        ):
            starts = rng.random(self.objects) < chance
            until[starts] = k + rng.integers(2, longest, starts.sum())
            if until is self.hidden_until:
                self.speed[starts & (rng.random(self.objects) < 0.5)] *= 0.1

    def seen(self, k: int) -> dict[str, Array]:
        """Columns of the detections of frame `k`."""
        rng = self.rng
        on = np.flatnonzero((self.hidden_until <= k) & (rng.random(self.objects) > 0.03))
        faint = self.faint_until[on] > k
        scores = np.where(faint, rng.uniform(0.05, 0.6, len(on)), rng.uniform(0.6, 1, len(on)))
        twice = on[self.twice_until[on] > k]
        on = np.r_[on, twice]
        half = (self.size[on] * rng.normal(1, 0.02, (len(on), 2))) / 2
        middle = self.centre[on] + rng.normal(0, 1.5, (len(on), 2))
        stray = rng.uniform(100, 700, (rng.poisson(1.0), 2))
        look = self.look[on] + rng.normal(0, 0.25, (len(on), 8))
        look = np.r_[look, rng.normal(0, 1, (len(stray), 8))]
        n = len(stray)
        return {
            'boxes_xyxy_px': np.r_[
                np.c_[middle - half, middle + half], np.c_[stray - 30, stray + 30]
            ],
            'scores': np.r_[scores, rng.uniform(0.5, 1, len(twice)), rng.uniform(0.3, 1, n)],
            'class_ids': np.r_[self.kind[on], rng.integers(0, 3, n)],
            'embeddings': look / np.linalg.norm(look, axis=1, keepdims=True),
        }


def street(
    seed: int, *, frames: int = 100, objects: int = 14, shaky: bool = False
) -> Iterator[tuple[int, Detections, Array]]:
    """Stamp, detections and camera motion of each frame of a `Street` at 30 FPS.

    With `shaky` the image jumps and zooms between frames; otherwise the motion is the identity.
    """
    rng = np.random.default_rng(seed)
    scene = Street(rng, objects)
    zoom, offset = 1.0, np.zeros(2)
    for k in range(frames):
        scene.move(k)
        columns = scene.seen(k)
        step = np.eye(3)
        if shaky and k:
            change = rng.uniform(0.95, 1.05) / zoom
            new_offset = rng.normal(0, 25, 2)
            step[:2, :2] *= change
            step[:2, 2] = new_offset - offset * change
            zoom, offset = zoom * change, new_offset
        columns['boxes_xyxy_px'] = columns['boxes_xyxy_px'] * zoom + np.tile(offset, 2)
        order = rng.permutation(len(columns['scores']))
        detections = Detections(
            **{name: column[order] for name, column in columns.items()},
            embedding_space='student',
        )
        yield 10**15 + round(k * 1e9 / 30), detections, step
