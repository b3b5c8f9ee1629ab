"""Ours: for cameras that move, frames that are missing, and road users of every shape.

ByteTrack's two passes over a filter of width and height, with a comparison of boxes that knows how
far it can trust the prediction. Each part was kept or left out by measurement, which
`experiments tracking --ablate` repeats with each of `CHANGES`.

- Uncertain boxes are grown before they are compared (`buffer_growth`): by the standard deviation
  of where the filter expects the box. Hypothesis: a track that was not seen for a while, that is
  new, or that comes after a long gap between frames is found again further away; C-BIoU grows its
  boxes by fixed shares, the filter knows the share. Kept: it decides at low frame rates.
- The sides of a box say which of two neighbours it is (`shape_weight`). Hypothesis: overlap alone
  confuses a car with the van behind it. Kept: fewer switches.
- Half of the overlap is weighted by the score (`score_share`). Hypothesis: ByteTrack's product
  of overlap and score stops poor detections from stealing tracks, but with a network whose scores
  are low it also breaks tracks. Kept at the half.
- A track that is seen goes before one that was lost (`absence_weight`). Hypothesis: where both
  fit, the detection is that of the object in front. Kept: fewer switches.
- Weak detections keep the tracks of the last frame alive (`high_score`), by plain overlap.
  Hypothesis: a weak detection that needs a grown box is another object. Kept.
- A lost track next to a seen one stays (`duplicate_iou_distance`): it is the one that is hidden.
- Small boxes are published (`min_area_px2`): a car far away is one.
- The Mahalanobis distance (`distance_weight`), the direction (`direction_weight`), the embedding
  (`embedding_weight`) and the embedding alone for what overlap did not find
  (`recovery_distance`) stay out: none helped more than it hurt.
- More noise where a nearer box covers the detected one (`cover_noise`) stays out: it helps in
  dense crowds and hurts with cars and a moving camera.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np

from mot_compress_ros.tracking import costs
from mot_compress_ros.tracking.config import TrackerConfig
from mot_compress_ros.tracking.kalman import CHI2_95_4DOF, Float64Array
from mot_compress_ros.tracking.pairs import Pairs
from mot_compress_ros.tracking.pools import (
    confirmed,
    confirmed_or_lost,
    scoring,
    scoring_less,
    tentative,
)
from mot_compress_ros.tracking.rounds import Round
from mot_compress_ros.tracking.scene import Scene

DEFAULTS = TrackerConfig()

CHANGES: Mapping[str, Mapping[str, float | str]] = {
    'boxes not grown': {'buffer_growth': 0.0},
    'boxes grown by a fixed 0.3': {'buffer_growth': 0.0, 'buffer': 0.3},
    'no shape': {'shape_weight': 0.0},
    'no score in the overlap': {'score_share': 0.0},
    'all of the score, as ByteTrack': {'score_share': 1.0, 'iou_threshold': 0.8},
    'lost like seen': {'absence_weight': 0.0},
    'no weak detections': {'min_score': 0.3},
    'filter of aspect and height': {'motion_model': 'xyah'},
    'duplicates dropped': {'duplicate_iou_distance': 0.15},
    'small boxes not published': {'min_area_px2': 100.0},
    'boxes of detections published': {'publish_detections': True},
    'with the Mahalanobis distance': {'distance_weight': 0.1},
    'with the direction': {'direction_weight': 0.1, 'direction_frames': 3},
    'with re-update': {'re_update': True},
    'with the embedding': {'embedding_weight': 0.3},
    'with recovery by the embedding': {'recovery_distance': 0.3},
    'with noise of covered boxes': {'cover_noise': 1.0},
    'lost tracks kept for 2 s': {'lost_buffer_s': 2.0},
}
"""What a row of the ablation is called, and the options that take a part away or add one."""

_LONG_ABSENCE_PERIODS = 30.0  # a second
_UNKNOWN_LOOKS = 0.3  # cosine distance of a pair that cannot be compared: neither alike nor not


def uses_embeddings(config: TrackerConfig) -> bool:
    """With their weight, or for recovery."""
    return config.embedding_weight > 0 or config.recovery_distance > 0


def rounds(config: TrackerConfig) -> tuple[Round, ...]:
    """Strong detections, then weak ones; then tentative tracks with what is left of the first."""
    strong = scoring(at_least=config.high_score)

    def growth(scene: Scene) -> Float64Array:
        """(N,) share of the sides that the boxes of a track and its detection are grown by."""
        sides, _ = scene.extent
        deviation = np.sqrt(scene.tracks.motion.position_variance[:, :2]) / np.maximum(sides, 1.0)
        share = config.buffer + config.buffer_growth * deviation.mean(axis=1)
        return np.asarray(np.minimum(share, config.buffer_max))

    def touching(scene: Scene) -> Pairs:
        return scene.near(scene.boxes, scene.once(growth))

    def near(scene: Scene) -> Pairs:
        return scene.once(touching)

    def overlap(scene: Scene, pairs: Pairs) -> Float64Array:
        return 1 - costs.buffered_iou(scene, pairs, scene.once(growth)[pairs.tracks])

    def fit(scene: Scene, pairs: Pairs, *, threshold: float) -> Float64Array:
        scores = scene.seen.scores[pairs.detections].astype(np.float64)
        scored = 1 - config.score_share + config.score_share * scores
        distance = 1 - (1 - overlap(scene, pairs)) * scored
        cost = distance + config.shape_weight * costs.shape_distance(scene, pairs)
        cost = cost + config.absence_weight * scene.once(_absence)[pairs.tracks]
        for weight, term in _TERMS:
            if getattr(config, weight):
                cost = cost + getattr(config, weight) * term(scene, pairs)
        return np.where(distance <= threshold, cost, np.inf)

    # No sum of the terms may rule out what the overlap allows.
    terms = config.shape_weight + config.absence_weight
    terms += sum(getattr(config, weight) for weight, _ in _TERMS)
    passes = (
        Round(
            tracks=confirmed_or_lost,
            detections=strong,
            pairs=near,
            cost=partial(fit, threshold=config.iou_threshold),
            limit=config.iou_threshold + terms,
        ),
        Round(
            tracks=confirmed,
            detections=scoring_less(than=config.high_score),
            pairs=near,  # found already, and all that touch are among them
            cost=costs.iou_distance,
            limit=config.low_iou_threshold,
        ),
        Round(
            tracks=tentative,
            detections=strong,
            pairs=near,
            cost=partial(fit, threshold=config.tentative_iou_threshold),
            limit=config.tentative_iou_threshold + terms,
        ),
    )
    return passes + ((_recovery(config),) if config.recovery_distance else ())


def _recovery(config: TrackerConfig) -> Round:
    """Confirmed and lost tracks that nothing overlapped: by appearance in the gate of motion."""

    def looks(scene: Scene, pairs: Pairs) -> Float64Array:
        beyond = costs.squared_mahalanobis(scene, pairs) > CHI2_95_4DOF
        return np.where(beyond, np.inf, costs.embedding_distance(scene, pairs))

    return Round(
        tracks=confirmed_or_lost,
        detections=scoring(at_least=config.high_score),
        pairs=costs.within_gate,
        cost=looks,
        limit=config.recovery_distance,
    )


def _absence(scene: Scene) -> Float64Array:
    """(N,) how long a track has been lost, in 0..1."""
    periods = scene.unseen_periods / _LONG_ABSENCE_PERIODS
    return np.where(scene.lost, np.minimum(periods, 1.0), 0.0)


def _gated_distance(scene: Scene, pairs: Pairs) -> Float64Array:
    return np.minimum(costs.squared_mahalanobis(scene, pairs) / CHI2_95_4DOF, 1.0)


def _turning(scene: Scene, pairs: Pairs) -> Float64Array:
    return 0.5 - costs.heading_gain(scene, pairs)


def _unlikeness(scene: Scene, pairs: Pairs) -> Float64Array:
    distance = costs.embedding_distance(scene, pairs)
    return np.where(np.isinf(distance), _UNKNOWN_LOOKS, np.minimum(distance, 1.0))


# Terms that are left out where their weight is zero; each lies in 0..1.
_TERMS = (
    ('distance_weight', _gated_distance),
    ('direction_weight', _turning),
    ('embedding_weight', _unlikeness),
)
