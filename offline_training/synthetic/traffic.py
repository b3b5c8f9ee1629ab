"""Who is on the road: actors with looks and trajectories that do not run into each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from offline_training.datasets.classes import CYCLIST, PEDESTRIAN, VEHICLE
from offline_training.synthetic.config import SceneConfig
from offline_training.synthetic.ego import AT_CROSSING, Cruise, draw_ego
from offline_training.synthetic.ego_levels import draw_bumps, LEVELS
from offline_training.synthetic.layout import BLOCK_M, CROSS_HALF_M, LANE_M, Road
from offline_training.synthetic.mesh import Mesh
from offline_training.synthetic.motion import straight, Trajectory, turning, wandering
from offline_training.synthetic.people import draw_look, Look
from offline_training.synthetic.route import draw_way, Stretch, WayPlan
from offline_training.synthetic.vehicles import (
    build_vehicle,
    FREQUENCY,
    PAINTS,
    vehicle_size_m,
)

Array = NDArray[np.float64]
Route = tuple[Array, float, float, float]  # points, start distance, speed, swing
NORTH = np.pi / 2


@dataclass(frozen=True, kw_only=True)
class Actor:
    """One road user for the whole scene; its id never changes."""

    track_id: int
    class_id: int
    size_m: tuple[float, float, float]  # length, width, height
    trajectory: Trajectory
    mesh: Mesh | None = None  # of a vehicle
    look: Look | None = None  # of a person
    grain: NDArray[np.uint8]  # (24, 16) brightness around 128: folds of cloth, dirt, reflections


class TrafficPlanner:
    """Draws actors one by one and keeps those that stay clear of all others."""

    def __init__(
        self, config: SceneConfig, road: Road, scenario: str, rng: np.random.Generator
    ) -> None:
        self._config, self._road, self._scenario, self._rng = config, road, scenario, rng
        self._times = np.arange(0.0, config.duration_s + 0.25, 0.25)
        self._taken: list[tuple[Array, Array, tuple[float, float, float]]] = []
        self.actors: list[Actor] = []
        self._at_crossing = scenario in AT_CROSSING
        self._speed = float(rng.uniform(6.0, 13.0))
        self._phases = {lane: float(rng.uniform(0, 6.28)) for lane in range(-3, 4)}
        palette = rng.permutation(len(PAINTS))[: int(rng.integers(4, 9))]
        self._paints = [PAINTS[i] for i in palette]  # few colours: many look-alikes
        self._looks = [draw_look(rng) for _ in range(9)]
        lane = int(rng.integers(road.lanes))
        cruise = Cruise(speed_mps=self._speed, phase_rad=self._phases[lane])
        self.ego = draw_ego(scenario, road, lane, cruise, config.duration_s, rng)
        self.stretches: tuple[Stretch, ...] = (self._whole_avenue(),)
        self._drive_harder(lane, np.random.default_rng([20261121, config.seed, 1]))
        self._take(self.ego.trajectory, (5.0, 2.0, 1.6))

    def _whole_avenue(self) -> Stretch:
        trajectory = self.ego.trajectory
        start_y_m = float(trajectory.points_m[0, 1])
        return Stretch(
            road=self._road,
            start_y_m=start_y_m,
            flow_y_m=start_y_m,
            travel_m=trajectory.speed_mps * self._config.duration_s,
        )

    def _drive_harder(self, lane: int, rng: np.random.Generator) -> None:
        """Give the camera car its corners and bumps; a calm one stays as it is."""
        config, level = self._config, LEVELS[self._config.ego]
        turns = int(rng.integers(level.turns[0], level.turns[1] + 1))
        yaw_deg_s = float(rng.uniform(*level.yaw_deg_s))
        bumps = draw_bumps(level, config.ego_pitch_bounce_deg, config.duration_s, rng)
        self.ego = replace(self.ego, bumps=bumps)
        turns = turns if config.turns is None else config.turns
        if turns == 0:
            return
        plan = WayPlan(
            turns=turns,
            yaw_radps=float(np.radians(config.ego_yaw_deg_s or yaw_deg_s)),
            cruise_mps=float(np.clip(self._speed, 6.0, 9.0)),
            duration_s=config.duration_s,
        )
        way = draw_way(plan, self._road, lane, rng)
        self.ego, self.stretches = replace(self.ego, trajectory=way.trajectory), way.stretches

    def populate(self) -> list[Actor]:
        """All actors of the scene; who finds no free place is left out."""
        config = self._config
        people = 1.6 if self._scenario == 'walk' else 1.0
        self._add_many(config.n_parked, VEHICLE, self._parked)
        self._add_many(config.n_vehicles, VEHICLE, self._driving)
        self._add_many(config.n_cyclists, CYCLIST, self._riding)
        self._add_many(config.n_pedestrians, PEDESTRIAN, self._walking, factor=people)
        return self.actors

    def _add_many(
        self,
        count: tuple[int, int],
        class_id: int,
        draw: Callable[[Stretch], Route | None],
        *,
        factor: float = 1.0,
    ) -> None:
        factor *= self._config.density
        wanted = int(self._rng.integers(count[0], count[1] + 1) * factor)
        for number in range(wanted):
            stretch = self.stretches[number % len(self.stretches)]
            for _ in range(12):  # tries to find a free place
                kind = self._draw_kind(class_id)
                size = vehicle_size_m(kind) if class_id == VEHICLE else _person_size_m(class_id)
                route = draw(stretch)
                if route is not None and self._add(class_id, kind, size, route, stretch):
                    break

    def _draw_kind(self, class_id: int) -> str:
        if class_id != VEHICLE:
            return 'person'
        names, weights = zip(*FREQUENCY.items(), strict=True)
        return str(self._rng.choice(names, p=np.array(weights) / sum(weights)))

    def _add(
        self,
        class_id: int,
        kind: str,
        size: tuple[float, float, float],
        route: Route,
        stretch: Stretch,
    ) -> bool:
        points, start, speed, swing = route
        # Vehicles of one lane swing together, so that the gaps between them stay.
        lane = int(np.clip(np.floor(points[0, 0] / LANE_M), -3, 3))
        phase = self._phases[lane] if class_id == VEHICLE else float(self._rng.uniform(0, 6.28))
        trajectory = Trajectory(
            points_m=stretch.to_world(points),
            start_m=start,
            speed_mps=speed,
            swing_m=swing,
            phase_rad=phase,
        )
        if not self._free(trajectory, size):
            return False
        self._take(trajectory, size)
        mesh, look = None, None
        if class_id == VEHICLE:
            paint = self._paints[int(self._rng.integers(len(self._paints)))]
            mesh, _ = build_vehicle(kind, paint, self._rng)
        else:
            look = self._draw_look()
            tall = look.height_m if class_id == PEDESTRIAN else 1.75
            size = (size[0], size[1], tall)
        self.actors.append(
            Actor(
                track_id=len(self.actors) + 1,
                class_id=class_id,
                size_m=size,
                trajectory=trajectory,
                mesh=mesh,
                look=look,
                grain=_grain(self._rng, 3.0 if class_id == VEHICLE else 14.0),
            )
        )
        return True

    def _draw_look(self) -> Look:
        if self._rng.random() < 0.35:  # a look-alike
            return self._looks[int(self._rng.integers(len(self._looks)))]
        return draw_look(self._rng)

    def _take(self, trajectory: Trajectory, size: tuple[float, float, float]) -> None:
        times = self._times
        self._taken.append((trajectory.positions_m(times), trajectory.headings_rad(times), size))

    def _free(self, trajectory: Trajectory, size: tuple[float, float, float]) -> bool:
        """Whether an oriented box around the actor stays clear of everybody's, at all times."""
        positions = trajectory.positions_m(self._times)
        headings = trajectory.headings_rad(self._times)
        for other, other_headings, other_size in self._taken:
            delta = other - positions
            for heading in (headings, other_headings):
                along = np.abs(delta[:, 0] * np.cos(heading) + delta[:, 1] * np.sin(heading))
                aside = np.abs(-delta[:, 0] * np.sin(heading) + delta[:, 1] * np.cos(heading))
                across = np.abs(np.sin(headings - other_headings))
                straight_on = np.abs(np.cos(headings - other_headings))
                own, theirs = (size, other_size) if heading is headings else (other_size, size)
                reach = (own[0] + theirs[0] * straight_on + theirs[1] * across) / 2 + 0.4
                width = (own[1] + theirs[1] * straight_on + theirs[0] * across) / 2 + 0.15
                if not ((along < reach) & (aside < width)).any():
                    break
            else:
                return False
        return True

    def _after(self, y_m: float, low: float, high: float) -> float:
        return float(y_m + self._rng.uniform(low, high))

    def _parked(self, stretch: Stretch) -> Route | None:
        road = stretch.road
        if not road.parking:
            return None
        side = 1.0 if self._rng.random() < 0.5 else -1.0
        y = self._after(stretch.start_y_m, -5, _range_m(stretch))
        inside = (y + BLOCK_M / 2) % BLOCK_M - BLOCK_M / 2
        if abs(inside) < CROSS_HALF_M + 9.0:
            return None
        x = side * (road.half_m - 1.2 + float(self._rng.uniform(-0.1, 0.1)))
        heading = NORTH if side > 0 else -NORTH
        return straight((x, y), heading + float(self._rng.normal(0, 0.02))), 0.0, 0.0, 0.0

    def _driving(self, stretch: Stretch) -> Route | None:
        if self._at_crossing and self._rng.random() < 0.65:
            return self._crossing_vehicle()
        road, rng = stretch.road, self._rng
        lane = int(rng.integers(road.lanes))
        if rng.random() < 0.5:  # oncoming
            x, heading = -road.lane_x_m(lane), -NORTH
            y = self._after(stretch.flow_y_m, 5, 2 * _range_m(stretch))
        else:
            x, heading = road.lane_x_m(lane), NORTH
            y = self._after(stretch.flow_y_m, 6, 80)
        speed, swing = self._speed * (1.12 if lane == 0 else 0.95), 1.2
        if self._at_crossing:  # everybody on the avenue waits
            speed = swing = 0.0
            stop = np.ceil(self.ego.trajectory.points_m[0, 1] / BLOCK_M) * BLOCK_M
            gap = CROSS_HALF_M + 8.0 + float(rng.uniform(0, 30))
            y = float(stop + gap) if heading < 0 else float(stop - gap)
        sway = wandering((x, y), heading, rng, amplitude_m=0.12, length_m=400)
        return sway, 0.0, speed, swing

    def _crossing_vehicle(self) -> Route:
        """Through the crossing in front of the waiting camera car, straight or turning north."""
        rng, road = self._rng, self._road
        crossing = float(np.ceil(self.ego.trajectory.points_m[0, 1] / BLOCK_M) * BLOCK_M)
        east = rng.random() < 0.5
        lane_y = crossing + (-LANE_M / 2 if east else LANE_M / 2)
        distance = float(rng.uniform(-25, 70))
        x, heading = (-distance, 0.0) if east else (distance, np.pi)
        speed = float(self._phases[0] % 2 + 5.5)
        if rng.random() < 0.25 and distance > road.half_m + 6:
            angle = np.pi / 2 if east else -np.pi / 2
            radius = road.lane_x_m(0) + 3.0 if east else 4.0
            target = road.lane_x_m(0)
            run = distance + target - radius if east else distance - target - radius
            return turning((x, lane_y), heading, run, angle, radius), 0.0, speed, 0.0
        return straight((x, lane_y), heading), 0.0, speed, 0.0

    def _riding(self, stretch: Stretch) -> Route:
        road, rng = stretch.road, self._rng
        speed = float(rng.uniform(3.0, 6.0))
        if self._at_crossing and rng.random() < 0.5:
            crossing = float(np.ceil(self.ego.trajectory.points_m[0, 1] / BLOCK_M) * BLOCK_M)
            east = rng.random() < 0.5
            y = crossing + (-1 if east else 1) * (CROSS_HALF_M - 0.8)
            x = float(rng.uniform(-28, 10)) * (1 if east else -1)
            heading = 0.0 if east else np.pi
            return wandering((x, y), heading, rng, amplitude_m=0.1), 0.0, speed, 0.4
        north = rng.random() < 0.6
        edge = road.half_m - (2.9 if road.parking else 0.75)
        x = edge if north else -edge
        y = self._after(stretch.start_y_m, *((6, 45) if north else (15, 90)))
        path = wandering((x, y), NORTH if north else -NORTH, rng, amplitude_m=0.15)
        return path, 0.0, speed, 0.4

    def _walking(self, stretch: Stretch) -> Route:
        road, rng = stretch.road, self._rng
        speed = float(np.clip(rng.normal(1.35, 0.25), 0.8, 2.4))
        choice = rng.random()
        if choice < (0.45 if self._at_crossing else 0.15):
            return self._crossing_person(speed, stretch)
        side = 1.0 if rng.random() < 0.55 else -1.0
        x = side * (road.half_m + float(rng.uniform(0.9, max(1.0, road.sidewalk_m - 0.4))))
        reach = 35.0 if self._scenario == 'walk' else _range_m(stretch) * 0.75
        y = self._after(stretch.start_y_m, 3, reach)
        heading = NORTH if rng.random() < 0.5 else -NORTH
        if choice > 0.9:  # standing, looking anywhere
            return straight((x, y), float(rng.uniform(0, 6.28))), 0.0, 0.0, 0.0
        return wandering((x, y), heading, rng, amplitude_m=0.2), 0.0, speed, 0.15

    def _crossing_person(self, speed: float, stretch: Stretch) -> Route:
        """Over the zebra of a waiting car, or over the road well ahead of a moving one."""
        road, rng = stretch.road, self._rng
        crossing = np.ceil(stretch.start_y_m / BLOCK_M) * BLOCK_M
        y = float(crossing - CROSS_HALF_M - rng.uniform(0.8, 3.4))
        if not self._at_crossing:
            y = self._after(stretch.start_y_m, 8, _range_m(stretch))
        side = 1.0 if rng.random() < 0.5 else -1.0
        x = side * float(rng.uniform(-road.half_m, road.half_m + 4.0))
        heading = np.pi if side > 0 else 0.0
        return wandering((x, y), heading, rng, amplitude_m=0.15), 0.0, speed, 0.1


def _range_m(stretch: Stretch) -> float:
    """How far along a street there is traffic."""
    return min(stretch.travel_m, 100.0) + 75.0


def _person_size_m(class_id: int) -> tuple[float, float, float]:
    return (1.75, 0.6, 1.75) if class_id == CYCLIST else (0.5, 0.5, 1.7)


def _grain(rng: np.random.Generator, strength: float) -> NDArray[np.uint8]:
    """Blotches and a light-to-dark slope from head to foot."""
    slope = np.linspace(9.0, -9.0, 24)[:, None]
    return np.clip(128 + slope + rng.normal(0, strength, (24, 16)), 0, 255).astype(np.uint8)
