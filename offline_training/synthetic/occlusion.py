"""Who hides whom, without pixels: outlines filled in paint order into a small id buffer.

It differs from the painted one in this: an outline is the convex hull of what would be painted, so
one does not see between legs or spokes; a tree is a trunk and an ellipse without holes, a post
has neither arms nor plates, a building no roof; and the buffer has half the resolution of a
large image.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import cv2
import numpy as np
from numpy.typing import NDArray

from offline_training.synthetic.camera import Array, Camera
from offline_training.synthetic.layout import Building, Prop, Town
from offline_training.synthetic.painter_order import building_footprint, Footprint
from offline_training.synthetic.pixels import convex_hull, SHIFT

LARGE_PX = 640  # width from which the buffer is halved
_NEAR_M = 0.5
_CORNERS = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)])  # (8, 3)
_EDGES = np.array(
    [(a, b) for a, b in combinations(range(8), 2) if np.abs(_CORNERS[a] - _CORNERS[b]).sum() == 1]
)  # (12, 2)
# In shares of a tree's height, from its foot: what textures.tree paints within its 270 x 360.
_RING = np.linspace(0.0, 2 * np.pi, 16, endpoint=False)
_CROWN = np.stack([0.28 * np.cos(_RING), 0.24 * np.sin(_RING) - 0.68], axis=1)
_TRUNK = np.array([(-0.03, 0.0), (-0.017, -0.5), (0.017, -0.5), (0.03, 0.0)])
_POST_HALF_M = 0.055


@dataclass(frozen=True, eq=False, kw_only=True)
class Obstacle:
    """What stands still and hides: its convex outlines in pixels."""

    footprint: Footprint
    outlines_px: list[Array]


class IdBuffer:
    """Ids of what is in front, at a fraction of the image's resolution; 0 is nobody."""

    def __init__(self, size_wh: tuple[int, int]) -> None:
        self._scale = 2 if size_wh[0] >= LARGE_PX else 1
        width, height = (-(-side // self._scale) for side in size_wh)
        self._ids: NDArray[np.int32] = np.zeros((height, width), dtype=np.int32)
        self._areas: dict[int, tuple[float, tuple[int, int, int, int]]] = {}

    def clear(self) -> None:
        """Begin the next frame."""
        self._ids[:] = 0
        self._areas.clear()

    def hide(self, outlines_px: list[Array]) -> None:
        """Fill convex outlines of what nobody asks about."""
        for outline in outlines_px:
            fixed = np.clip(self._scaled(outline) * (1 << SHIFT), -3e7, 3e7)
            polygon = np.rint(fixed).astype(np.int32)
            cv2.fillConvexPoly(self._ids, polygon, (0.0,), cv2.LINE_8, SHIFT)

    def paint(self, outline_px: Array, track_id: int) -> None:
        """Fill the convex outline (N, 2) of one road user."""
        height, width = self._ids.shape
        points = self._scaled(outline_px)
        # As a painted actor is: cut half an image beyond the border.
        low = np.maximum(points.min(axis=0), (-0.5 * width, -0.5 * height))
        high = np.minimum(points.max(axis=0), (1.5 * width, 1.5 * height))
        x0, y0 = (int(v) - 1 for v in np.floor(low))
        x1, y1 = (int(v) + 2 for v in np.ceil(high))
        mask = np.zeros((y1 - y0, x1 - x0), dtype=np.uint8)
        fixed = np.rint(np.clip((points - (x0, y0)) * (1 << SHIFT), -3e7, 3e7)).astype(np.int32)
        cv2.fillConvexPoly(mask, fixed, (1.0,), cv2.LINE_8, SHIFT)
        left, top, right, bottom = max(0, x0), max(0, y0), min(width, x1), min(height, y1)
        window = (left, top, max(left, right), max(top, bottom))
        part = self._ids[top : window[3], left : window[2]]
        part[mask[top - y0 : window[3] - y0, left - x0 : window[2] - x0] > 0] = track_id
        self._areas[track_id] = float(np.count_nonzero(mask)), window

    def seen(self, track_id: int) -> tuple[float, tuple[int, int, int, int]]:
        """The share of a painted outline that shows, and its bounds in pixels of the image."""
        area, (left, top, right, bottom) = self._areas[track_id]
        mask = self._ids[top:bottom, left:right] == track_id
        count = int(np.count_nonzero(mask))
        if count == 0:
            return 0.0, (0, 0, 0, 0)
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        x0, x1 = (left + int(columns[k]) + (k != 0) for k in (0, -1))
        y0, y1 = (top + int(rows[k]) + (k != 0) for k in (0, -1))
        scale = self._scale
        return count / max(area, 1.0), (x0 * scale, y0 * scale, x1 * scale, y1 * scale)

    def _scaled(self, points_px: Array) -> Array:
        return (points_px + 0.5) / self._scale - 0.5


class StandingThings:
    """The town as what hides road users."""

    def __init__(self, town: Town, max_range_m: float, *, solid_buildings: bool) -> None:
        self._town, self._max_range_m, self._solid = town, max_range_m, solid_buildings
        self._corners_m = np.array([_corners_m(b) for b in town.buildings]).reshape(-1, 3)
        self._feet_m = np.array([(p.x_m, p.y_m, 0.0) for p in town.props]).reshape(-1, 3)

    def obstacles(self, camera: Camera) -> list[Obstacle]:
        """All that may hide something in the image."""
        return [*self._buildings(camera), *self._props(camera)]

    def _buildings(self, camera: Camera) -> list[Obstacle]:
        optical = camera.to_camera(self._corners_m).reshape(-1, 8, 3)
        depth = optical[..., 2]
        near, far = depth.min(axis=1), depth.max(axis=1)
        kept = (far > _NEAR_M) & (near < self._max_range_m + 60)
        kept &= in_view(optical, camera)
        result = []
        for k in np.flatnonzero(kept).tolist():
            points = optical[k] if near[k] >= _NEAR_M else _cut_near(optical[k])
            outline = convex_hull(camera.project_optical(points)[:, :2])
            footprint = building_footprint(
                self._town.buildings[k], float(far[k]), solid=self._solid
            )
            result.append(Obstacle(footprint=footprint, outlines_px=[outline]))
        return result

    def _props(self, camera: Camera) -> list[Obstacle]:
        optical = camera.to_camera(self._feet_m)
        x, z = optical[:, 0], optical[:, 2]
        reach = camera.size_wh[0] / 2 / camera.focal_px
        near = (z > 1.5) & (z < self._max_range_m) & (np.abs(x) < z * reach + 3.0)
        result = []
        for k in np.flatnonzero(near).tolist():
            prop, depth = self._town.props[k], float(z[k])
            footprint = Footprint(x_m=prop.x_m, y_m=prop.y_m, depth_m=depth)
            foot_px = camera.project_optical(optical[k : k + 1])[0, :2]
            outlines = _prop_outlines(prop, foot_px, camera.focal_px / depth)
            result.append(Obstacle(footprint=footprint, outlines_px=outlines))
        return result


def in_view(optical: Array, camera: Camera) -> NDArray[np.bool_]:
    """Which things of K points each, (N, K, 3), are not wholly on one side of the view. (N,)."""
    half = camera.size_wh[0] / 2 + 1.0
    x, z = camera.focal_px * optical[..., 0], half * optical[..., 2]
    return np.asarray(~((x < -z).all(axis=1) | (x > z).all(axis=1)))


def _prop_outlines(prop: Prop, foot_px: Array, px_per_m: float) -> list[Array]:
    if prop.kind == 'tree':
        height_px = prop.height_m * px_per_m
        return [foot_px + _TRUNK * height_px, foot_px + _CROWN * height_px]
    half, top = _POST_HALF_M * px_per_m, -prop.height_m * px_per_m
    return [foot_px + np.array([(-half, 0.0), (half, 0.0), (half, top), (-half, top)])]


def _corners_m(building: Building) -> Array:
    low = np.array([building.x_m[0], building.y_m[0], 0.0])
    high = np.array([building.x_m[1], building.y_m[1], building.height_m])
    return low + _CORNERS * (high - low)


def _cut_near(optical: Array) -> Array:
    """Corners of a box (8, 3) before the near plane, and where its edges pierce it. (N, 3)."""
    a, b = optical[_EDGES[:, 0]], optical[_EDGES[:, 1]]
    pierced = (a[:, 2] >= _NEAR_M) != (b[:, 2] >= _NEAR_M)
    a, b = a[pierced], b[pierced]
    share = (_NEAR_M - a[:, 2:]) / (b[:, 2:] - a[:, 2:])
    return np.concatenate([optical[optical[:, 2] >= _NEAR_M], a + (b - a) * share])
