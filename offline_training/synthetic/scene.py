"""`generate`: from a seed to frames with their truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offline_training.synthetic import textures
from offline_training.synthetic.camera import Camera
from offline_training.synthetic.canvas import Canvas, Painted
from offline_training.synthetic.config import LIGHTS, RANDOM, SCENARIOS, SceneConfig, SURROUNDINGS
from offline_training.synthetic.ego import EgoMotion
from offline_training.synthetic.ground import GroundTile
from offline_training.synthetic.ground_truth import clip_box, FrameTruth, TrueObject, visible_box
from offline_training.synthetic.layout import draw_road, draw_town
from offline_training.synthetic.light import choose_light
from offline_training.synthetic.render import place, Placed, Renderer
from offline_training.synthetic.sensor import Sensor
from offline_training.synthetic.structures import Structures
from offline_training.synthetic.traffic import Actor, TrafficPlanner

STEP_S = 1e-3  # half of the time over which image velocities are measured
Instant = tuple[float, tuple[Camera, Camera]]  # a time, and the camera just before and after it


@dataclass(frozen=True, kw_only=True)
class SyntheticFrame:
    """`image_bgr` (H, W, 3) uint8 and what is true of it."""

    image_bgr: NDArray[np.uint8]
    truth: FrameTruth


class Scene:
    """One seeded street with its traffic; `frame` renders it at a time."""

    def __init__(self, config: SceneConfig) -> None:
        rng = np.random.default_rng([20261121, config.seed])
        self.config = config
        self.light = choose_light(_chosen(config.light, LIGHTS, rng), rng)
        surroundings = _chosen(config.surroundings, SURROUNDINGS, rng)
        scenario = _chosen(config.scenario, SCENARIOS, rng)
        road = draw_road(surroundings, rng)
        planner = TrafficPlanner(config, road, scenario, rng)
        self.ego: EgoMotion = planner.ego
        self.actors: list[Actor] = planner.populate()
        start, end = self.ego.trajectory.positions_m(np.array([0.0, config.duration_s]))[:, 1]
        town = draw_town(road, surroundings, (start - 25, end + config.max_range_m + 20), rng)
        width = config.size_wh[0]
        fov = np.radians(rng.uniform(58, 80))
        self.focal_px = float(width / 2 / np.tan(fov / 2))
        self._renderer = Renderer(
            ground=GroundTile(road, surroundings, 32 if width > 800 else 20, rng),
            structures=Structures(self.light, surroundings, rng),
            sky=textures.sky(self.light, rng, size_wh=(width * 4, config.size_wh[1])),
            town=town,
            light=self.light,
            sensor=Sensor(self.light, config.size_wh, rng),
            max_range_m=config.max_range_m,
        )

    def camera(self, t_s: float) -> Camera:
        """Where the camera is and looks at a time."""
        ego, pose = self.ego, self.ego.trajectory.pose(t_s)
        bounce = np.sin(7.1 * t_s + ego.phase_rad) + 0.5 * np.sin(12.7 * t_s + 2 * ego.phase_rad)
        sway = np.sin(0.8 * t_s + ego.phase_rad)
        return Camera(
            size_wh=self.config.size_wh,
            focal_px=self.focal_px,
            position_m=(pose.x_m, pose.y_m, ego.height_m + 0.01 * float(bounce)),
            heading_rad=pose.heading_rad + ego.yaw_sway_rad * float(sway),
            pitch_rad=ego.pitch_rad + ego.bounce_rad * float(bounce),
        )

    def frame(self, frame_index: int) -> SyntheticFrame:
        """Frame `frame_index`, from 0; frames must be asked for in order to be reproducible."""
        t_s = frame_index / self.config.fps
        camera = self.camera(t_s)
        placed = [
            p
            for actor in self.actors
            if (p := place(actor, camera, t_s, self.config.max_range_m)) is not None
        ]
        image, canvas, painted = self._renderer.render(camera, placed, t_s)
        around = (self.camera(t_s - STEP_S), self.camera(t_s + STEP_S))
        objects = [
            self._true_object(item, painted[item.actor.track_id], canvas, camera, (t_s, around))
            for item in placed
            if item.actor.track_id in painted
        ]
        truth = FrameTruth(
            frame_index=frame_index,
            stamp_ns=round(frame_index * 1_000_000_000 / self.config.fps),
            light=self.light.name,
            camera=camera,
            objects=tuple(objects),
            owner=canvas.owner,
        )
        return SyntheticFrame(image_bgr=image, truth=truth)

    def _true_object(
        self, item: Placed, painted: Painted, canvas: Canvas, camera: Camera, instant: Instant
    ) -> TrueObject:
        actor, pose = item.actor, item.pose
        # The painter counts from pixel centres, boxes count from the image's corner.
        x0, y0, x1, y1 = (v + 0.5 for v in painted.bounds_xyxy_px)
        bounds = (x0, y0, x1, y1)
        count, visible = visible_box(canvas.owner, actor.track_id, bounds)
        visibility = min(1.0, count / max(painted.area_px, 1.0))
        clipped = clip_box(bounds, self.config.size_wh)
        position = camera.to_camera(np.array([[pose.x_m, pose.y_m, 0.0]]))[0]
        velocity = camera.rotation @ np.array([*pose.velocity_mps, 0.0])
        height = clipped[3] - clipped[1]
        small = height < self.config.min_height_px or visibility < self.config.min_visibility
        heading = pose.heading_rad - (camera.heading_rad - np.pi / 2)
        return TrueObject(
            track_id=actor.track_id,
            class_id=actor.class_id,
            box_xyxy_px=bounds,
            clipped_xyxy_px=clipped,
            visible_xyxy_px=visible,
            visibility=visibility,
            centre_velocity_pxps=_centre_velocity(actor, *instant),
            position_m=_triple(position),
            velocity_mps=_triple(velocity),
            world_position_m=(pose.x_m, pose.y_m),
            size_m=actor.size_m,
            heading_rad=float(np.arctan2(np.sin(heading), np.cos(heading))),
            ignore=bool(small),
        )


def generate(config: SceneConfig) -> Iterator[SyntheticFrame]:
    """All frames of a scene, in order; the same configuration gives the same bytes."""
    scene = Scene(config)
    for frame_index in range(config.frame_count):
        yield scene.frame(frame_index)


def _chosen(value: str, legal: tuple[str, ...], rng: np.random.Generator) -> str:
    drawn = legal[int(rng.integers(len(legal)))]  # drawn always, so that one choice moves no other
    return drawn if value == RANDOM else value


def _triple(values: NDArray[np.float64]) -> tuple[float, float, float]:
    x, y, z = values.tolist()
    return (x, y, z)


def _centre_velocity(
    actor: Actor, t_s: float, around: tuple[Camera, Camera]
) -> tuple[float, float]:
    """Image velocity of the projected middle of the 3D box: a central difference."""
    ends = []
    for t, camera in zip((t_s - STEP_S, t_s + STEP_S), around, strict=True):
        pose = actor.trajectory.pose(t)
        middle = np.array([[pose.x_m, pose.y_m, actor.size_m[2] / 2]])
        ends.append(camera.project(middle)[0, :2])
    u, v = (ends[1] - ends[0]) / (2 * STEP_S)
    return float(u), float(v)
