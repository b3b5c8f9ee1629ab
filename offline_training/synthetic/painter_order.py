"""From back to front: by depth, and around long things by which side of them one stands on.

The middle of a bus may be farther away than a cyclist on its far side whom it hides; depth alone
would paint the cyclist over the bus.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import heapq

import numpy as np
from numpy.typing import NDArray

from offline_training.synthetic.camera import Array
from offline_training.synthetic.layout import Building


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """Where a thing stands; `length_m` of 0 makes it a point that others are sorted around."""

    x_m: float
    y_m: float
    depth_m: float
    heading_rad: float = 0.0
    length_m: float = 0.0
    width_m: float = 0.0


def building_footprint(building: Building, far_m: float, *, solid: bool) -> Footprint:
    """Where a building stands; `far_m` is the depth of its farthest corner.

    On a straight avenue nobody is behind a building, whoever is beside it is in front: its far
    edge counts. The middle is given far off the road, so that no vehicle is sorted around it.
    Around corners people are on streets behind buildings; there it is as `solid` as a bus.
    """
    if not solid:
        return Footprint(x_m=1e6, y_m=1e6, depth_m=far_m)
    (x0, x1), (y0, y1) = building.x_m, building.y_m
    return Footprint(
        x_m=(x0 + x1) / 2,
        y_m=(y0 + y1) / 2,
        depth_m=far_m,
        length_m=x1 - x0,
        width_m=y1 - y0,
    )


def paint_order(items: Sequence[Footprint], camera_xy_m: tuple[float, float]) -> list[int]:
    """Indices of `items` in the order to paint them."""
    after = _constraints(items, np.asarray(camera_xy_m))
    waits = [0] * len(items)
    for hidden_by in after:
        for index in hidden_by:
            waits[index] += 1
    # Farthest first among those whose hidden neighbours are painted (topological sort).
    ready = [(-item.depth_m, i) for i, item in enumerate(items) if waits[i] == 0]
    heapq.heapify(ready)
    rest = sorted(range(len(items)), key=lambda i: -items[i].depth_m)
    order: list[int] = []
    done = [False] * len(items)
    while len(order) < len(items):
        # A circle of things that hide each other is broken at the farthest.
        index = heapq.heappop(ready)[1] if ready else next(i for i in rest if not done[i])
        if done[index]:
            continue
        done[index] = True
        order.append(index)
        for other in after[index]:
            waits[other] -= 1
            if waits[other] == 0 and not done[other]:
                heapq.heappush(ready, (-items[other].depth_m, other))
    return order


def _constraints(items: Sequence[Footprint], camera_m: Array) -> list[list[int]]:
    """For each item those that have to be painted after it: those in front that overlap it."""
    after: list[list[int]] = [[] for _ in items]
    places = np.array([[i.x_m, i.y_m] for i in items]).reshape(-1, 2)
    lengths = np.array([i.length_m for i in items])
    depths = np.array([i.depth_m for i in items])
    index = np.arange(len(items))
    bearing, reach = _bearings(items, camera_m)
    for a, item in enumerate(items):
        apart = np.abs((bearing - bearing[a] + np.pi) % (2 * np.pi) - np.pi)
        overlaps = apart < reach + reach[a]
        # Of two boxes the longer one decides; of two alike the first.
        mine = (lengths < item.length_m) | ((lengths == item.length_m) & (index > a))
        in_front = depths < item.depth_m
        if item.length_m > 0:
            in_front = _in_front(item, places, camera_m)
        for b in np.flatnonzero(overlaps & mine).tolist():
            first, second = (a, b) if in_front[b] else (b, a)
            after[first].append(second)
    return after


def _bearings(items: Sequence[Footprint], camera_m: Array) -> tuple[Array, Array]:
    """Direction of each item's middle seen from the camera, and half the angle it fills. (N,)."""
    centre = np.array([[i.x_m, i.y_m] for i in items]).reshape(-1, 2) - camera_m
    middle = np.arctan2(centre[:, 1], centre[:, 0])
    heading = np.array([i.heading_rad for i in items])
    along = np.stack([np.cos(heading), np.sin(heading)], axis=1)
    left = np.stack([-along[:, 1], along[:, 0]], axis=1)
    half_length = np.maximum([i.length_m for i in items], 0.7)[:, None] / 2
    half_width = np.maximum([i.width_m for i in items], 0.7)[:, None] / 2
    reach = np.zeros(len(items))
    for p in (-1, 1):
        for q in (-1, 1):
            corner = centre + p * half_length * along + q * half_width * left
            turn = np.arctan2(corner[:, 1], corner[:, 0]) - middle
            reach = np.maximum(reach, np.abs((turn + np.pi) % (2 * np.pi) - np.pi))
    return middle, reach


def _in_front(box: Footprint, places_m: Array, camera_m: Array) -> NDArray[np.bool_]:
    """Whether a point is on the camera's side of one of the box's faces. (N,) bool."""
    c, s = np.cos(box.heading_rad), np.sin(box.heading_rad)
    turn = np.array([[c, -s], [s, c]])
    centre = np.array([box.x_m, box.y_m])
    local, eye = (places_m - centre) @ turn, (camera_m - centre) @ turn
    half = np.array([box.length_m, box.width_m]) / 2
    result = np.zeros(len(places_m), dtype=bool)
    for axis in (0, 1):
        for sign in (-1.0, 1.0):
            if eye[axis] * sign > half[axis]:
                result |= local[:, axis] * sign > half[axis]
    return result
