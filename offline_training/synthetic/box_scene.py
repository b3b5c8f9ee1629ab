"""`generate_boxes`: the truth of a scene without its pixels, many times faster.

The boxes, identities, positions and velocities are those of the painted scene of the same
configuration, bit for bit in practice; what shows of an object comes from `occlusion`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from offline_training.synthetic.camera import Array, Camera
from offline_training.synthetic.config import SceneConfig
from offline_training.synthetic.figure import figure_outline_px
from offline_training.synthetic.ground_truth import FrameTruth, TrueObject
from offline_training.synthetic.motion import Pose
from offline_training.synthetic.occlusion import IdBuffer, StandingThings
from offline_training.synthetic.painter_order import paint_order
from offline_training.synthetic.pixels import convex_hull
from offline_training.synthetic.placing import in_range, Placed, true_object
from offline_training.synthetic.traffic import Actor
from offline_training.synthetic.world import draw_world, STEP_S, world_rng

NOT_PAINTED: NDArray[np.int32] = np.zeros((0, 0), dtype=np.int32)
_ARM_M = 0.6  # how far a person's limbs may reach beyond its footprint


class ActorTable:
    """Where all actors are in all frames: A actors, T frames."""

    def __init__(self, actors: tuple[Actor, ...], times_s: Array) -> None:
        self.actors = actors
        self._paths = [actor.trajectory for actor in actors]
        self._times_s = times_s
        self._positions = self._at(times_s)
        self._before, self._after = self._at(times_s - STEP_S), self._at(times_s + STEP_S)
        self._half_height = np.array([actor.size_m[2] / 2 for actor in actors])
        self.reach_m = np.array([actor.size_m[0] / 2 for actor in actors])
        sizes = np.array([actor.size_m for actor in actors]).reshape(-1, 3)
        self.radius_m = np.linalg.norm(sizes / (2, 2, 1), axis=1) + _ARM_M

    def _at(self, times_s: Array) -> Array:
        """Positions (A, T, 2)."""
        shape = (len(self._paths), len(times_s), 2)
        return np.array([path.positions_m(times_s) for path in self._paths]).reshape(shape)

    def feet_m(self, frame_index: int) -> Array:
        """Ground contacts (A, 3) in a frame."""
        ground = np.zeros((len(self.actors), 1))
        return np.concatenate([self._positions[:, frame_index], ground], axis=1)

    def middles_m(self, frame_index: int, actors: list[int]) -> tuple[Array, Array]:
        """Middles (N, 3) of some actors just before and just after a frame."""
        height = self._half_height[actors][:, None]
        before, after = (p[actors, frame_index] for p in (self._before, self._after))
        return np.hstack([before, height]), np.hstack([after, height])

    def pose(self, index: int, frame_index: int) -> Pose:
        """One actor in one frame."""
        return self._paths[index].pose(float(self._times_s[frame_index]))


class BoxScene:
    """One seeded street with its traffic; `frame` says what is true of it at a time."""

    def __init__(self, config: SceneConfig) -> None:
        self.config, self.world = config, draw_world(config, world_rng(config))
        self._buffer = IdBuffer(config.size_wh)
        self._standing = StandingThings(
            self.world.town, config.max_range_m, solid_buildings=config.may_turn
        )

    @cached_property
    def _table(self) -> ActorTable:
        times = [self.world.time_s(k) for k in range(self.config.frame_count)]
        return ActorTable(self.world.actors, np.array(times))

    def frame(self, frame_index: int) -> FrameTruth:
        """Truth of frame `frame_index`, from 0 to `frame_count - 1`, in any order."""
        camera = self.world.camera(self.world.time_s(frame_index))
        shown: list[tuple[int, Placed, Array]] = []
        for k in self._candidates(camera, frame_index):
            item = self._placed(k, camera, frame_index)
            outline = _outline_px(item, camera)
            if len(outline) and _touches_image(outline, self.config.size_wh):
                shown.append((k, item, outline))
        self._fill(camera, shown)
        return FrameTruth(
            frame_index=frame_index,
            stamp_ns=self.world.stamp_ns(frame_index),
            light=self.world.light.name,
            camera=camera,
            rig=self.world.rig,
            inertial=self.world.inertial_of(frame_index),
            objects=self._objects(camera, shown, frame_index),
            owner=NOT_PAINTED,
        )

    def _candidates(self, camera: Camera, frame_index: int) -> list[int]:
        """Actors that are placed, without those that are surely left or right of the view."""
        spots = camera.to_camera(self._table.feet_m(frame_index))
        kept = in_range(spots, self._table.reach_m, self.config.max_range_m)
        half = self.config.size_wh[0] / 2 + 2.0
        slant = self._table.radius_m * np.hypot(camera.focal_px, half)
        aside, ahead = np.abs(spots[:, 0]) * camera.focal_px, spots[:, 2] * half
        found: list[int] = np.flatnonzero(kept & (aside - ahead <= slant)).tolist()
        return found

    def _placed(self, index: int, camera: Camera, frame_index: int) -> Placed:
        pose = self._table.pose(index, frame_index)
        spot = camera.to_camera(np.array([[pose.x_m, pose.y_m, 0.0]]))[0]
        actor = self._table.actors[index]
        return Placed(actor=actor, pose=pose, depth_m=float(spot[2]), aside_m=float(spot[0]))

    def _fill(self, camera: Camera, shown: list[tuple[int, Placed, Array]]) -> None:
        """Fill the id buffer from back to front."""
        obstacles = self._standing.obstacles(camera)
        footprints = [o.footprint for o in obstacles] + [item.footprint for _, item, _ in shown]
        self._buffer.clear()
        for index in paint_order(footprints, camera.position_m[:2]):
            if index < len(obstacles):
                self._buffer.hide(obstacles[index].outlines_px)
            else:
                _, item, outline = shown[index - len(obstacles)]
                self._buffer.paint(convex_hull(outline), item.actor.track_id)

    def _objects(
        self, camera: Camera, shown: list[tuple[int, Placed, Array]], frame_index: int
    ) -> tuple[TrueObject, ...]:
        t_s, chosen = self.world.time_s(frame_index), [k for k, _, _ in shown]
        before, after = self._table.middles_m(frame_index, chosen)
        moved = self.world.camera(t_s + STEP_S).project(after)
        moved -= self.world.camera(t_s - STEP_S).project(before)
        objects = []
        for (_, item, outline), (u, v, _) in zip(shown, moved / (2 * STEP_S), strict=True):
            visibility, visible = self._buffer.seen(item.actor.track_id)
            # The painter counts from pixel centres, boxes count from the image's corner.
            x0, y0 = (outline.min(axis=0) + 0.5).tolist()
            x1, y1 = (outline.max(axis=0) + 0.5).tolist()
            objects.append(
                true_object(
                    item,
                    camera,
                    self.config,
                    bounds=(x0, y0, x1, y1),
                    visible_xyxy_px=visible,
                    visibility=visibility,
                    centre_velocity_pxps=(float(u), float(v)),
                )
            )
        return tuple(objects)


def generate_boxes(config: SceneConfig) -> Iterator[FrameTruth]:
    """The truth of all frames of a scene, in order; the same configuration gives the same."""
    scene = BoxScene(config)
    for frame_index in range(config.frame_count):
        yield scene.frame(frame_index)


def _outline_px(item: Placed, camera: Camera) -> Array:
    if item.actor.mesh is not None:
        return item.actor.mesh.outline_px(camera, item.pose)
    return figure_outline_px(item.limbs, camera, item.pose)


def _touches_image(outline_px: Array, size_wh: tuple[int, int]) -> bool:
    """As the canvas decides it."""
    low, high = outline_px.min(axis=0), outline_px.max(axis=0)
    return bool((high >= 0).all() and (low <= np.array(size_wh) - 1).all())
