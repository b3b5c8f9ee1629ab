"""Where things are at any time: closed-form trajectories, so that truth needs no integration."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
POINT_STEP_M = 0.1  # of curved paths: fine enough that headings do not jump
_RATE_STEP_S = 0.005


@dataclass(frozen=True, kw_only=True)
class Pose:
    """On the ground at one instant: metres, radians, metres per second, metres travelled."""

    x_m: float
    y_m: float
    heading_rad: float
    velocity_mps: tuple[float, float]
    travelled_m: float


@dataclass(frozen=True, kw_only=True)
class Trajectory:
    """A polyline walked at a speed that swings around its mean.

    `points_m` (N, 2) must be dense where it bends. Distance along it at time t is
    start + speed t + swing sin(frequency t + phase), or what `timetable` says: times (M,) and
    distances (M,), dense, and reaching beyond the times that are asked for.
    """

    points_m: Array
    start_m: float
    speed_mps: float
    swing_m: float = 0.0
    frequency_radps: float = 0.5
    phase_rad: float = 0.0
    timetable: tuple[Array, Array] | None = None

    @cached_property
    def _distance_m(self) -> Array:
        steps = np.hypot(*np.diff(self.points_m, axis=0).T)
        return np.concatenate([[0.0], np.cumsum(steps)])

    @cached_property
    def _end_directions(self) -> tuple[Array, Array]:
        return _unit(self.points_m[1] - self.points_m[0]), _unit(
            self.points_m[-1] - self.points_m[-2]
        )

    def distance_m(self, t_s: Array | float) -> Array:
        """Distance along the polyline at times (N,)."""
        t = np.asarray(t_s, dtype=np.float64)
        if self.timetable is not None:
            return np.asarray(np.interp(t, *self.timetable))
        swing = self.swing_m * np.sin(self.frequency_radps * t + self.phase_rad)
        return self.start_m + self.speed_mps * t + swing

    def positions_m(self, t_s: Array) -> Array:
        """Ground positions at times (N,) as (N, 2)."""
        return self._at(self.distance_m(t_s))

    def headings_rad(self, t_s: Array) -> Array:
        """Directions of travel at times (N,) as (N,)."""
        s = self.distance_m(t_s)
        ahead = self._at(s + 0.3) - self._at(s - 0.3)
        return np.arctan2(ahead[:, 1], ahead[:, 0])

    def pose(self, t_s: float) -> Pose:
        """Everything about one instant."""
        s = self.distance_m(np.array([t_s]))
        around = self._at(s + np.array([0.0, 0.3, -0.3, 0.02, -0.02]))
        position = around[0]
        ahead = around[1] - around[2]
        heading = float(np.arctan2(ahead[1], ahead[0]))
        tangent = (around[3] - around[4]) / 0.04
        rate = self._rate_mps(t_s)
        return Pose(
            x_m=float(position[0]),
            y_m=float(position[1]),
            heading_rad=heading,
            velocity_mps=(float(tangent[0] * rate), float(tangent[1] * rate)),
            travelled_m=float(s[0]),
        )

    def _rate_mps(self, t_s: float) -> float:
        """Speed along the polyline."""
        if self.timetable is not None:
            ends = self.distance_m(np.array([t_s - _RATE_STEP_S, t_s + _RATE_STEP_S]))
            return float(ends[1] - ends[0]) / (2 * _RATE_STEP_S)
        return self.speed_mps + self.swing_m * self.frequency_radps * float(
            np.cos(self.frequency_radps * t_s + self.phase_rad)
        )

    def _at(self, s: Array) -> Array:
        """Points at distances (N,) along the polyline, straight on beyond both ends. (N, 2)."""
        knots = self._distance_m
        first, last = self._end_directions
        result = np.empty((len(s), 2))
        before, beyond = np.minimum(s, 0.0), np.maximum(s - knots[-1], 0.0)
        for axis in (0, 1):
            inside = np.interp(s, knots, self.points_m[:, axis])
            result[:, axis] = inside + before * first[axis] + beyond * last[axis]
        return result


def straight(start_m: tuple[float, float], heading_rad: float, length_m: float = 10.0) -> Array:
    """A straight polyline (2, 2); a trajectory goes straight on beyond its ends anyway."""
    direction = np.array([np.cos(heading_rad), np.sin(heading_rad)])
    return np.stack([np.asarray(start_m), np.asarray(start_m) + length_m * direction])


def wandering(
    start_m: tuple[float, float],
    heading_rad: float,
    rng: np.random.Generator,
    *,
    amplitude_m: float,
    length_m: float = 200.0,
) -> Array:
    """A path that sways sideways as people and riders do. (N, 2)."""
    s = np.arange(0.0, length_m, POINT_STEP_M)
    sway = amplitude_m * np.sin(s / rng.uniform(3.0, 9.0) + rng.uniform(0, 6.28))
    along = np.array([np.cos(heading_rad), np.sin(heading_rad)])
    left = np.array([-along[1], along[0]])
    return np.asarray(start_m) + s[:, None] * along + (sway - sway[0])[:, None] * left


def turning(
    start_m: tuple[float, float],
    heading_rad: float,
    straight_m: float,
    angle_rad: float,
    radius_m: float,
) -> Array:
    """Straight on, then an arc of `angle_rad` (left is positive), then straight. (N, 2)."""
    before = max(2, round(straight_m / POINT_STEP_M))
    arc = max(2, round(abs(angle_rad) * radius_m / POINT_STEP_M))
    turns = np.concatenate([np.zeros(before), np.full(arc, angle_rad / arc), np.zeros(100)])
    headings = heading_rad + np.cumsum(turns)
    moves = POINT_STEP_M * np.stack([np.cos(headings), np.sin(headings)], axis=1)
    return np.asarray(start_m) + np.concatenate([np.zeros((1, 2)), np.cumsum(moves, axis=0)])


def _unit(vector: Array) -> Array:
    return vector / max(float(np.hypot(*vector)), 1e-9)
