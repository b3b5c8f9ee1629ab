"""A pinhole camera over flat ground.

World axes: x east, y north, z up, metres, ground at z = 0 (REP 103). Headings are radians,
counter-clockwise from east. Camera axes are optical: x right, y down, z forward.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
NEAR_M = 0.4


@dataclass(frozen=True, kw_only=True)
class Camera:
    """Intrinsics (square pixels, no distortion) and pose at one instant."""

    size_wh: tuple[int, int]
    focal_px: float
    position_m: tuple[float, float, float]
    heading_rad: float
    pitch_rad: float

    @property
    def centre_px(self) -> tuple[float, float]:
        """The principal point, in the convention that pixel (0, 0) has its centre at (0, 0)."""
        return (self.size_wh[0] - 1) / 2, (self.size_wh[1] - 1) / 2

    @property
    def intrinsics(self) -> Array:
        """The camera matrix, (3, 3)."""
        cx, cy = self.centre_px
        return np.array([[self.focal_px, 0, cx], [0, self.focal_px, cy], [0, 0, 1.0]])  # (3, 3)

    @cached_property
    def rotation(self) -> Array:
        """World to optical axes; rows are right, down, forward. (3, 3)."""
        c, s = np.cos(self.heading_rad), np.sin(self.heading_rad)
        cp, sp = np.cos(self.pitch_rad), np.sin(self.pitch_rad)
        return np.array([[s, -c, 0.0], [c * sp, s * sp, -cp], [c * cp, s * cp, sp]])

    @property
    def horizon_px(self) -> float:
        """Row of the horizon (the camera never rolls, so it is one row)."""
        return self.centre_px[1] + self.focal_px * float(np.tan(self.pitch_rad))

    def to_camera(self, points_m: Array) -> Array:
        """World points (N, 3) to optical axes (N, 3), metres."""
        return (points_m - np.asarray(self.position_m)) @ self.rotation.T

    def project(self, points_m: Array) -> Array:
        """World points (N, 3) to pixels and depth (N, 3): u, v, z."""
        return self.project_optical(self.to_camera(points_m))

    def project_optical(self, points_m: Array) -> Array:
        """Optical points (N, 3) to u, v, z (N, 3); below NEAR_M they are divided by NEAR_M."""
        cx, cy = self.centre_px
        depth = np.maximum(points_m[:, 2], NEAR_M)
        scale = self.focal_px / depth
        return np.stack(
            [cx + points_m[:, 0] * scale, cy + points_m[:, 1] * scale, points_m[:, 2]], axis=1
        )

    def plane_homography(self, origin_m: Array, axis_u: Array, axis_v: Array) -> Array:
        """Maps (u, v, 1) on the plane origin + u axis_u + v axis_v to homogeneous pixels. (3, 3).

        The third homogeneous coordinate is the depth in metres.
        """
        rotation = self.rotation
        columns = [
            rotation @ axis_u,
            rotation @ axis_v,
            rotation @ (origin_m - np.asarray(self.position_m)),
        ]
        return self.intrinsics @ np.stack(columns, axis=1)


def clip_near(points_m: Array, near_m: float = NEAR_M) -> Array:
    """Cut an optical polygon (N, 3) at the near plane (Sutherland-Hodgman against one plane)."""
    depth = points_m[:, 2]
    if (depth >= near_m).all():
        return points_m
    kept: list[Array] = []
    for i in range(len(points_m)):
        a, b = points_m[i - 1], points_m[i]
        if (a[2] >= near_m) != (b[2] >= near_m):
            kept.append(a + (b - a) * ((near_m - a[2]) / (b[2] - a[2])))
        if b[2] >= near_m:
            kept.append(b)
    return np.array(kept).reshape(-1, 3)
