"""Where a case learns how the camera moved between its frames.

A member of `MOTIONS` gives, for the frames of a sequence that a case keeps, the homographies from
each kept frame to the next kept one, by the estimators of the vehicle with their default options.
What it costs to estimate them is not part of a row's time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
import hashlib
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros import camera_motion
from mot_compress_ros.camera_motion import (
    build_camera_motion,
    CameraMotion,
    CameraMotionConfig,
    RotationSamples,
    View,
)
from mot_compress_ros.datatypes import Detections
from mot_compress_ros.errors import InputError
from mot_compress_ros.sources.source import stamp_of_index
from offline_training.experiments.tracking_code import source_hash
from offline_training.experiments.tracking_truths import TruthSequence

Homographies = tuple[NDArray[np.float64] | None, ...]
_CAMERA = 'camera'
_MASK_SCORE = 0.3  # detections above it are taken for things that move
_IMU_COLUMNS = 4


@dataclass(frozen=True, eq=False, kw_only=True)
class KeptFrames:
    """Frames of a sequence: their indices (K,) and K entries of what was detected in them."""

    truth: TruthSequence
    rows: NDArray[np.int64]
    detections: Sequence[Detections]

    def masks_xyxy_px(self) -> list[NDArray[np.float32]]:
        """Boxes (N, 4) of each frame that may move by themselves."""
        return [d.boxes_xyxy_px[d.scores >= _MASK_SCORE] for d in self.detections]


@dataclass(frozen=True, kw_only=True)
class Motion:
    """A source of camera motion.

    Attributes:
        title: what the tables call it.
        estimate: K frames, and a folder for what is slow to compute, to K entries; the first is
            None.
    """

    title: str
    estimate: Callable[[KeptFrames, Path], Homographies]


def from_images(frames: KeptFrames, cache: Path) -> Homographies:
    """By the optical flow of the pictures, computed once.

    Raises:
        InputError: the sequence has no images, or one cannot be read.
    """
    if frames.truth.labelled is None:
        raise InputError(f'{frames.truth.name}: has no images to see the camera move in')
    path = cache / 'motion' / f'{frames.truth.name}-{_image_key(frames)}.npy'
    if not path.exists():
        motion = _estimator('image')
        found = _asked(motion, list(_views(frames, motion)), frames.masks_xyxy_px())
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f'{path.stem}.part.npy')
        np.save(part, np.array([np.full((3, 3), np.nan) if h is None else h for h in found]))
        part.replace(path)
    kept = np.load(path, allow_pickle=False)
    return tuple(h if np.isfinite(h).all() else None for h in kept)


def from_rotation(frames: KeptFrames, cache: Path) -> Homographies:
    """By the angular velocities and the camera matrix that lie beside the sequence.

    Raises:
        InputError: `camera.json` or `imu.csv` is missing or damaged.
    """
    del cache
    samples = _angular_velocities(frames.truth.folder / 'imu.csv')
    motion = _estimator('imu', samples)
    camera = frames.truth.folder / 'camera.json'
    try:
        content = json.loads(camera.read_text(encoding='utf-8'))
        size_wh = (int(content['size_wh'][0]), int(content['size_wh'][1]))
        motion.set_intrinsics(content['K'], size_wh=size_wh)
        motion.set_mounting(np.array(content['mounting']['rotation_optical_from_vehicle']))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f'{camera}: no camera of a synthetic sequence ({error})') from None
    fps = frames.truth.fps
    first_ns = stamp_of_index(0, fps)  # the samples count from the first frame
    views = [
        View(stamp_ns=stamp_of_index(int(k), fps) - first_ns, size_wh=size_wh) for k in frames.rows
    ]
    return _asked(motion, views, frames.masks_xyxy_px())


MOTIONS: Mapping[str, Motion] = {
    'image': Motion(title='motion from images', estimate=from_images),
    'rotation': Motion(title='motion from gyro', estimate=from_rotation),
}


def open_motion(name: str) -> Motion:
    """One of `MOTIONS`.

    Raises:
        InputError: there is none of that name.
    """
    if name not in MOTIONS:
        raise InputError(f'camera motion {name!r}; legal: {", ".join(MOTIONS)}')
    return MOTIONS[name]


def _estimator(source: str, samples: RotationSamples | None = None) -> CameraMotion:
    config = CameraMotionConfig(source=source)
    return build_camera_motion(config, camera=_CAMERA, samples=samples or RotationSamples())


def _asked(
    motion: CameraMotion, views: Sequence[View], masks_xyxy_px: Sequence[NDArray[np.float32]]
) -> Homographies:
    steps = zip(views[:-1], views[1:], masks_xyxy_px[:-1], strict=True)
    return (None, *(motion.between(a, b, moving_xyxy_px=boxes) for a, b, boxes in steps))


def _views(frames: KeptFrames, motion: CameraMotion) -> Iterator[View]:
    from offline_training.evaluation.inference import read_frame

    assert frames.truth.labelled is not None, 'checked by the caller'
    for k in frames.rows:
        yield motion.look(read_frame(frames.truth.labelled.image_paths[k]))


def _image_key(frames: KeptFrames) -> str:
    assert frames.truth.labelled is not None, 'checked by the caller'
    digest = hashlib.sha256(source_hash(camera_motion).encode())
    for k, boxes in zip(frames.rows, frames.masks_xyxy_px(), strict=True):
        path = frames.truth.labelled.image_paths[k]
        digest.update(f'{path.name} {path.stat().st_size}'.encode() + boxes.tobytes())
    return digest.hexdigest()[:16]


def _angular_velocities(path: Path) -> RotationSamples:
    try:
        table = np.loadtxt(path, delimiter=',', skiprows=1, ndmin=2)
        if table.shape[1] != _IMU_COLUMNS:
            raise ValueError(f'{table.shape[1]} columns, expected stamp_ns,wx,wy,wz')
    except (OSError, ValueError) as error:
        raise InputError(f'{path}: no angular velocities ({error})') from None
    samples = RotationSamples(capacity=max(len(table), 1))
    for stamp_ns, *velocity in table:
        samples.add(stamp_ns=int(stamp_ns), angular_velocity_rad_s=velocity)
    return samples
