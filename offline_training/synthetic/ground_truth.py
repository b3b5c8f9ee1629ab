"""What is true of a frame: boxes, visibility, metric positions and velocities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offline_training.synthetic.camera import Camera
from offline_training.synthetic.inertial import InertialSamples
from offline_training.synthetic.world import CameraRig

Box = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class TrueObject:
    """One road user in one frame.

    The box is the outline's bounds, hidden parts included (amodal); parts beyond the image border
    are in `box_xyxy_px` but not in `clipped_xyxy_px`. Edges count from the image's corner: pixel
    i reaches from i to i + 1. `visibility` is the share of the outline's
    pixels that show. Position is that of the middle of the object's ground contact in optical axes
    (x right, y down, z forward); velocity is over ground, in the same axes. `heading_rad` is
    counter-clockwise seen from above, 0 to the camera's right.
    `ignore` marks what is too small or too hidden to count.
    """

    track_id: int
    class_id: int
    box_xyxy_px: Box
    clipped_xyxy_px: Box
    visible_xyxy_px: tuple[int, int, int, int]
    visibility: float
    centre_velocity_pxps: tuple[float, float]
    position_m: tuple[float, float, float]
    velocity_mps: tuple[float, float, float]
    world_position_m: tuple[float, float]
    size_m: tuple[float, float, float]
    heading_rad: float
    ignore: bool


@dataclass(frozen=True, kw_only=True)
class FrameTruth:
    """Truth of one frame.

    `owner` (H, W) int32 is the track id that shows in a pixel, or 0; it is (0, 0) where nothing
    was painted. `camera` holds the pose at the stamp, `rig` what is the same in all frames.
    `inertial` are the samples from after the frame before to the first at or after this one.
    """

    frame_index: int
    stamp_ns: int
    light: str
    camera: Camera
    rig: CameraRig
    inertial: InertialSamples
    objects: tuple[TrueObject, ...]
    owner: NDArray[np.int32]


def visible_box(
    owner: NDArray[np.int32], track_id: int, bounds: Box
) -> tuple[int, tuple[int, int, int, int]]:
    """Pixels that show and their inclusive-exclusive bounds; zeros where nothing shows."""
    height, width = owner.shape
    x0, y0 = max(0, int(bounds[0]) - 2), max(0, int(bounds[1]) - 2)
    x1, y1 = min(width, int(bounds[2]) + 4), min(height, int(bounds[3]) + 4)
    if x1 <= x0 or y1 <= y0:
        return 0, (0, 0, 0, 0)
    mask = owner[y0:y1, x0:x1] == track_id
    count = int(np.count_nonzero(mask))
    if count == 0:
        return 0, (0, 0, 0, 0)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return count, (
        x0 + int(columns[0]), y0 + int(rows[0]), x0 + int(columns[-1]) + 1, y0 + int(rows[-1]) + 1,
    )  # fmt: skip


def clip_box(box: Box, size_wh: tuple[int, int]) -> Box:
    """The part of a box inside the image."""
    width, height = size_wh
    x0, y0, x1, y1 = box
    return (
        min(max(x0, 0.0), width),
        min(max(y0, 0.0), height),
        min(max(x1, 0.0), width),
        min(max(y1, 0.0), height),
    )
