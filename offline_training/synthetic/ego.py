"""The camera car: where it drives, and how the camera sits in it and shakes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offline_training.synthetic.ego_levels import Bumps, NO_BUMPS
from offline_training.synthetic.inertial import angular_velocity, InertialSamples
from offline_training.synthetic.layout import BLOCK_M, CROSS_HALF_M, Road
from offline_training.synthetic.motion import Trajectory, wandering

Array = NDArray[np.float64]
NORTH = np.pi / 2
RATE_STEP_S = 1e-3  # half of the time over which rates are measured
STOP_M = BLOCK_M - CROSS_HALF_M - 5.5  # where the camera is when the car stands at the stop line
AT_CROSSING = ('wait', 'approach')  # scenarios with cross traffic, in which the avenue waits


@dataclass(frozen=True, kw_only=True)
class EgoMotion:
    """Angles in radians; the car bounces in pitch and sways in yaw, and the camera with it.

    `pitch_rad` is how the camera is mounted in the car, up is positive.
    """

    trajectory: Trajectory
    height_m: float
    pitch_rad: float
    bounce_rad: float
    yaw_sway_rad: float
    phase_rad: float
    bumps: Bumps = NO_BUMPS

    def bounce(self, t_s: Array) -> Array:
        """The springs' swing at times (N,), about -1.5 to 1.5. (N,)."""
        return np.asarray(
            np.sin(7.1 * t_s + self.phase_rad) + 0.5 * np.sin(12.7 * t_s + 2 * self.phase_rad)
        )

    def headings_rad(self, t_s: Array) -> Array:
        """Where the car's nose points at times (N,), counter-clockwise from east. (N,)."""
        sway = np.sin(0.8 * t_s + self.phase_rad)
        return self.trajectory.headings_rad(t_s) + self.yaw_sway_rad * sway

    def pitches_rad(self, t_s: Array) -> Array:
        """How far the car's nose is up at times (N,). (N,)."""
        return self.bounce_rad * self.bounce(t_s) + self.bumps.pitch_rad(t_s)

    def inertial(self, stamps_ns: NDArray[np.int64]) -> InertialSamples:
        """What an inertial unit in the car measures at stamps (M,)."""
        t = stamps_ns.astype(np.float64) * 1e-9
        before, after = t - RATE_STEP_S, t + RATE_STEP_S
        turned = self.headings_rad(after) - self.headings_rad(before)
        turned = (turned + np.pi) % (2 * np.pi) - np.pi
        nodded = self.pitches_rad(after) - self.pitches_rad(before)
        moved = self.trajectory.positions_m(after) - self.trajectory.positions_m(before)
        span_s = 2 * RATE_STEP_S
        return InertialSamples(
            stamps_ns=stamps_ns,
            angular_velocity_radps=angular_velocity(
                turned / span_s, nodded / span_s, self.pitches_rad(t)
            ),
            speed_mps=np.hypot(*moved.T) / span_s,
        )


@dataclass(frozen=True, kw_only=True)
class Cruise:
    """How the traffic of our lane flows."""

    speed_mps: float
    phase_rad: float


@dataclass(frozen=True, kw_only=True)
class _Run:
    """Start and speed profile; see Trajectory."""

    x_m: float
    y_m: float
    speed_mps: float
    swing_m: float = 0.0
    frequency_radps: float = 0.5
    phase_rad: float = 0.0


def draw_ego(
    scenario: str,
    road: Road,
    lane: int,
    cruise: Cruise,
    duration_s: float,
    rng: np.random.Generator,
) -> EgoMotion:
    """The camera car's run in a scenario of SCENARIOS."""
    run = RUNS[scenario](road, road.lane_x_m(lane), cruise, duration_s, rng)
    speed = run.speed_mps
    sway_m = 0.25 if speed > 3.0 else 0.0
    return EgoMotion(
        trajectory=Trajectory(
            points_m=wandering((run.x_m, run.y_m), NORTH, rng, amplitude_m=sway_m),
            start_m=0.0,
            speed_mps=speed,
            swing_m=run.swing_m,
            frequency_radps=run.frequency_radps,
            phase_rad=run.phase_rad,
        ),
        height_m=float(rng.uniform(1.25, 1.75)),
        pitch_rad=float(np.radians(rng.uniform(-4.0, 0.5))),
        bounce_rad=float(np.radians(rng.uniform(0.05, 0.3))) * min(1.0, speed / 5 + 0.2),
        yaw_sway_rad=float(np.radians(rng.uniform(0.3, 2.0))) * min(1.0, speed / 3 + 0.1),
        phase_rad=float(rng.uniform(0, 6.28)),
    )


def _drive(
    road: Road, x: float, cruise: Cruise, duration_s: float, rng: np.random.Generator
) -> _Run:
    return _Run(
        x_m=x,
        y_m=float(rng.uniform(10, 60)),
        speed_mps=cruise.speed_mps,
        swing_m=float(rng.uniform(0, 1.5)),
        phase_rad=cruise.phase_rad,
    )


def _wait(
    road: Road, x: float, cruise: Cruise, duration_s: float, rng: np.random.Generator
) -> _Run:
    return _Run(x_m=x, y_m=STOP_M, speed_mps=0.0)


def _approach(
    road: Road, x: float, cruise: Cruise, duration_s: float, rng: np.random.Generator
) -> _Run:
    """Slow down to a stop after 90 % of the time: the speed is mean (1 + cos(frequency t))."""
    braking_s = 0.9 * duration_s
    mean = min(float(rng.uniform(1.6, 2.6)), 45.0 / braking_s)
    frequency = np.pi / braking_s
    return _Run(
        x_m=x,
        y_m=STOP_M - mean * braking_s,
        speed_mps=mean,
        swing_m=mean / frequency,
        frequency_radps=frequency,
    )


def _walk(
    road: Road, x: float, cruise: Cruise, duration_s: float, rng: np.random.Generator
) -> _Run:
    """At walking pace, on the sidewalk or in the lane."""
    sidewalk = road.half_m + road.sidewalk_m * 0.5
    return _Run(
        x_m=sidewalk if rng.random() < 0.5 else x,
        y_m=float(rng.uniform(10, 50)),
        speed_mps=float(rng.uniform(0.8, 2.0)),
    )


RUNS: dict[str, Callable[[Road, float, Cruise, float, np.random.Generator], _Run]] = {
    'drive': _drive,
    'wait': _wait,
    'approach': _approach,
    'walk': _walk,
}
