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


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """Where a thing stands; `length_m` of 0 makes it a point that others are sorted around."""

    x_m: float
    y_m: float
    depth_m: float
    heading_rad: float = 0.0
    length_m: float = 0.0
    width_m: float = 0.0


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
    middles, reaches = np.zeros(len(items)), np.zeros(len(items))
    for k, item in enumerate(items):
        centre = np.array([item.x_m, item.y_m]) - camera_m
        middle = float(np.arctan2(centre[1], centre[0]))
        along = np.array([np.cos(item.heading_rad), np.sin(item.heading_rad)])
        left = np.array([-along[1], along[0]])
        half_length, half_width = max(item.length_m, 0.7) / 2, max(item.width_m, 0.7) / 2
        corners = [
            centre + p * half_length * along + q * half_width * left
            for p in (-1, 1)
            for q in (-1, 1)
        ]
        turns = [float(np.arctan2(c[1], c[0])) - middle for c in corners]
        middles[k] = middle
        reaches[k] = max(abs((t + np.pi) % (2 * np.pi) - np.pi) for t in turns)
    return middles, reaches


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
