"""What `benchmark camera-motion` measures on: pictures after a known turn, and rendered drives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
import itertools
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.camera_motion import CameraMotion, RotationSamples, View
from mot_compress_ros.datatypes import Frame
from offline_training.benchmarks.camera_motion_contestants import Step
from offline_training.synthetic import generate, SceneConfig, SyntheticFrame

Array = NDArray[np.float64]
# Of a road user: centre x, centre y and height in pixels, and whether it stands.
Seen = tuple[float, float, float, bool]
_SHOWN = 0.8  # share of a picture that is shown, so that a turn finds something beyond the edge
_FOCAL_WIDTHS = 0.75
_YAW_DEG, _PITCH_DEG, _ROLL_DEG = 3.0, 0.8, 0.6  # at most, between two frames
_PATCHES, _PATCH_SHIFT_PX = 6, 25
_NOISE_GREY, _GAIN = 4.0, 0.05
_MIN_VISIBILITY = 0.5
_STANDS_MPS = 0.1


@dataclass(frozen=True, eq=False, kw_only=True)
class Drive:
    """Steps of a rendered drive, and where each road user was.

    Attributes:
        steps: one per frame from the second on.
        objects: of every frame, by id.
    """

    steps: list[Step]
    objects: list[dict[int, Seen]]


def turned_pictures(
    pictures: Sequence[NDArray[np.uint8]],
    motion: CameraMotion,
    *,
    count: int,
    size_wh: tuple[int, int],
    seed: int,
) -> Iterator[tuple[Step, tuple[Frame, Frame]]]:
    """Pictures before and after a known turn, with patches that move by themselves, and noise.

    Args:
        pictures: (H, W, 3) uint8 of any size.
        motion: what makes the views.
        count: how many pairs.
        size_wh: size of the frames in pixels.
        seed: of the turns, the patches and the noise.
    """
    rng = np.random.default_rng(seed)
    width, height = size_wh
    focal_px = _FOCAL_WIDTHS * width
    camera = np.array([[focal_px, 0, (width - 1) / 2], [0, focal_px, (height - 1) / 2], [0, 0, 1]])
    limits = np.radians([_PITCH_DEG, _YAW_DEG, _ROLL_DEG])
    for picture in itertools.islice(itertools.cycle(pictures), count):
        turn = camera @ cv2.Rodrigues(rng.uniform(-limits, limits))[0] @ np.linalg.inv(camera)
        place = _placement(picture, size_wh)
        before, after = (
            np.asarray(cv2.warpPerspective(picture, m @ place, size_wh), np.uint8)
            for m in (np.eye(3), turn)
        )
        boxes = _paste(before, after, rng)
        frames = (
            Frame(image=_noisy(before, 1.0, rng), stamp_ns=0),
            Frame(image=_noisy(after, rng.uniform(1 - _GAIN, 1 + _GAIN), rng), stamp_ns=1),
        )
        step = Step(
            previous=motion.look(frames[0]),
            current=motion.look(frames[1]),
            moving_xyxy_px=boxes,
            true_rotation=np.asarray(turn / turn[2, 2], np.float64),
            intrinsics=camera,
        )
        yield step, frames


def _placement(picture: NDArray[np.uint8], size_wh: tuple[int, int]) -> Array:
    """Shows the middle of a picture in a frame of another size. (3, 3)."""
    height, width = picture.shape[:2]
    scale = max(size_wh[0] / (width * _SHOWN), size_wh[1] / (height * _SHOWN))
    left, top = size_wh[0] / 2 - scale * width / 2, size_wh[1] / 2 - scale * height / 2
    return np.array([[scale, 0, left], [0, scale, top], [0, 0, 1]])


def _paste(before: NDArray[np.uint8], after: NDArray[np.uint8], rng: np.random.Generator) -> Array:
    """Paste patches that move by themselves into both pictures; their boxes (N, 4) before."""
    height, width = before.shape[:2]
    boxes = []
    for _ in range(_PATCHES):
        w, h = (int(rng.uniform(0.06, 0.24) * side) for side in (width, height))
        x, y = int(rng.integers(0, width - w)), int(rng.integers(0, height - h))
        texture = rng.integers(0, 255, (12, 12, 3)).astype(np.uint8)
        patch = cv2.resize(texture, (w, h))
        before[y : y + h, x : x + w] = patch
        dx, dy = rng.integers(-_PATCH_SHIFT_PX, _PATCH_SHIFT_PX + 1, 2)
        to_x, to_y = max(x + int(dx), 0), max(y + int(dy), 0)
        shown = after[to_y : to_y + h, to_x : to_x + w]
        shown[:] = patch[: shown.shape[0], : shown.shape[1]]
        boxes.append((x, y, x + w, y + h))
    return np.array(boxes, np.float64)


def _noisy(image: NDArray[np.uint8], gain: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    noise = rng.normal(0, _NOISE_GREY, image.shape)
    return np.asarray((image * gain + noise).clip(0, 255), np.uint8)


def drive(scene: SceneConfig, motion: CameraMotion, *, stride: int) -> Drive:
    """Every `stride`-th frame of a rendered scene."""
    samples = RotationSamples()
    shown: list[tuple[View, SyntheticFrame]] = []
    for index, frame in enumerate(generate(scene)):
        inertial = frame.truth.inertial
        for stamp_ns, velocity in zip(
            inertial.stamps_ns.tolist(), inertial.angular_velocity_radps, strict=True
        ):
            samples.add(stamp_ns=stamp_ns, angular_velocity_rad_s=velocity)
        if index % stride == 0:
            shown.append((motion.look(_as_frame(frame)), _without_picture(frame)))
    steps = [_step(a, b, samples) for a, b in itertools.pairwise(shown)]
    return Drive(steps=steps, objects=[_objects(frame) for _, frame in shown])


def _as_frame(frame: SyntheticFrame) -> Frame:
    return Frame(image=frame.image_bgr, stamp_ns=frame.truth.stamp_ns)


def _without_picture(frame: SyntheticFrame) -> SyntheticFrame:
    """Its truth; the pictures of a whole drive would fill the memory."""
    return SyntheticFrame(image_bgr=np.zeros((1, 1, 3), np.uint8), truth=frame.truth)


def _step(
    before: tuple[View, SyntheticFrame],
    after: tuple[View, SyntheticFrame],
    samples: RotationSamples,
) -> Step:
    (previous, earlier), (current, later) = before, after
    camera = earlier.truth.rig.intrinsics
    turn = later.truth.camera.rotation @ earlier.truth.camera.rotation.T
    homography = camera @ turn @ np.linalg.inv(camera)
    boxes = [item.clipped_xyxy_px for item in earlier.truth.objects if item.visibility > 0]
    return Step(
        previous=previous,
        current=current,
        moving_xyxy_px=np.array(boxes, np.float64).reshape(-1, 4),
        true_rotation=np.asarray(homography / homography[2, 2], np.float64),
        intrinsics=camera,
        samples=samples,
        optical_from_vehicle=earlier.truth.rig.rotation,
    )


def _objects(frame: SyntheticFrame) -> dict[int, Seen]:
    """Where the road users are that are seen well and whole."""
    found = {}
    for item in frame.truth.objects:
        x1, y1, x2, y2 = item.box_xyxy_px
        is_whole = item.clipped_xyxy_px == item.box_xyxy_px
        if is_whole and item.visibility >= _MIN_VISIBILITY and not item.ignore:
            stands = float(np.hypot(*item.velocity_mps[::2])) < _STANDS_MPS
            found[item.track_id] = ((x1 + x2) / 2, (y1 + y2) / 2, y2 - y1, stands)
    return found


def read_pictures(path: Path, *, count: int) -> list[NDArray[np.uint8]]:
    """Pictures from all over a bag, a video or a sequence."""
    from mot_compress_ros.sources import open_source

    source = open_source(path)
    stride = max(len(source) // count, 1)
    frames = itertools.islice(source, 0, stride * count, stride)
    return [np.array(frame.image) for frame in frames]
