"""Costs of K pairs of a track and a detection, as arrays (K,). Infinite: they may never match."""

from __future__ import annotations

import numpy as np

from mot_compress_ros.tracking.kalman import CHI2_95_4DOF, Float64Array
from mot_compress_ros.tracking.pairs import Pairs
from mot_compress_ros.tracking.scene import Scene


def iou_distance(scene: Scene, pairs: Pairs) -> Float64Array:
    """1 - IoU, in 0..1."""
    return 1 - scene.iou(pairs)


def scored_iou_distance(scene: Scene, pairs: Pairs) -> Float64Array:
    """1 - IoU * score: of two that overlap alike the surer detection wins (ByteTrack)."""
    return 1 - scene.iou(pairs) * scene.seen.scores[pairs.detections]


def buffered_iou(scene: Scene, pairs: Pairs, growth: Float64Array) -> Float64Array:
    """IoU after both boxes of pair k were grown by `growth` (K,) of their sides on each edge.

    Source: C-BIoU (Yang et al. 2023), equation 1.
    """
    stretch = (0.5 + growth)[:, None]
    sides, centres = scene.extent
    half, centre = sides.take(pairs.tracks, axis=0) * stretch, centres.take(pairs.tracks, axis=0)
    sides, centres = scene.seen_extent
    seen_half = sides.take(pairs.detections, axis=0) * stretch
    seen_centre = centres.take(pairs.detections, axis=0)
    shared = np.minimum(centre + half, seen_centre + seen_half)
    shared -= np.maximum(centre - half, seen_centre - seen_half)
    np.maximum(shared, 0, out=shared)
    overlap = shared[:, 0] * shared[:, 1]
    union = 4 * (half[:, 0] * half[:, 1] + seen_half[:, 0] * seen_half[:, 1]) - overlap
    return np.asarray(overlap / np.where(union > 0, union, 1.0))


def embedding_distance(scene: Scene, pairs: Pairs) -> Float64Array:
    """Cosine distance in 0..2; infinite where one of the two has no embedding in this space."""
    remembered = scene.remembered
    a = remembered.vectors.take(pairs.tracks, axis=0)
    b = scene.seen.embeddings.take(pairs.detections, axis=0)
    similarity = np.einsum('kd,kd->k', a, b).astype(np.float64)
    known = remembered.known[pairs.tracks] & scene.seen.comparable[pairs.detections]
    return np.where(known, np.clip(1 - similarity, 0, 2), np.inf)


def squared_mahalanobis(scene: Scene, pairs: Pairs) -> Float64Array:
    """Squared Mahalanobis distance; 95 % of the true pairs lie below `CHI2_95_4DOF`."""
    motion, model = scene.tracks.motion, scene.tracks.model
    total = motion.position_variance + model.measured_variance(motion.position)
    measured = model.measure(scene.seen.boxes_xyxy_px)
    off = measured.take(pairs.detections, axis=0) - motion.position.take(pairs.tracks, axis=0)
    return np.asarray((off**2 / total.take(pairs.tracks, axis=0)).sum(axis=1))


def within_gate(scene: Scene) -> Pairs:
    """All pairs whose Mahalanobis distance can pass the gate, and few others."""
    motion, model = scene.tracks.motion, scene.tracks.model
    total = motion.position_variance + model.measured_variance(motion.position)
    return scene.within(scene.extent[1], np.sqrt(1.001 * CHI2_95_4DOF * total[:, :2]))


def fused_with_motion(
    cost: Float64Array, squared_distance: Float64Array, *, motion_weight: float
) -> Float64Array:
    """Weighted sum of an appearance and a motion cost; what motion rules out is infinite.

    Source: FairMOT's `fuse_motion` after Wojke et al. 2017, equation 5, with weight 0.02.
    """
    fused = (1 - motion_weight) * cost
    fused += motion_weight * np.minimum(squared_distance, CHI2_95_4DOF)  # no 0 * inf
    fused[squared_distance > CHI2_95_4DOF] = np.inf
    return fused


def heading_gain(scene: Scene, pairs: Pairs) -> Float64Array:
    """How well a detection lies in the direction its track moves: 0.5 ahead, -0.5 behind.

    Zero where the track has no direction yet. The direction to the detection is taken from where
    the track was seen some frames ago, which is steadier than from the last frame.

    Source: OC-SORT (Cao et al. 2023), observation-centric momentum, equation 5.
    """
    start = _centres(earlier_boxes(scene.tracks.recent_xyxy_px, scene.tracks.observed_xyxy_px))
    step = _centres(scene.seen.boxes_xyxy_px)[pairs.detections] - start[pairs.tracks]
    heading = scene.tracks.headings[pairs.tracks]
    length = np.sqrt((step**2).sum(axis=1)) + 1e-6
    cosine = np.clip((heading * step).sum(axis=1) / length, -1, 1)
    return np.asarray((np.pi / 2 - np.abs(np.arccos(cosine))) / np.pi)


def earlier_boxes(recent_xyxy_px: Float64Array, observed_xyxy_px: Float64Array) -> Float64Array:
    """(N, 4) the oldest of the recent boxes (N, D, 4), else the latest that was observed."""
    earlier = observed_xyxy_px
    for ago in range(recent_xyxy_px.shape[1]):
        box = recent_xyxy_px[:, ago]
        earlier = np.where(np.isnan(box[:, :1]), earlier, box)
    return earlier


def shape_distance(scene: Scene, pairs: Pairs) -> Float64Array:
    """How much the sides differ, in 0..1: 1 - min(w) min(h) / (max(w) max(h))."""
    a = np.maximum(scene.extent[0].take(pairs.tracks, axis=0), 1e-6)
    b = scene.seen_extent[0].take(pairs.detections, axis=0)
    ratio = np.minimum(a, b) / np.maximum(a, b)
    return np.asarray(1 - ratio[:, 0] * ratio[:, 1])


def _centres(boxes_xyxy_px: Float64Array) -> Float64Array:
    return (boxes_xyxy_px[:, :2] + boxes_xyxy_px[:, 2:]) / 2
