"""`generate`: from a seed to frames with their truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offline_training.synthetic import textures
from offline_training.synthetic.camera import Camera
from offline_training.synthetic.canvas import Canvas, Painted
from offline_training.synthetic.config import SceneConfig
from offline_training.synthetic.ground import GroundTile
from offline_training.synthetic.ground_truth import FrameTruth, TrueObject, visible_box
from offline_training.synthetic.placing import place, Placed, true_object
from offline_training.synthetic.render import Renderer
from offline_training.synthetic.sensor import Sensor
from offline_training.synthetic.structures import Structures
from offline_training.synthetic.traffic import Actor
from offline_training.synthetic.world import draw_world, STEP_S, world_rng

Instant = tuple[float, tuple[Camera, Camera]]  # a time, and the camera just before and after it


@dataclass(frozen=True, kw_only=True)
class SyntheticFrame:
    """`image_bgr` (H, W, 3) uint8 and what is true of it."""

    image_bgr: NDArray[np.uint8]
    truth: FrameTruth


class Scene:
    """One seeded street with its traffic; `frame` renders it at a time."""

    def __init__(self, config: SceneConfig) -> None:
        rng = world_rng(config)
        self.world = draw_world(config, rng)
        self.config, self.ego = config, self.world.ego
        self.actors: list[Actor] = list(self.world.actors)
        light, surroundings, width = self.world.light, self.world.surroundings, config.size_wh[0]
        self._renderer = Renderer(
            ground=GroundTile(
                self.world.road,
                surroundings,
                32 if width > 800 else 20,
                rng,
                turning=config.may_turn,
            ),
            structures=Structures(light, surroundings, rng),
            sky=textures.sky(light, rng, size_wh=(width * 4, config.size_wh[1])),
            town=self.world.town,
            light=light,
            sensor=Sensor(light, config.size_wh, rng),
            max_range_m=config.max_range_m,
            solid_buildings=config.may_turn,
        )

    def frame(self, frame_index: int) -> SyntheticFrame:
        """Frame `frame_index`, from 0; frames must be asked for in order to be reproducible."""
        t_s = self.world.time_s(frame_index)
        camera = self.world.camera(t_s)
        placed = [
            p
            for actor in self.actors
            if (p := place(actor, camera, t_s, self.config.max_range_m)) is not None
        ]
        image, canvas, painted = self._renderer.render(camera, placed, t_s)
        around = (self.world.camera(t_s - STEP_S), self.world.camera(t_s + STEP_S))
        objects = [
            self._true_object(item, painted[item.actor.track_id], canvas, camera, (t_s, around))
            for item in placed
            if item.actor.track_id in painted
        ]
        truth = FrameTruth(
            frame_index=frame_index,
            stamp_ns=self.world.stamp_ns(frame_index),
            light=self.world.light.name,
            camera=camera,
            rig=self.world.rig,
            inertial=self.world.inertial_of(frame_index),
            objects=tuple(objects),
            owner=canvas.owner,
        )
        return SyntheticFrame(image_bgr=image, truth=truth)

    def _true_object(
        self, item: Placed, painted: Painted, canvas: Canvas, camera: Camera, instant: Instant
    ) -> TrueObject:
        # The painter counts from pixel centres, boxes count from the image's corner.
        x0, y0, x1, y1 = (v + 0.5 for v in painted.bounds_xyxy_px)
        bounds = (x0, y0, x1, y1)
        count, visible = visible_box(canvas.owner, item.actor.track_id, bounds)
        return true_object(
            item,
            camera,
            self.config,
            bounds=bounds,
            visible_xyxy_px=visible,
            visibility=min(1.0, count / max(painted.area_px, 1.0)),
            centre_velocity_pxps=_centre_velocity(item.actor, *instant),
        )


def generate(config: SceneConfig) -> Iterator[SyntheticFrame]:
    """All frames of a scene, in order; the same configuration gives the same bytes."""
    scene = Scene(config)
    for frame_index in range(config.frame_count):
        yield scene.frame(frame_index)


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
