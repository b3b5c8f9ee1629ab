"""The camera car around corners: cross street, avenue, cross street, at a speed that fits.

A stretch is the part of the way on one street. It has axes of its own, in which its street is an
avenue: x from the middle of the road to the right of the car, y along the car's way. Traffic is
drawn in these axes and turned into the world's, so that every street has some.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offline_training.synthetic.layout import BLOCK_M, LANE_M, Road
from offline_training.synthetic.motion import Trajectory

Array = NDArray[np.float64]
NORTH = np.pi / 2
CROSS_ROAD = Road(lanes=1, parking=False, sidewalk_m=3.0, setback_m=0.2)
# Radii of the car's path: a right turn stays in its own quarter of the crossing.
RADIUS_M = {-1: 8.0, 1: 11.0}
RAMP_M = 3.0  # over which the steering wheel is turned
ACCELERATION_MPS2, BRAKING_MPS2 = 1.5, 2.2
STEP_M = 0.05
TIME_STEP_S = 0.005
MARGIN_S = 1.0  # before the first frame and after the last one


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """One street of the way.

    Attributes:
        road: its cross-section.
        start_y_m: where the car enters it, in its own axes.
        flow_y_m: where a car would be at time 0 that comes along with ours, at cruising speed.
        travel_m: how far the car goes along it.
        turn_rad: from its own axes to the world's.
        origin_m: of its own axes, in the world.
    """

    road: Road
    start_y_m: float
    flow_y_m: float
    travel_m: float
    turn_rad: float = 0.0
    origin_m: tuple[float, float] = (0.0, 0.0)

    def to_world(self, points_m: Array) -> Array:
        """Points (N, 2) from its own axes."""
        if self.turn_rad == 0.0:
            return points_m
        c, s = np.cos(self.turn_rad), np.sin(self.turn_rad)
        return points_m @ np.array([[c, s], [-s, c]]) + np.asarray(self.origin_m)


@dataclass(frozen=True, kw_only=True)
class Way:
    """The car's trajectory and the streets it takes."""

    trajectory: Trajectory
    stretches: tuple[Stretch, ...]


@dataclass(frozen=True, kw_only=True)
class WayPlan:
    """How the car drives: `turns` corners with `yaw_radps`, `cruise_mps` between them."""

    turns: int
    yaw_radps: float
    cruise_mps: float
    duration_s: float


@dataclass(frozen=True, kw_only=True)
class _Leg:
    """A street as the route takes it: where it lies, its heading, and the car's lane on it."""

    road: Road
    heading_rad: float
    origin_m: tuple[float, float]
    lane_x_m: float

    def point(self, along_m: float) -> Array:
        """The point of the car's lane, `along_m` from the origin."""
        c, s = np.cos(self.heading_rad), np.sin(self.heading_rad)
        return (
            np.asarray(self.origin_m) + along_m * np.array([c, s]) + self.lane_x_m * _right(c, s)
        )


def draw_way(plan: WayPlan, road: Road, lane: int, rng: np.random.Generator) -> Way:
    """A way with `plan.turns` corners, one or two; its avenue has `road`."""
    sides = [int(side) for side in rng.choice([-1, 1], plan.turns)]
    from_avenue = plan.turns == 1 and bool(rng.random() < 0.5)
    legs = _legs(road, road.lane_x_m(lane), sides, from_avenue)
    lead_m = float(rng.uniform(15, 30))
    points, curved, ends = _trace(legs, sides, lead_m)
    t_s, s_m = _timetable(_speeds(curved, sides, plan), plan.duration_s)
    trajectory = Trajectory(
        points_m=points, start_m=0.0, speed_mps=plan.cruise_mps, timetable=(t_s, s_m)
    )
    stretches = []
    starts = [0.0, *ends]
    covered = float(np.interp(plan.duration_s, t_s, s_m))
    for leg, start, end in zip(legs, starts, [*ends, covered], strict=True):
        stretches.append(_stretch(leg, (start, max(end, start + 1.0)), trajectory, plan))
    return Way(trajectory=trajectory, stretches=tuple(stretches))


def _legs(road: Road, avenue_x_m: float, sides: list[int], from_avenue: bool) -> list[_Leg]:
    avenue = _Leg(road=road, heading_rad=NORTH, origin_m=(0.0, 0.0), lane_x_m=avenue_x_m)
    if from_avenue:
        return [avenue, _cross(BLOCK_M, NORTH + sides[0] * NORTH)]
    first = _cross(BLOCK_M, NORTH - sides[0] * NORTH)
    if len(sides) == 1:
        return [first, avenue]
    return [first, avenue, _cross(2 * BLOCK_M, NORTH + sides[1] * NORTH)]


def _cross(y_m: float, heading_rad: float) -> _Leg:
    return _Leg(road=CROSS_ROAD, heading_rad=heading_rad, origin_m=(0.0, y_m), lane_x_m=LANE_M / 2)


def _trace(legs: list[_Leg], sides: list[int], lead_m: float) -> tuple[Array, Array, list[float]]:
    """Points (N, 2) every STEP_M, the side of the corner each is in (N,), and where they end."""
    points: list[Array] = []
    curved: list[Array] = []
    ends: list[float] = []
    at: float | None = None  # along the present leg
    for k, side in enumerate(sides):
        leg, following = legs[k], legs[k + 1]
        arc = _corner(RADIUS_M[side], side, leg.heading_rad)
        c, s = np.cos(leg.heading_rad), np.sin(leg.heading_rad)
        # The arc must end in the next street's lane: that decides where it begins.
        gap = following.point(0.0) - leg.point(0.0) - arc[-1]
        begin = float(gap @ np.array([c, s]))
        at = begin - lead_m if at is None else at
        straight = np.arange(at, begin, STEP_M)
        points += [leg.point(0.0) + straight[:, None] * np.array([c, s]), leg.point(begin) + arc]
        curved += [np.zeros(len(straight)), np.full(len(arc), side)]
        ends.append(STEP_M * sum(len(p) for p in points))
        c, s = np.cos(following.heading_rad), np.sin(following.heading_rad)
        at = float((points[-1][-1] - following.point(0.0)) @ np.array([c, s])) + STEP_M
    last = legs[-1]
    c, s = np.cos(last.heading_rad), np.sin(last.heading_rad)
    assert at is not None
    onward = np.arange(at, at + 150.0, STEP_M)  # a trajectory goes straight on beyond its end
    points.append(last.point(0.0) + onward[:, None] * np.array([c, s]))
    curved.append(np.zeros(len(onward)))
    return np.concatenate(points), np.concatenate(curved), ends


def _corner(radius_m: float, side: int, heading_rad: float) -> Array:
    """A quarter turn from the origin, whose curvature rises and falls over RAMP_M. (N, 2)."""
    length = NORTH * radius_m + RAMP_M
    s = np.arange(STEP_M / 2, length, STEP_M)
    curvature = np.minimum(np.minimum(s, length - s) / RAMP_M, 1.0)
    headings = heading_rad + side * NORTH * np.cumsum(curvature) / curvature.sum()
    moves = STEP_M * np.stack([np.cos(headings), np.sin(headings)], axis=1)
    return np.asarray(np.cumsum(moves, axis=0))


def _speeds(curved: Array, sides: list[int], plan: WayPlan) -> Array:
    """Speed at each point (N,): that of the yaw rate in corners, reached and left smoothly."""
    limits = np.full(len(curved), plan.cruise_mps)
    for side in set(sides):
        limits[curved == side] = min(plan.cruise_mps, plan.yaw_radps * RADIUS_M[side])
    square = limits**2
    # From a limit at point j the square of the speed may grow by 2 a per metre.
    along = np.arange(len(square)) * STEP_M
    ahead = np.minimum.accumulate(square - 2 * ACCELERATION_MPS2 * along)
    square = ahead + 2 * ACCELERATION_MPS2 * along
    back = np.minimum.accumulate((square + 2 * BRAKING_MPS2 * along)[::-1])[::-1]
    return np.asarray(np.sqrt(back - 2 * BRAKING_MPS2 * along))


def _timetable(speeds_mps: Array, duration_s: float) -> tuple[Array, Array]:
    """Times (M,) and distances (M,) along the way."""
    mean = (speeds_mps[1:] + speeds_mps[:-1]) / 2
    passed = np.concatenate([[0.0], np.cumsum(STEP_M / mean)])
    t = np.arange(-MARGIN_S, duration_s + MARGIN_S, TIME_STEP_S)
    s = np.interp(t, passed, np.arange(len(passed)) * STEP_M)
    s += np.minimum(t, 0.0) * speeds_mps[0] + np.maximum(t - passed[-1], 0.0) * speeds_mps[-1]
    return t, s


def _stretch(
    leg: _Leg, span_m: tuple[float, float], trajectory: Trajectory, plan: WayPlan
) -> Stretch:
    turn = leg.heading_rad - NORTH
    c, s = np.cos(leg.heading_rad), np.sin(leg.heading_rad)
    assert trajectory.timetable is not None
    t_s, s_m = trajectory.timetable
    middle_s = float(np.interp(sum(span_m) / 2, s_m, t_s))
    ends = trajectory.positions_m(np.interp(span_m, s_m, t_s))
    start, end = ((ends - np.asarray(leg.origin_m)) @ np.array([c, s])).tolist()
    return Stretch(
        road=leg.road,
        start_y_m=start,
        flow_y_m=(start + end) / 2 - plan.cruise_mps * middle_s,
        travel_m=end - start,
        turn_rad=turn,
        origin_m=leg.origin_m,
    )


def _right(c: float, s: float) -> Array:
    return np.array([s, -c])
