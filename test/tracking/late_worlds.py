"""Objects and trackers for the tests of late evidence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

import numpy as np
import pytest

from mot_compress_ros.datatypes import Detections
from mot_compress_ros.tracking import Tracker, TrackerConfig
from mot_compress_ros.tracking.late import FrameRecord
from mot_compress_ros.tracking.store import TrackStore

Detect = Callable[..., Detections]

PERIOD_NS = 33_333_333
NOBODY = Detections.empty()
# They differ in the filter, in the rounds, in what a miss does, and in what a track remembers.
KINDS = ('fairmot', 'byte', 'ocsort')
every_kind = pytest.mark.parametrize('name', KINDS)


def made(name: str = 'fairmot', **values: object) -> Tracker:
    """A tracker that confirms a track with its second detection, from its first frame on."""
    return Tracker(TrackerConfig.of(name, **{'warm_up_frames': 0, 'confirm_hits': 2, **values}))


def stamp(k: int) -> int:
    return (k + 1) * PERIOD_NS


def box(k: float, *, x: float = 100, y: float = 100, speed: float = 2.0) -> list[float]:
    """An object of 40 x 80 px that moves to the right."""
    return [x + speed * k, y, x + speed * k + 40, y + 80]


def remembered(tracker: Tracker) -> list[FrameRecord]:
    return list(tracker._late.records)


def assert_same_store(a: TrackStore, b: TrackStore, *, but: tuple[str, ...] = ()) -> None:
    for f in fields(TrackStore):
        if f.name in ('model', *but):
            continue
        one, other = getattr(a, f.name), getattr(b, f.name)
        if f.name in ('motion', 'anchors'):
            one = np.concatenate([one.mean, one.covariance.reshape(len(one), 64)], axis=1)
            other = np.concatenate([other.mean, other.covariance.reshape(len(other), 64)], axis=1)
        if f.name == 'gallery':
            assert set(one.spaces) == set(other.spaces)
            for name, space in one.spaces.items():
                np.testing.assert_allclose(space.vectors, other.spaces[name].vectors, atol=1e-6)
                np.testing.assert_array_equal(space.known, other.spaces[name].known)
            continue
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9, err_msg=f.name)


def street(detect: Detect, k: int, *, looks: bool = True) -> Detections:
    """Three objects far from each other, with some noise, that look different."""
    rng = np.random.default_rng(k)
    boxes = [box(k), box(k, x=500, speed=-1), box(k, x=900, y=300, speed=0.5)]
    noisy = np.array(boxes) + rng.normal(0, 0.5, (3, 4))
    return detect(noisy, looks=[0, 1, 2] if looks else None)


def crowd(rng: np.random.Generator, k: int, *, share: float, noise: float) -> Detections:
    """Some of six objects that cross each other's ways, and at times something else."""
    start = np.array([[0, 0], [60, 10], [150, 0], [160, 40], [300, 20], [330, 90]])
    speed = np.array([[6, 0], [-4, 0], [1, 3], [0, 0], [-8, 1], [-2, -5]])
    low = start + speed * k + rng.normal(0, noise, (6, 2))
    boxes = np.concatenate([low, low + np.array([40, 70])], axis=1)
    boxes = np.concatenate([boxes, rng.uniform(0, 300, (1, 2)).repeat(2, axis=0).reshape(1, 4)])
    boxes[-1, 2:] += rng.uniform(0.5, 80, 2)
    chosen = np.r_[rng.random(6) < share, rng.random() < 0.3]
    looks = np.eye(7, dtype=np.float32)
    return Detections(
        boxes_xyxy_px=boxes[chosen],
        scores=rng.choice([0.3, 0.5, 0.7, 0.9, 1.0], 7)[chosen],
        class_ids=np.array([0, 0, 0, 1, 0, 1, 0])[chosen],
        embeddings=looks[chosen],
        embedding_space=str(rng.choice(['student', 'teacher'])),
    )
