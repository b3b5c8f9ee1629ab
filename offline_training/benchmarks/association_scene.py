"""A crowded road as boxes: what a detector would report of it, and the truth.

Road users stand or drive on a plane below a camera that does not move. Who leaves the view is
followed by another on the opposite side, so that their number stays. There is one class: what is
compared has no gain from telling classes apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.datatypes import Detections
from mot_compress_ros.options import option
from offline_training.datasets.classes import VEHICLE
from offline_training.datasets.records import FrameTruth

Float64Array = NDArray[np.float64]

SIZE_WH = (1920, 1080)
FOCAL_PX = 1000.0
CAMERA_HEIGHT_M = 8.0
HORIZON_PX = 100.0  # row of the horizon
NEAR_M, FAR_M = 12.0, 80.0
SPREAD = 0.9 * SIZE_WH[0] / 2 / FOCAL_PX  # largest |x / z| in view
FULL_SIZE_OBJECTS = 300  # more of them are smaller, as a camera higher up sees them
KINDS = 8  # look-alikes: embeddings of a kind share a part
EMBEDDING_SPACE = 'scene'


@dataclass(frozen=True, kw_only=True)
class CrowdConfig:
    """How many there are, and how well they are seen."""

    objects: int = option(100, 'road users in every frame', minimum=1)
    frames: int = option(170, 'length', minimum=1)
    fps: float = option(30.0, 'frame rate', minimum=1.0, maximum=1000.0, unit='Hz')
    seed: int = option(0, 'of everything drawn', minimum=0)
    embedding_dim: int = option(64, 'numbers of an embedding', minimum=1)
    embedding_noise: float = option(0.7, 'length of the noise on a unit vector', minimum=0.0)
    box_noise: float = option(0.02, 'standard deviation of an edge, share of the side')
    vanish_rate: float = option(0.01, 'chance a frame that the detector loses an object')
    return_rate: float = option(0.2, 'chance a frame that it finds it again')
    hidden_share: float = option(0.9, 'covered by a nearer one by more, an object is not seen')
    false_positives: float = option(0.04, 'mean share of the objects, drawn for each frame')


@dataclass(frozen=True, eq=False, kw_only=True)
class CrowdFrame:
    """What is seen at one stamp, and what is there."""

    stamp_ns: int
    detections: Detections
    truth: FrameTruth


@dataclass(eq=False, kw_only=True)
class _Crowd:
    """State of N road users; columns."""

    ids: NDArray[np.int64]
    place_m: Float64Array  # (N, 2) to the right and away from the camera
    velocity_m_s: Float64Array  # (N, 2)
    size_m: Float64Array  # (N, 2) width and height
    descriptors: Float64Array  # (N, D) of unit length
    vanished: NDArray[np.bool_]  # (N,) which the detector has lost
    shrunk: float  # factor of all sizes and speeds


def crowd_frames(config: CrowdConfig) -> Iterator[CrowdFrame]:
    """Frames of the scene, the same ones for the same options."""
    rng = np.random.default_rng(config.seed)
    palette = rng.normal(size=(KINDS, config.embedding_dim))
    crowd = _first_crowd(config, palette, rng)
    period_s = 1 / config.fps
    for index in range(config.frames):
        if index:
            _move(crowd, period_s, palette, rng)
        boxes = project(crowd.place_m, crowd.size_m)
        covered = covered_share(boxes, crowd.place_m[:, 1])
        chance = rng.random(config.objects)
        crowd.vanished = np.where(
            crowd.vanished, chance >= config.return_rate, chance < config.vanish_rate
        )
        seen = ~crowd.vanished & (covered <= config.hidden_share)
        yield CrowdFrame(
            stamp_ns=round((index + 1) * period_s * 1e9),
            detections=_detections(crowd, boxes, covered, seen, config, rng),
            truth=FrameTruth(
                boxes_xyxy_px=boxes,
                ids=crowd.ids.copy(),
                class_ids=np.full(config.objects, VEHICLE),
                ignore=np.zeros(config.objects, np.bool_),
                visibility=1 - covered,
            ),
        )


def project(place_m: Float64Array, size_m: Float64Array) -> Float64Array:
    """Boxes (N, 4) in pixels of upright rectangles that stand at `place_m` (N, 2)."""
    scale = FOCAL_PX / place_m[:, 1]  # pixels of a metre
    x_px = SIZE_WH[0] / 2 + scale * place_m[:, 0]
    ground_px = HORIZON_PX + scale * CAMERA_HEIGHT_M
    width_px, height_px = (scale[:, None] * size_m).T
    sides = (x_px - width_px / 2, ground_px - height_px, x_px + width_px / 2, ground_px)
    return np.stack(sides, axis=1)


def covered_share(boxes: Float64Array, depth_m: Float64Array) -> Float64Array:
    """Largest share (N,) of each box that one nearer box covers."""
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=2)  # (N, N)
    shared[depth_m[:, None] <= depth_m[None, :]] = 0  # the other one is not nearer
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    share: Float64Array = shared.max(axis=1) / area
    return share


def _first_crowd(config: CrowdConfig, palette: Float64Array, rng: np.random.Generator) -> _Crowd:
    n = config.objects
    # Even over the plane that the camera sees: it is as wide as it is deep.
    depth_m = np.sqrt(rng.uniform(NEAR_M**2, FAR_M**2, n))
    crowd = _Crowd(
        ids=np.arange(1, n + 1),
        place_m=np.stack([rng.uniform(-SPREAD, SPREAD, n) * depth_m, depth_m], axis=1),
        velocity_m_s=np.zeros((n, 2)),
        size_m=np.zeros((n, 2)),
        descriptors=np.zeros((n, config.embedding_dim)),
        vanished=np.zeros(n, np.bool_),
        shrunk=min(1.0, float(np.sqrt(FULL_SIZE_OBJECTS / n))),
    )
    _renew(crowd, np.arange(n), palette, rng)
    return crowd


def _renew(
    crowd: _Crowd, rows: NDArray[np.int64], palette: Float64Array, rng: np.random.Generator
) -> None:
    """Give `rows` another size, speed and look."""
    n = len(rows)
    height_m = crowd.shrunk * rng.uniform(1.3, 2.2, n)
    crowd.size_m[rows] = np.stack([height_m * rng.uniform(0.5, 1.5, n), height_m], axis=1)
    # Most drive along the view, both ways; some cross it.
    along = rng.random(n) < 0.7
    speed_m_s = crowd.shrunk * rng.uniform(1, 12, n) * rng.choice([-1, 1], n)
    crowd.velocity_m_s[rows] = np.where(
        np.stack([~along, along], axis=1), speed_m_s[:, None], rng.normal(0, 0.3, (n, 2))
    )
    own = rng.normal(size=(n, palette.shape[1]))
    crowd.descriptors[rows] = _unit(own + palette[rng.integers(KINDS, size=n)])


def _move(crowd: _Crowd, period_s: float, palette: Float64Array, rng: np.random.Generator) -> None:
    """One frame on; who has left is followed by another one on the opposite side."""
    push_m_s = rng.normal(0, 2 * np.sqrt(period_s), crowd.velocity_m_s.shape)  # 2 m/s in a second
    crowd.velocity_m_s += crowd.shrunk * push_m_s * [0.3, 1.0]
    crowd.place_m += crowd.velocity_m_s * period_s
    side, depth_m = crowd.place_m.T
    near, far = depth_m < NEAR_M, depth_m > FAR_M
    out = near | far | (np.abs(side) > SPREAD * depth_m)
    gone = np.flatnonzero(out)
    if not len(gone):
        return
    ratio = np.clip(side / depth_m, -SPREAD, SPREAD)
    depth_m = np.where(near, FAR_M, np.where(far, NEAR_M, depth_m))
    ratio = np.where(near | far, ratio, -ratio)
    crowd.place_m[gone] = np.stack([ratio * depth_m, depth_m], axis=1)[gone]
    _renew(crowd, gone, palette, rng)
    inwards = np.stack([-np.sign(ratio), np.where(depth_m < (NEAR_M + FAR_M) / 2, 1, -1)], axis=1)
    crowd.velocity_m_s[gone] = (np.abs(crowd.velocity_m_s) * inwards)[gone]
    crowd.ids[gone] = crowd.ids.max() + 1 + np.arange(len(gone))
    crowd.vanished[gone] = False


def _detections(
    crowd: _Crowd,
    boxes: Float64Array,
    covered: Float64Array,
    seen: NDArray[np.bool_],
    config: CrowdConfig,
    rng: np.random.Generator,
) -> Detections:
    """Seen objects with noise that grows with what covers them, and false ones among them."""
    rows = np.flatnonzero(seen)
    n_false = int(rng.poisson(config.false_positives * config.objects))
    doubt = 1 + 2 * covered[rows]
    real = _shaken(boxes[rows], config.box_noise * doubt, rng)
    place_m, size_m = _false_places(n_false, rng)
    false = project(place_m, crowd.shrunk * size_m)
    looks = _unit(
        crowd.descriptors[rows]
        + _noise_of_length(config.embedding_noise * doubt, config.embedding_dim, rng)
    )
    scores = 0.92 - 0.5 * covered[rows] + rng.normal(0, 0.06, len(rows))
    order = rng.permutation(len(rows) + n_false)
    return Detections(
        boxes_xyxy_px=np.concatenate([real, false])[order].astype(np.float32),
        scores=np.concatenate([np.clip(scores, 0.1, 0.99), rng.uniform(0.1, 0.65, n_false)])[
            order
        ].astype(np.float32),
        class_ids=np.full(len(order), VEHICLE, np.int64),
        embeddings=np.concatenate([looks, _unit(rng.normal(size=(n_false, looks.shape[1])))])[
            order
        ].astype(np.float32),
        embedding_space=EMBEDDING_SPACE,
    )


def _false_places(n: int, rng: np.random.Generator) -> tuple[Float64Array, Float64Array]:
    depth_m = np.sqrt(rng.uniform(NEAR_M**2, FAR_M**2, n))
    place_m = np.stack([rng.uniform(-SPREAD, SPREAD, n) * depth_m, depth_m], axis=1)
    return place_m, rng.uniform(0.8, 2.5, (n, 2))


def _shaken(boxes: Float64Array, share: Float64Array, rng: np.random.Generator) -> Float64Array:
    """Boxes whose edges are off by `share` (N,) of their sides; none is turned inside out."""
    sides = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    moved = boxes + np.clip(rng.normal(size=boxes.shape) * share[:, None], -0.3, 0.3) * sides
    return moved


def _noise_of_length(length: Float64Array, dim: int, rng: np.random.Generator) -> Float64Array:
    """Random vectors (N, `dim`) of about `length` (N,)."""
    noise: Float64Array = rng.normal(size=(len(length), dim)) * (length / np.sqrt(dim))[:, None]
    return noise


def _unit(vectors: Float64Array) -> Float64Array:
    scaled: Float64Array = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return scaled
