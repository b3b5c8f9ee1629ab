"""Everything a scene is before it is painted: the town, its traffic, and the camera's way."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from offline_training.synthetic.camera import Camera
from offline_training.synthetic.config import (
    DRIVING,
    LIGHTS,
    RANDOM,
    SCENARIOS,
    SceneConfig,
    SURROUNDINGS,
)
from offline_training.synthetic.ego import EgoMotion
from offline_training.synthetic.inertial import InertialSamples, optical_from_vehicle
from offline_training.synthetic.layout import draw_road, draw_town, Road, Town
from offline_training.synthetic.light import choose_light, Light
from offline_training.synthetic.traffic import Actor, TrafficPlanner

STEP_S = 1e-3  # half of the time over which image velocities are measured
SECOND_NS = 1_000_000_000
CAMERA_NAME = 'camera'
CAMERA_FRAME_ID = 'camera_optical_frame'
VEHICLE_FRAME_ID = 'base_link'  # here: on the ground below the camera


@dataclass(frozen=True, kw_only=True)
class CameraRig:
    """What stays as it is in a sequence: the camera, and how it sits in the car.

    Attributes:
        size_wh: of the images.
        intrinsics: (3, 3), pixels; the centre of the first pixel is (0, 0), as in ROS.
        rotation: (3, 3), from the vehicle's axes to the optical ones.
        height_m: of the camera over the ground.
        imu_hz: samples of inertial truth a second.
    """

    size_wh: tuple[int, int]
    intrinsics: NDArray[np.float64]
    rotation: NDArray[np.float64]
    height_m: float
    imu_hz: float


@dataclass(frozen=True, kw_only=True)
class World:
    """One seeded street with its traffic and the camera car."""

    config: SceneConfig
    light: Light
    surroundings: str
    road: Road
    town: Town
    ego: EgoMotion
    actors: tuple[Actor, ...]
    focal_px: float

    def time_s(self, frame_index: int) -> float:
        """When a frame is taken."""
        return frame_index / self.config.fps

    def stamp_ns(self, frame_index: int) -> int:
        """The stamp of a frame."""
        return round(frame_index * SECOND_NS / self.config.fps)

    def camera(self, t_s: float) -> Camera:
        """Where the camera is and looks at a time."""
        ego, t = self.ego, np.array([t_s])
        x, y = ego.trajectory.positions_m(t)[0].tolist()
        return Camera(
            size_wh=self.config.size_wh,
            focal_px=self.focal_px,
            position_m=(x, y, ego.height_m + 0.01 * float(ego.bounce(t)[0])),
            heading_rad=float(ego.headings_rad(t)[0]),
            pitch_rad=ego.pitch_rad + float(ego.pitches_rad(t)[0]),
        )

    @cached_property
    def rig(self) -> CameraRig:
        """The camera and its mounting."""
        return CameraRig(
            size_wh=self.config.size_wh,
            intrinsics=self.camera(0.0).intrinsics,
            rotation=optical_from_vehicle(self.ego.pitch_rad),
            height_m=self.ego.height_m,
            imu_hz=self.config.imu_hz,
        )

    @cached_property
    def inertial(self) -> InertialSamples:
        """All samples, from the first frame to the first at or after the last one."""
        last_ns = self.stamp_ns(self.config.frame_count - 1)
        count = int(np.ceil(last_ns * self.config.imu_hz / SECOND_NS)) + 1
        stamps = np.rint(np.arange(count) * (SECOND_NS / self.config.imu_hz)).astype(np.int64)
        return self.ego.inertial(stamps)

    def inertial_of(self, frame_index: int) -> InertialSamples:
        """The samples from after the frame before to the first at or after this frame."""
        before = self.stamp_ns(frame_index - 1) if frame_index else None
        return self.inertial.of_frame(self.stamp_ns(frame_index), before)


def draw_world(config: SceneConfig, rng: np.random.Generator) -> World:
    """The world of a configuration; what is painted later draws on from the same generator."""
    light = choose_light(_chosen(config.light, LIGHTS, rng), rng)
    surroundings = _chosen(config.surroundings, SURROUNDINGS, rng)
    scenario = _chosen(config.scenario, SCENARIOS, rng)
    road = draw_road(surroundings, rng)
    planner = TrafficPlanner(config, road, DRIVING if config.may_turn else scenario, rng)
    actors = planner.populate()
    town = draw_town(road, surroundings, _built_y_m(config, planner.ego), rng)
    fov = np.radians(rng.uniform(58, 80))
    return World(
        config=config,
        light=light,
        surroundings=surroundings,
        road=road,
        town=town,
        ego=planner.ego,
        actors=tuple(actors),
        focal_px=float(config.size_wh[0] / 2 / np.tan(fov / 2)),
    )


def world_rng(config: SceneConfig) -> np.random.Generator:
    """The generator that a scene is drawn from."""
    return np.random.default_rng([20261121, config.seed])


def _built_y_m(config: SceneConfig, ego: EgoMotion) -> tuple[float, float]:
    """From where to where along the avenue there are blocks."""
    if config.may_turn:
        seen = ego.trajectory.positions_m(np.linspace(0.0, config.duration_s, 50))[:, 1]
        return float(seen.min()) - config.max_range_m, float(seen.max()) + config.max_range_m
    start, end = ego.trajectory.positions_m(np.array([0.0, config.duration_s]))[:, 1]
    return start - 25, end + config.max_range_m + 20


def _chosen(value: str, legal: tuple[str, ...], rng: np.random.Generator) -> str:
    drawn = legal[int(rng.integers(len(legal)))]  # drawn always, so that one choice moves no other
    return drawn if value == RANDOM else value
