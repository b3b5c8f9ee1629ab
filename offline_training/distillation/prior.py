"""Φ of a training sample, painted by the vehicle's own code.

The picture of a sample is the network's input, so all pixels here are those of the picture.
"""

from __future__ import annotations

from collections.abc import Iterator
import functools
import math

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.boxes import iou_matrix
from mot_compress_ros.datatypes import Detections
from mot_compress_ros.inference import Observation
from mot_compress_ros.keyframe import Attention, KeyframeConfig, PriorObjects
from mot_compress_ros.preprocess import LetterboxTransform
from mot_compress_ros.tracking import Tracker, TrackerConfig
from offline_training.distillation.config import AttentionConfig

NOTHING_MOVED = LetterboxTransform(scale_x=1.0, scale_y=1.0, left_px=0, top_px=0)
SAME_OBJECT_IOU = 0.5
TRUE_SCORES = (0.3, 1.0)  # of what a teacher finds, from hardly to surely
FALSE_SCORES = (0.2, 0.6)
LONG_SEEN_FRAMES = 30  # after which a tracker's doubt stays as it is
_SIDE_PX = 100.0


def objects_of(
    boxes_xyxy_px: NDArray[np.floating],
    class_ids: NDArray[np.int64],
    *,
    scores: NDArray[np.floating],
    velocities_px_s: NDArray[np.floating],
    fps: float,
) -> PriorObjects:
    """N objects of a key frame, as unsure as the vehicle's tracker is of them.

    Those whose velocity is known have a track id, 1, the others have none.

    Args:
        boxes_xyxy_px: (N, 4).
        class_ids: (N,).
        scores: (N,) in 0..1.
        velocities_px_s: (N, 2), NaN where it is not known.
        fps: frames per second, by which a tracker's doubt grows.
    """
    known = np.isfinite(velocities_px_s).all(axis=1)
    sides = np.asarray(boxes_xyxy_px[:, 2:] - boxes_xyxy_px[:, :2], np.float64)  # (N, 2)
    side = np.sqrt(np.square(sides).mean(axis=1))  # both sides count alike
    new, old = (tracker_doubt(n, fps=fps) for n in (1, LONG_SEEN_FRAMES))
    return PriorObjects(
        boxes_xyxy_px=boxes_xyxy_px.astype(np.float64),
        scores=scores.astype(np.float32),
        class_ids=class_ids,
        velocities_px_s=np.where(known[:, None], velocities_px_s, 0.0),
        position_std_px=side * np.where(known, old[0], new[0]),
        velocity_std_px_s=side * np.where(known, old[1], new[1]),
        track_ids=known.astype(np.int64),
    )


@functools.cache
def tracker_doubt(frames: int, *, fps: float) -> tuple[float, float]:
    """How unsure the vehicle's tracker is of an object that it has seen in so many frames.

    Deviations of its place and, per second, of its velocity, as shares of its sides. They come
    from the tracker itself, at its defaults, whose noise is a share of the sides.
    """
    tracker, corner = Tracker(TrackerConfig()), np.array([[_SIDE_PX, _SIDE_PX]])
    seen = Detections(
        boxes_xyxy_px=np.concatenate([corner, 2 * corner], axis=1).astype(np.float32),
        scores=np.ones(1, np.float32),
        class_ids=np.zeros(1, np.int64),
        embeddings=np.zeros((1, 0), np.float32),
    )
    for frame in range(frames):
        stamp_ns = round(frame * 1e9 / fps)
        tracker.update(seen, stamp_ns=stamp_ns, source='teacher', camera_motion=None)
    (position_px,), (velocity_px_s,) = (
        tracker.store.position_std_px,
        tracker.store.velocity_std_px_s,
    )
    return float(position_px) / _SIDE_PX, float(velocity_px_s) / _SIDE_PX


def disturbed(
    truth: PriorObjects,
    config: AttentionConfig,
    rng: np.random.Generator,
    *,
    size_wh: tuple[int, int],
) -> PriorObjects:
    """The truth as a teacher might see it: some are lost, some are not there, no place is exact.

    Args:
        truth: objects of the key frame.
        config: how much.
        rng: where everything random comes from.
        size_wh: of the picture; what is not there is anywhere in it.
    """
    seen = truth[rng.random(len(truth)) >= config.lost]
    shift = rng.normal(0, config.jitter, (len(seen), 2)) * seen.sizes_px
    found = _moved(seen, shift, rng.uniform(*TRUE_SCORES, len(seen)), seen.velocities_px_s)
    ghosts = truth[rng.random(len(truth)) < config.false]
    places = rng.uniform(0, 1, (len(ghosts), 2)) * size_wh
    still = np.zeros((len(ghosts), 2))
    scores = rng.uniform(*FALSE_SCORES, len(ghosts))
    return _together(found, _moved(ghosts, places - ghosts.centres_px, scores, still))


def _moved(
    objects: PriorObjects,
    shift_px: NDArray[np.float64],
    scores: NDArray[np.float64],
    velocities_px_s: NDArray[np.float64],
) -> PriorObjects:
    return PriorObjects(
        boxes_xyxy_px=objects.boxes_xyxy_px + np.tile(shift_px, 2),
        scores=scores.astype(np.float32),
        class_ids=objects.class_ids,
        velocities_px_s=velocities_px_s,
        position_std_px=objects.position_std_px,
        velocity_std_px_s=objects.velocity_std_px_s,
    )


def _together(first: PriorObjects, second: PriorObjects) -> PriorObjects:
    pairs = {name: (getattr(first, name), getattr(second, name)) for name in _columns()}
    return PriorObjects(**{name: np.concatenate(pair) for name, pair in pairs.items()})


def _columns() -> Iterator[str]:
    yield from PriorObjects.__dataclass_fields__


def as_seen(found: Detections, truth: PriorObjects, *, fps: float) -> PriorObjects:
    """A teacher's finds as the vehicle's tracker knows them, with the velocities of true objects.

    The velocity is that of the object of its class that it overlaps most, at least by
    `SAME_OBJECT_IOU`; it is not known where there is none, as for what went to no track.
    """
    overlap = iou_matrix(found.boxes_xyxy_px, truth.boxes_xyxy_px)  # (N, M)
    overlap = np.where(found.class_ids[:, None] == truth.class_ids[None, :], overlap, 0.0)
    velocities = np.full((len(found), 2), np.nan)
    if len(truth):
        best = overlap.argmax(axis=1)  # (N,)
        sure = overlap[np.arange(len(found)), best] >= SAME_OBJECT_IOU
        tracked = np.where(truth.track_ids[:, None] > 0, truth.velocities_px_s, np.nan)
        velocities[sure] = tracked[best[sure]]
    return objects_of(
        found.boxes_xyxy_px,
        found.class_ids,
        scores=found.scores,
        velocities_px_s=velocities,
        fps=fps,
    )


def painted(
    objects: PriorObjects,
    *,
    update: str,
    age_s: float,
    n_class: int,
    shape_hw: tuple[int, int],
    heatmap: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """All planes of Φ (n_class + 2, h, w), `age_s` after the key frame.

    Args:
        objects: of the key frame.
        update: as `keyframe.update`.
        age_s: time from the key frame to the frame.
        n_class: classes of the network.
        shape_hw: rows and columns of its maps.
        heatmap: (n_class, h, w) of the key frame; None draws it from the objects, which matters
            where the update takes pieces of it.
    """
    if heatmap is None:
        nothing = np.zeros((n_class, *shape_hw), np.float32)
        heatmap = nothing
        if update != 'render':  # as the network would draw them at once
            whole = _planes(objects, nothing, 'render', 0.0, n_class, shape_hw)
            heatmap = whole[:n_class]
    return _planes(objects, heatmap, update, age_s, n_class, shape_hw)


def _planes(
    objects: PriorObjects,
    heatmap: NDArray[np.float32],
    update: str,
    age_s: float,
    n_class: int,
    shape_hw: tuple[int, int],
) -> NDArray[np.float32]:
    attention = Attention(KeyframeConfig(update=update, max_age_s=math.inf))
    seen = Observation(detections=Detections.empty(), heatmap=heatmap, transform=NOTHING_MOVED)
    attention.renew(seen, objects, stamp_ns=0)
    prior = attention.prior(stamp_ns=round(age_s * 1e9))
    assert prior is not None  # it was renewed, and no age is too old
    return prior.planes(NOTHING_MOVED, n_class=n_class, shape_hw=shape_hw)
