"""Figures of tapered limbs: projected, ordered by depth, lit from one side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from offline_training.synthetic.camera import Array, Camera, NEAR_M
from offline_training.synthetic.canvas import Shape
from offline_training.synthetic.light import Light
from offline_training.synthetic.motion import Pose

Colour = tuple[float, float, float]
Point = tuple[float, float, float]
CIRCLE = np.linspace(0.0, np.pi, 7)
SQUARE = np.array([[-1.0, -1], [1, -1], [1, 1], [-1, 1]])[:, None]  # (4, 1, 2)


@dataclass(frozen=True, kw_only=True)
class Limb:
    """A tapered capsule between two points, or a bare line where `line` is set."""

    a: Point
    b: Point
    radius_a_m: float
    radius_b_m: float
    colour: Colour
    line: bool = False


def figure_shapes(
    limbs: list[Limb], camera: Camera, pose: Pose, light: Light, gain: float
) -> list[Shape]:
    """The limbs projected, sorted from far to near, each with a lit side."""
    projected = _projected(limbs, camera, pose)
    if projected is None:
        return []
    pixels, depth, radii, radii_px = projected
    colours = _lit_colours(limbs, light, gain, float(depth.mean()))
    # Limbs are small against the distance: order them by depth, thickness counted in.
    order = np.argsort(-(depth - 0.5 * radii.max(axis=1)), kind='stable')
    outlines = capsules(pixels, radii_px)
    shifted = pixels + _light_side(camera, light) * radii_px[:, :, None] * 0.30
    lit = capsules(shifted, radii_px * 0.66)
    shapes: list[Shape] = []
    for i in order.tolist():
        dark, bright = (_bgr(c) for c in colours[i])
        if limbs[i].line:
            thick = max(0.5, 2 * float(radii_px[i, 0]))
            shapes.append(Shape(points_px=pixels[i], colour=dark, thickness_px=thick))
            continue
        shapes.append(Shape(points_px=outlines[i], colour=dark))
        if radii_px[i, 0] > 0.9:
            shapes.append(Shape(points_px=lit[i], colour=bright))
    return shapes


def figure_outline_px(limbs: list[Limb], camera: Camera, pose: Pose) -> Array:
    """Points whose bounds are those of the figure, (N, 2); none where it is too near."""
    projected = _projected(limbs, camera, pose)
    if projected is None:
        return np.zeros((0, 2))
    pixels, _, _, radii_px = projected
    line = np.array([limb.line for limb in limbs])
    thick = np.maximum(0.5, 2 * radii_px[line, 0]) / 2
    ends = pixels[line][:, None] + SQUARE * thick[:, None, None, None]  # (K, 4, 2, 2)
    round_ones = capsules(pixels[~line], radii_px[~line])
    return np.concatenate([ends.reshape(-1, 2), round_ones.reshape(-1, 2)])


def _projected(
    limbs: list[Limb], camera: Camera, pose: Pose
) -> tuple[Array, Array, Array, Array] | None:
    """Ends in pixels (L, 2, 2), depth (L,), radii (L, 2) in metres and in pixels; None if near."""
    c, s = np.cos(pose.heading_rad), np.sin(pose.heading_rad)
    turn = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    place = np.array([pose.x_m, pose.y_m, 0.0])
    ends = np.array([[limb.a, limb.b] for limb in limbs])  # (L, 2, 3)
    optical = camera.to_camera(ends.reshape(-1, 3) @ turn.T + place)
    if optical[:, 2].min() < NEAR_M:
        return None
    pixels = camera.project_optical(optical)[:, :2].reshape(-1, 2, 2)
    depth = optical[:, 2].reshape(-1, 2).mean(axis=1)
    radii = np.array([[limb.radius_a_m, limb.radius_b_m] for limb in limbs])
    return pixels, depth, radii, radii * camera.focal_px / depth[:, None]


def _lit_colours(limbs: list[Limb], light: Light, gain: float, depth_m: float) -> Array:
    """Lit and shaded colour of each limb, (L, 2, 3): the dark side, then the bright one."""
    base = np.array([limb.colour for limb in limbs])
    ambient, sun = np.asarray(light.ambient), np.asarray(light.sun)
    dark = base * (0.82 * ambient + 0.12 * sun + gain * 0.8)
    bright = base * (ambient + 0.75 * sun + gain)
    haze = float(light.haze(np.array(depth_m)))
    both = np.stack([dark, bright], axis=1)
    return np.clip(both * (1 - haze) + np.asarray(light.fog_colour) * haze, 0, 255)


def _light_side(camera: Camera, light: Light) -> Array:
    """Unit direction in the image towards the sun. (2,)."""
    right, down, _ = camera.rotation @ np.asarray(light.sun_direction)
    length = float(np.hypot(right, down))
    return np.array([right, down]) / length if length > 1e-6 else np.array([0.0, -1.0])


def capsules(ends_px: Array, radii_px: Array) -> Array:
    """Outlines of pairs of circles (L, 2, 2), radii (L, 2), and what is between. (L, 14, 2)."""
    delta = ends_px[:, 1] - ends_px[:, 0]
    angle = np.arctan2(delta[:, 1], delta[:, 0])[:, None]
    back, front = angle + np.pi / 2 + CIRCLE, angle - np.pi / 2 + CIRCLE  # (L, 7)
    arcs = (
        np.stack([np.cos(back), np.sin(back)], axis=2),
        np.stack([np.cos(front), np.sin(front)], axis=2),
    )
    parts = [ends_px[:, k, None] + radii_px[:, k, None, None] * arcs[k] for k in (0, 1)]
    return np.concatenate(parts, axis=1)


def _bgr(values: Array) -> Colour:
    blue, green, red = values.tolist()
    return (blue, green, red)
