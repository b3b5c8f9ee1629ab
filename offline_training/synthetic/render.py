"""One frame: paint the world back to front, then let the sensor have its say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from offline_training.synthetic.camera import Camera
from offline_training.synthetic.canvas import Canvas, Painted, Shape
from offline_training.synthetic.figure import figure_shapes
from offline_training.synthetic.ground import GroundTile
from offline_training.synthetic.layout import Town
from offline_training.synthetic.light import Light
from offline_training.synthetic.painter_order import building_footprint, Footprint, paint_order
from offline_training.synthetic.placing import Placed
from offline_training.synthetic.sensor import Sensor
from offline_training.synthetic.shadows import darken_ground, in_shadow, light_ground
from offline_training.synthetic.structures import Structures

Array = NDArray[np.float64]
Image = NDArray[np.uint8]


Job = tuple[Footprint, Callable[[], None]]


class Renderer:
    """Owns the pictures of one scene; `render` is called once per frame."""

    def __init__(
        self,
        *,
        ground: GroundTile,
        structures: Structures,
        sky: Image,
        town: Town,
        light: Light,
        sensor: Sensor,
        max_range_m: float,
        solid_buildings: bool = False,
    ) -> None:
        self._ground, self._structures, self._sky = ground, structures, sky
        self._town, self._light, self._sensor = town, light, sensor
        self._shaded = replace(light, sun=(0.0, 0.0, 0.0))
        self._max_range_m, self._solid_buildings = max_range_m, solid_buildings

    def render(
        self, camera: Camera, placed: list[Placed], t_s: float
    ) -> tuple[Image, Canvas, dict[int, Painted]]:
        """The image as the sensor gives it, the canvas with the id buffer, and who was painted."""
        width, height = camera.size_wh
        image = np.empty((height, width, 3), dtype=np.uint8)
        self._paint_sky(image, camera)
        top = self._ground.draw(image, camera)
        light_ground(image[top:], camera, self._light, top)
        shade = darken_ground(image, camera, self._light, self._town, placed, top)
        dark = {p.actor.track_id for p in placed if in_shadow(shade, camera, p.pose)}
        canvas = Canvas(image)
        painted: dict[int, Painted] = {}
        jobs = self._standing(canvas, camera)
        for item in placed:
            light = self._shaded if item.actor.track_id in dark else self._light
            paint = partial(self._paint_actor, canvas, item, camera, light, painted)
            jobs.append((item.footprint, paint))
        for index in paint_order([spot for spot, _ in jobs], camera.position_m[:2]):
            jobs[index][1]()
        return self._sensor.expose(canvas.image, t_s), canvas, painted

    def _paint_sky(self, image: Image, camera: Camera) -> None:
        """A strip of the panorama that moves with the heading and ends at the horizon."""
        height, width = image.shape[:2]
        horizon = int(np.clip(np.ceil(camera.horizon_px) + 1, 1, height))
        panorama_height, panorama_width = self._sky.shape[:2]
        shift = -camera.heading_rad * camera.focal_px + panorama_width / 2
        first, start = horizon - panorama_height, int(shift) % panorama_width
        image[: max(0, first)] = self._sky[0, 0]
        rows = self._sky[max(0, -first) :]
        strip = rows[:, start : start + width]
        image[max(0, first) : horizon, : strip.shape[1]] = strip
        if strip.shape[1] < width:
            image[max(0, first) : horizon, strip.shape[1] :] = rows[:, : width - strip.shape[1]]

    def _standing(self, canvas: Canvas, camera: Camera) -> list[Job]:
        """How to paint what stands still and is in range, and where it stands."""
        jobs: list[Job] = []
        for building in self._town.buildings:
            corners = np.array([[x, y, 0.0] for x in building.x_m for y in building.y_m])
            depth = camera.to_camera(corners)[:, 2]
            if depth.max() > 0.5 and depth.min() < self._max_range_m + 60:
                spot = building_footprint(
                    building, float(depth.max()), solid=self._solid_buildings
                )
                jobs.append((spot, partial(self._structures.building, canvas, building, camera)))
        for prop in self._town.props:
            x, _, z = camera.to_camera(np.array([[prop.x_m, prop.y_m, 0.0]]))[0].tolist()
            if 1.5 < z < self._max_range_m and abs(x) < z * 2 + 8:
                gain = self._lamp_gain(z, x, prop.y_m)
                spot = Footprint(x_m=prop.x_m, y_m=prop.y_m, depth_m=z)
                jobs.append((spot, partial(self._structures.prop, canvas, prop, camera, gain)))
        return jobs

    def _paint_actor(
        self,
        canvas: Canvas,
        item: Placed,
        camera: Camera,
        light: Light,
        painted: dict[int, Painted],
    ) -> None:
        shapes = self._actor_shapes(item, camera, light)
        if not shapes:
            return
        actor = item.actor
        result = canvas.paint(shapes, owner=actor.track_id, grain=actor.grain)
        if result is not None:
            painted[actor.track_id] = result

    def _actor_shapes(self, item: Placed, camera: Camera, light: Light) -> list[Shape]:
        actor, pose = item.actor, item.pose
        gain = self._lamp_gain(item.depth_m, item.aside_m, pose.y_m)
        if actor.mesh is not None:
            return actor.mesh.shapes(camera, pose, light, gain)
        return figure_shapes(item.limbs, camera, pose, light, gain)

    def _lamp_gain(self, ahead_m: float, aside_m: float, y_m: float) -> float:
        values = (np.array([v], dtype=np.float64) for v in (ahead_m, aside_m, y_m))
        return float(self._light.lamp_gain(*values)[0])
