"""Lamp posts, signals and signs: a post and what is on it, facing the camera."""

from __future__ import annotations

import numpy as np

from offline_training.synthetic.camera import Camera
from offline_training.synthetic.canvas import Shape
from offline_training.synthetic.layout import Prop
from offline_training.synthetic.light import Light

Colour = tuple[float, float, float]
Span = tuple[float, float]
STEEL: Colour = (104, 106, 106)
RED: Colour = (40, 36, 190)
WHITE: Colour = (235, 235, 235)


class _Brush:
    """Draws in metres relative to a post's foot, with the scene's light and fog."""

    def __init__(self, prop: Prop, camera: Camera, light: Light, gain: float) -> None:
        self._foot = np.array([prop.x_m, prop.y_m, 0.0])
        self.depth_m = float(camera.to_camera(self._foot[None])[0, 2])
        self._camera, self._light = camera, light
        self._gain = light.shade(np.array([[0.0, 0.0, 0.5]]))[0] + gain
        self._haze = float(light.haze(np.array(self.depth_m)))

    def line(
        self, a: Span, b: Span, width_m: float, colour: Colour, *, glow: bool = False
    ) -> Shape:
        """A bar from a to b, each (x, z)."""
        ends = self._foot + np.array([[a[0], 0.0, a[1]], [b[0], 0.0, b[1]]])
        thick = max(0.7, width_m * self._camera.focal_px / self.depth_m)
        points = self._camera.project(ends)[:, :2]
        return Shape(points_px=points, colour=self._lit(colour, glow), thickness_px=thick)

    def panel(
        self, x: Span, z: Span, colour: Colour, *, corners: int = 4, glow: bool = False
    ) -> Shape:
        """A plate that fills a rectangle: itself with 4 corners, else a regular polygon."""
        middle = np.array([(x[0] + x[1]) / 2, 0.0, (z[0] + z[1]) / 2])
        half = np.array([(x[1] - x[0]) / 2, 0.0, (z[1] - z[0]) / 2])
        start, reach = (np.pi / 4, np.sqrt(2.0)) if corners == 4 else (np.pi / corners, 1.0)
        turn = np.linspace(0, 2 * np.pi, corners, endpoint=False) + start
        ring = np.stack([np.cos(turn), np.zeros(corners), np.sin(turn)], axis=1) * reach
        points = self._camera.project(self._foot + middle + ring * half)[:, :2]
        return Shape(points_px=points, colour=self._lit(colour, glow))

    def _lit(self, colour: Colour, glow: bool) -> Colour:
        bright = np.asarray(colour) * (1.4 if glow and self._light.lamps > 0.05 else self._gain)
        hazy = bright * (1 - self._haze) + np.asarray(self._light.fog_colour) * self._haze
        blue, green, red = np.clip(hazy, 0, 255).tolist()
        return (blue, green, red)


def post_shapes(prop: Prop, camera: Camera, light: Light, gain: float) -> list[Shape]:
    """A lamp post, signal or sign as seen from the camera; nothing where it is too near."""
    brush = _Brush(prop, camera, light, gain)
    if brush.depth_m < 1.5:
        return []
    post = brush.line((0, 0), (0, prop.height_m), 0.11, STEEL)
    return [post, *HEADS[prop.kind](brush, prop)]


def _lamp(brush: _Brush, prop: Prop) -> list[Shape]:
    top, arm = prop.height_m, -1.6 * prop.variant
    return [
        brush.line((0, top), (arm, top + 0.3), 0.08, STEEL),
        brush.line(
            (arm * 0.75, top + 0.22), (arm * 1.2, top + 0.3), 0.16, (190, 225, 245), glow=True
        ),
    ]


def _signal(brush: _Brush, prop: Prop) -> list[Shape]:
    top = prop.height_m
    lamp = (top - 0.3, top - 0.1)
    return [
        brush.panel((-0.17, 0.17), (top - 1.0, top), (34, 36, 36)),
        brush.panel((-0.1, 0.1), lamp, (50, 50, 235), corners=10, glow=True),
    ]


def _sign(brush: _Brush, prop: Prop) -> list[Shape]:
    top = prop.height_m
    span, height = (-0.32, 0.32), (top - 0.64, top)
    if prop.variant == 0:  # no vehicles
        inner = brush.panel((-0.22, 0.22), (top - 0.54, top - 0.1), WHITE, corners=14)
        return [brush.panel(span, height, RED, corners=14), inner]
    if prop.variant == 1:  # parking
        return [brush.panel(span, height, (150, 80, 30))]
    if prop.variant == 2:  # stop
        bar = brush.panel((-0.24, 0.24), (top - 0.36, top - 0.28), WHITE)
        return [brush.panel(span, height, RED, corners=8), bar]
    return [brush.panel(span, height, (60, 190, 230), corners=3)]


HEADS = {'lamp': _lamp, 'signal': _signal, 'sign': _sign}
