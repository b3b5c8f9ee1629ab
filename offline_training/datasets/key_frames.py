"""The key frame of a training sample: which one, what is in it, and how that moves.

The key frame lies some frames before the sample's own, and goes through the same geometry. The
velocities of its objects come from the frames before it, as a tracker would know them, so that a
prior moved on by them has the error of linear motion in it. A single image is its own key frame
under a made-up motion of the camera (CenterTrack, section 4.4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor

from mot_compress_ros.keyframe import PriorObjects
from offline_training.datasets.geometries.view import Repeat, warp_image
from offline_training.datasets.training_images import TrainingImage
from offline_training.distillation.prior import objects_of

HISTORY_FRAMES = 3  # before the key frame; the earliest of them that has an object counts
# Of single images: frames per second, and deviations per second of the camera's motion, as a share
# of the image's size and as the logarithm of a zoom.
STILL_FPS = 10.0
STILL_SHIFT_PER_S = 0.15
STILL_ZOOM_PER_S = 0.2
STILL_KNOWN = 0.7  # share of its objects whose velocity a tracker would know
STILL_VELOCITY_ERROR = 0.3

Frames = Mapping[tuple[str, int], TrainingImage]  # by sequence and place in it


@dataclass(frozen=True, eq=False, kw_only=True)
class KeyFrame:
    """A key frame before augmentation; pixels are those of the labels.

    Attributes:
        image: its labels, and where its pixels are.
        age_s: time from it to the sample's frame.
        fps: frames per second of its sequence.
        velocities_px_s: (N, 2) float64 of its boxes' centres, NaN where no earlier frame tells.
        motion: (2, 3) by which the pixels of a single image become those of its made-up key
            frame; None where `image` is a frame of its own.
    """

    image: TrainingImage
    age_s: float
    fps: float
    velocities_px_s: NDArray[np.float64]
    motion: NDArray[np.float64] | None = None

    def pixels(self, image_bgr: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The key frame's picture from what its file holds."""
        if self.motion is None:
            return image_bgr
        return warp_image(image_bgr, self.motion, (image_bgr.shape[1], image_bgr.shape[0]))


@dataclass(frozen=True, eq=False, kw_only=True)
class KeySample:
    """A key frame after augmentation, in pixels of the picture.

    Attributes:
        planes: (n_class + 2, h, w) float32, all planes of Φ; zeros where a teacher is still to be
            asked, and where the prior is dropped.
        truth: what is in the key frame.
        age_s: time from it to the sample's frame.
        fps: frames per second of its sequence.
        picture_rgb: (H, W, 3) uint8 for the teacher; None where it is not asked.
    """

    planes: NDArray[np.float32]
    truth: PriorObjects
    age_s: float
    fps: float
    picture_rgb: NDArray[np.uint8] | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class KeyBatch:
    """The key frames of B images, of which a teacher is to look at T.

    Attributes:
        planes: (B, n_class + 2, h, w) float32, as in `KeySample`.
        rows: (T,) int64, images whose planes are the teacher's.
        pictures: (T, H, W, 3) uint8, RGB.
        truths, ages_s, fps: of these T.
    """

    planes: Tensor
    rows: Tensor
    pictures: Tensor
    truths: tuple[PriorObjects, ...]
    ages_s: tuple[float, ...]
    fps: tuple[float, ...]

    def to(self, device: str) -> KeyBatch:
        """The same on another device."""
        return replace(
            self,
            planes=self.planes.to(device),
            rows=self.rows.to(device),
            pictures=self.pictures.to(device),
        )


def collect_keys(samples: Sequence[KeySample | None]) -> KeyBatch | None:
    """The key frames of a batch; None where it has none."""
    keys = [sample for sample in samples if sample is not None]
    if len(keys) < len(samples) or not keys:
        return None
    asked = [(row, key) for row, key in enumerate(keys) if key.picture_rgb is not None]
    pictures = [key.picture_rgb for _, key in asked if key.picture_rgb is not None]
    return KeyBatch(
        planes=torch.from_numpy(np.stack([key.planes for key in keys])),
        rows=torch.tensor([row for row, _ in asked], dtype=torch.long),
        pictures=torch.from_numpy(np.stack(pictures) if pictures else np.zeros(0, np.uint8)),
        truths=tuple(key.truth for _, key in asked),
        ages_s=tuple(key.age_s for _, key in asked),
        fps=tuple(key.fps for _, key in asked),
    )


def key_frame_of(
    image: TrainingImage, frames: Frames, rng: np.random.Generator, *, max_gap_frames: int
) -> KeyFrame | None:
    """A frame of the same sequence, 1 to `max_gap_frames` before `image`; None where none is."""
    place, name = image.frame_index, image.sequence
    gaps = [gap for gap in range(1, max_gap_frames + 1) if (name, place - gap) in frames]
    if not name or not gaps:
        return None
    gap = gaps[rng.integers(len(gaps))]
    key = frames[name, place - gap]
    earlier = [frames.get((name, place - gap - back)) for back in range(1, HISTORY_FRAMES + 1)]
    velocities = _velocities(key, [frame for frame in earlier if frame is not None])
    return KeyFrame(image=key, age_s=gap / image.fps, fps=image.fps, velocities_px_s=velocities)


def _velocities(key: TrainingImage, earlier: Sequence[TrainingImage]) -> NDArray[np.float64]:
    """(N, 2) px/s of the objects of `key`; of `earlier` frames, nearest first, the last counts."""
    velocities = np.full((len(key.identities), 2), np.nan)
    centres = _centres(key.boxes_xyxy_px)
    for frame in earlier:
        _, here, there = np.intersect1d(key.identities, frame.identities, return_indices=True)
        elapsed_s = (key.frame_index - frame.frame_index) / key.fps
        way = centres[here] - _centres(frame.boxes_xyxy_px)[there]
        velocities[here] = way / elapsed_s
    return velocities


def _centres(boxes_xyxy_px: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.asarray((boxes_xyxy_px[:, :2] + boxes_xyxy_px[:, 2:]) / 2, np.float64)


def made_up_key_frame(
    image: TrainingImage,
    rng: np.random.Generator,
    *,
    size_wh: tuple[int, int],
    max_gap_frames: int,
) -> KeyFrame:
    """The image itself as it would be seen before a random shift and zoom of the camera."""
    age_s = float(rng.integers(1, max_gap_frames + 1)) / STILL_FPS
    zoom = np.exp(rng.normal(0, STILL_ZOOM_PER_S * age_s))
    size = np.array(size_wh, np.float64)
    shift = rng.normal(0, STILL_SHIFT_PER_S * age_s, 2) * size + (1 - zoom) * size / 2
    boxes = (image.boxes_xyxy_px * zoom + np.tile(shift, 2)).astype(np.float32)
    velocities = (_centres(image.boxes_xyxy_px) - _centres(boxes)) / age_s  # (N, 2)
    velocities *= 1 + rng.normal(0, STILL_VELOCITY_ERROR, (len(boxes), 1))
    velocities[rng.random(len(boxes)) >= STILL_KNOWN] = np.nan
    return KeyFrame(
        image=replace(image, boxes_xyxy_px=boxes),
        age_s=age_s,
        fps=STILL_FPS,
        velocities_px_s=velocities,
        motion=np.column_stack([zoom * np.eye(2), shift]),
    )


def truth_of(key: KeyFrame, repeat: Repeat, *, size_wh: tuple[int, int]) -> PriorObjects:
    """What is in the key frame, in pixels of the picture that `repeat` makes of it.

    Objects whose centre is outside of the picture are left out.
    """
    before = key.image.boxes_xyxy_px.astype(np.float64)
    moved = before + np.tile(np.nan_to_num(key.velocities_px_s) * key.age_s, 2)
    boxes, later = repeat.boxes(before), repeat.boxes(moved)
    centres = _centres(boxes)
    velocities = (_centres(later) - centres) / key.age_s
    velocities[~np.isfinite(key.velocities_px_s).all(axis=1)] = np.nan
    inside = ((centres >= 0) & (centres < size_wh)).all(axis=1)
    return objects_of(
        boxes[inside],
        key.image.class_ids[inside],
        scores=np.ones(int(inside.sum())),
        velocities_px_s=velocities[inside],
        fps=key.fps,
    )
