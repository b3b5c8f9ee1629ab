"""Actors where they are at one instant, and what is true of them there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offline_training.datasets.classes import CYCLIST
from offline_training.synthetic.camera import Camera, NEAR_M
from offline_training.synthetic.config import SceneConfig
from offline_training.synthetic.figure import Limb
from offline_training.synthetic.ground_truth import Box, clip_box, TrueObject
from offline_training.synthetic.motion import Pose
from offline_training.synthetic.painter_order import Footprint
from offline_training.synthetic.people import cyclist_limbs, pedestrian_limbs
from offline_training.synthetic.traffic import Actor


@dataclass(frozen=True, kw_only=True)
class Placed:
    """An actor where it is now."""

    actor: Actor
    pose: Pose
    depth_m: float
    aside_m: float

    @property
    def footprint(self) -> Footprint:
        """What others are sorted around; people count as points."""
        length, width, _ = self.actor.size_m if self.actor.mesh is not None else (0.0, 0.0, 0.0)
        return Footprint(
            x_m=self.pose.x_m,
            y_m=self.pose.y_m,
            depth_m=self.depth_m,
            heading_rad=self.pose.heading_rad,
            length_m=length,
            width_m=width,
        )

    @property
    def limbs(self) -> list[Limb]:
        """The figure of a person, as far as it has walked or ridden."""
        actor, pose = self.actor, self.pose
        assert actor.look is not None
        if actor.class_id == CYCLIST:
            return cyclist_limbs(actor.look, pose.travelled_m)
        speed = float(np.hypot(*pose.velocity_mps))
        return pedestrian_limbs(actor.look, pose.travelled_m, speed)


def place(actor: Actor, camera: Camera, t_s: float, max_range_m: float) -> Placed | None:
    """The actor at time t, or None where it is behind the camera or too far."""
    pose = actor.trajectory.pose(t_s)
    spot = camera.to_camera(np.array([[pose.x_m, pose.y_m, 0.0]]))[0]
    if not in_range(spot[None], np.array([actor.size_m[0] / 2]), max_range_m)[0]:
        return None
    return Placed(actor=actor, pose=pose, depth_m=float(spot[2]), aside_m=float(spot[0]))


def in_range(
    spots_m: NDArray[np.float64], reach_m: NDArray[np.float64], max_range_m: float
) -> NDArray[np.bool_]:
    """Which actors at optical positions (N, 3) are not behind the camera, too far or aside."""
    x, z = spots_m[:, 0], spots_m[:, 2]
    ahead = (z + reach_m >= NEAR_M + 0.3) & (z <= max_range_m)
    return np.asarray(ahead & (np.abs(x) - reach_m <= z * 3 + 10))


def true_object(
    item: Placed,
    camera: Camera,
    config: SceneConfig,
    *,
    bounds: Box,
    visible_xyxy_px: tuple[int, int, int, int],
    visibility: float,
    centre_velocity_pxps: tuple[float, float],
) -> TrueObject:
    """The truth of an actor whose outline has these `bounds`, counted from the image's corner."""
    actor, pose = item.actor, item.pose
    clipped = clip_box(bounds, config.size_wh)
    position = camera.to_camera(np.array([[pose.x_m, pose.y_m, 0.0]]))[0]
    velocity = camera.rotation @ np.array([*pose.velocity_mps, 0.0])
    height = clipped[3] - clipped[1]
    small = height < config.min_height_px or visibility < config.min_visibility
    heading = pose.heading_rad - (camera.heading_rad - np.pi / 2)
    return TrueObject(
        track_id=actor.track_id,
        class_id=actor.class_id,
        box_xyxy_px=bounds,
        clipped_xyxy_px=clipped,
        visible_xyxy_px=visible_xyxy_px,
        visibility=visibility,
        centre_velocity_pxps=centre_velocity_pxps,
        position_m=_triple(position),
        velocity_mps=_triple(velocity),
        world_position_m=(pose.x_m, pose.y_m),
        size_m=actor.size_m,
        heading_rad=float(np.arctan2(np.sin(heading), np.cos(heading))),
        ignore=bool(small),
    )


def _triple(values: NDArray[np.float64]) -> tuple[float, float, float]:
    x, y, z = values.tolist()
    return (x, y, z)
