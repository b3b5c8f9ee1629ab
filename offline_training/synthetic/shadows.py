"""Light on the ground: shadows by day, pools of lamplight and our headlights by night, fog."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from offline_training.synthetic.camera import Camera, clip_near
from offline_training.synthetic.layout import Town
from offline_training.synthetic.light import Light
from offline_training.synthetic.motion import Pose
from offline_training.synthetic.pixels import (
    added,
    Array,
    blurred,
    convex_hull,
    fill_polygon,
    gained,
    grey_to_bgr,
    Image,
    inverted,
    multiplied,
    resized,
)
from offline_training.synthetic.traffic import Actor

SCALE = 2  # shadows are painted at half resolution: they are soft anyway


class Shaded(Protocol):
    """An actor at a place."""

    @property
    def actor(self) -> Actor:
        """Who."""
        ...

    @property
    def pose(self) -> Pose:
        """Where."""
        ...


def light_ground(view: Image, camera: Camera, light: Light, top: int) -> None:
    """Give the ground below row `top` its light and its fog, in place."""
    height, width = view.shape[:2]
    if height == 0:
        return
    step = 8
    rows = np.arange(0, height + step, step) + top - camera.horizon_px
    ahead = camera.focal_px * camera.position_m[2] / np.maximum(rows, 0.6)
    columns = np.arange(0, width + step, step) - camera.centre_px[0]
    depth = np.repeat(ahead[:, None], len(columns), axis=1)
    aside = depth * columns[None] / camera.focal_px
    lamps = light.lamp_gain(depth, aside, depth + camera.position_m[1])
    gain = light.shade(np.array([[0.0, 0.0, 1.0]]))[0]
    warm = np.array([0.82, 0.95, 1.0])
    haze = light.haze(depth)[..., None]
    share = (gain + lamps[..., None] * warm) * (1 - haze)
    offset = np.broadcast_to(np.asarray(light.fog_colour) * haze, share.shape)
    size = (width, height)
    multiply = _enlarged(share.astype(np.float32) * 128, size, step)
    add = _enlarged(np.ascontiguousarray(offset, dtype=np.float32), size, step)
    view[:] = added(multiplied(view, multiply, one=128.0), add)


def _enlarged(grid: NDArray[np.float32], size_wh: tuple[int, int], step: int) -> Image:
    """A coarse grid of 8-bit values, one for each `step` pixels, at full resolution."""
    coarse = np.clip(grid, 0, 255).astype(np.uint8)
    large = resized(coarse, (coarse.shape[1] * step, coarse.shape[0] * step))
    return large[: size_wh[1], : size_wh[0]]


def darken_ground(
    image: Image, camera: Camera, light: Light, town: Town, placed: Sequence[Shaded], top: int
) -> Image:
    """Cast shadows of buildings, trees and actors onto the ground, in place.

    Returns the mask of what stands still, at 1 / SCALE of the resolution, 255 in full shadow.
    """
    height, width = image.shape[:2]
    mask = np.zeros((height // SCALE + 1, width // SCALE + 1), dtype=np.uint8)
    sun = np.asarray(light.sun_direction)
    slope = -sun[:2] / max(float(sun[2]), 0.15)  # metres of shadow per metre of height
    direct = float(max(light.sun)) > 0.15
    if direct:
        _static_shadows(mask, camera, town, slope)
    static = mask.copy()
    for item in placed:
        length, wide, tall = item.actor.size_m
        c, s = np.cos(item.pose.heading_rad), np.sin(item.pose.heading_rad)
        corners = np.array([[1, 1], [1, -1], [-1, -1], [-1, 1]]) * (length / 2, wide / 2)
        foot = corners @ np.array([[c, s], [-s, c]]) + (item.pose.x_m, item.pose.y_m)
        _fill(mask, foot, camera, 255)
        if direct:
            cast = np.concatenate([foot, foot + slope * tall * 0.9])
            _fill(mask, convex_hull(cast), camera, 200)
    mask = blurred(mask, max(1.0, width / 640))
    large = resized(mask, (mask.shape[1] * SCALE, mask.shape[0] * SCALE))
    strength = max(light.shadow, 0.35)  # below a car it is dark in any light
    factor = inverted(gained(large[top:height, :width], [strength]))
    image[top:] = multiplied(image[top:], grey_to_bgr(factor))
    return static


def in_shadow(static: Image, camera: Camera, pose: Pose) -> bool:
    """Whether an actor stands in the shadow of a building or tree, as far as one sees."""
    u, v, _ = camera.project(np.array([[pose.x_m, pose.y_m, 0.0]]))[0]
    height, width = static.shape
    column = int(np.clip(u / SCALE, 0, width - 1))
    row = int(np.clip(v / SCALE, 0, height - 1))
    return bool(static[row, column] > 127)


def _static_shadows(mask: Image, camera: Camera, town: Town, slope: Array) -> None:
    for building in town.buildings:
        (x0, x1), (y0, y1) = building.x_m, building.y_m
        foot = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
        cast = np.concatenate([foot, foot + slope * building.height_m])
        _fill(mask, convex_hull(cast), camera, 255)
    ring = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    circle = np.stack([np.cos(ring), np.sin(ring)], axis=1)
    for prop in town.props:
        foot = np.array([prop.x_m, prop.y_m])
        if prop.kind == 'tree':
            reach = prop.height_m * 0.28 * (1 + 0.5 * float(np.hypot(*slope)))
            crown = foot + slope * prop.height_m * 0.65
            _fill(mask, crown + reach * circle, camera, 210)
        tip = slope * prop.height_m * 0.7 + 0.1
        _fill(mask, foot + np.stack([(-0.1, -0.1), (0.1, 0.1), tip]), camera, 180)


def _fill(mask: Image, ground_m: Array, camera: Camera, value: int) -> None:
    """Darken a polygon (N, 2) on the ground; the darkest shadow wins."""
    points = np.concatenate([ground_m, np.zeros((len(ground_m), 1))], axis=1)
    optical = clip_near(camera.to_camera(points), near_m=0.5)
    if len(optical) < 3:
        return
    pixels = camera.project_optical(optical)[:, :2] / SCALE
    height, width = mask.shape
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    if high[0] < 0 or high[1] < 0 or low[0] > width or low[1] > height:
        return
    fill_polygon(mask, pixels, value)
