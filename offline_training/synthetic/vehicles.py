"""Vehicles as polygon meshes: an extruded body with a tapered cabin, wheels, windows and lights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offline_training.synthetic.camera import Camera, clip_near, NEAR_M
from offline_training.synthetic.canvas import Shape
from offline_training.synthetic.light import Light
from offline_training.synthetic.motion import Pose

Array = NDArray[np.float64]
Colour = tuple[float, float, float]

GLASS: Colour = (62, 54, 46)
RUBBER: Colour = (30, 29, 28)
RIM: Colour = (150, 150, 152)
PAINTS: tuple[Colour, ...] = (
    (228, 228, 226), (236, 236, 236), (40, 38, 37), (28, 27, 27), (128, 126, 124), (166, 165, 162),
    (192, 192, 190), (96, 92, 90), (42, 36, 150), (34, 28, 176), (140, 74, 36), (110, 54, 22),
    (160, 118, 60), (66, 92, 44), (70, 120, 158), (60, 150, 208),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class BodyShape:
    """A side view. Positions along the length are shares of it (rear -0.5, front 0.5); heights in m."""

    length_m: float
    width_m: float
    height_m: float
    belt_m: float  # lower edge of the side windows
    nose_m: float  # height of the bonnet's front edge
    tail_m: float  # height of the boot's rear edge
    windscreen: tuple[float, float]  # its base and top along the length
    rear_window: tuple[float, float]
    roof_taper: float
    wheel_m: float
    axles: tuple[float, ...]
    panes: tuple[tuple[float, float], ...]  # side windows as shares of the cabin


SHAPES: dict[str, BodyShape] = {
    'sedan': BodyShape(
        length_m=4.6, width_m=1.82, height_m=1.45, belt_m=0.92, nose_m=0.70, tail_m=0.90,
        windscreen=(0.22, 0.06), rear_window=(-0.36, -0.20), roof_taper=0.76, wheel_m=0.33,
        axles=(-0.29, 0.31), panes=((0.10, 0.47), (0.53, 0.92)),
    ),
    'hatchback': BodyShape(
        length_m=4.0, width_m=1.74, height_m=1.50, belt_m=0.95, nose_m=0.74, tail_m=0.94,
        windscreen=(0.27, 0.10), rear_window=(-0.485, -0.38), roof_taper=0.78, wheel_m=0.31,
        axles=(-0.31, 0.31), panes=((0.08, 0.30), (0.34, 0.60), (0.64, 0.93)),
    ),
    'suv': BodyShape(
        length_m=4.7, width_m=1.92, height_m=1.74, belt_m=1.12, nose_m=0.95, tail_m=1.10,
        windscreen=(0.23, 0.10), rear_window=(-0.485, -0.42), roof_taper=0.82, wheel_m=0.37,
        axles=(-0.30, 0.31), panes=((0.06, 0.28), (0.31, 0.60), (0.63, 0.93)),
    ),
    'van': BodyShape(
        length_m=5.4, width_m=2.02, height_m=2.25, belt_m=1.25, nose_m=0.98, tail_m=1.25,
        windscreen=(0.38, 0.24), rear_window=(-0.495, -0.485), roof_taper=0.90, wheel_m=0.35,
        axles=(-0.31, 0.32), panes=((0.76, 0.95),),
    ),
    'bus': BodyShape(
        length_m=11.6, width_m=2.52, height_m=3.10, belt_m=1.35, nose_m=1.25, tail_m=1.35,
        windscreen=(0.497, 0.485), rear_window=(-0.497, -0.49), roof_taper=0.95, wheel_m=0.48,
        axles=(-0.27, 0.30),
        panes=((0.04, 0.18), (0.20, 0.34), (0.36, 0.50), (0.52, 0.66), (0.68, 0.82), (0.84, 0.97)),
    ),
    'truck': BodyShape(
        length_m=7.6, width_m=2.40, height_m=2.55, belt_m=1.55, nose_m=1.40, tail_m=1.50,
        windscreen=(0.495, 0.46), rear_window=(0.24, 0.245), roof_taper=0.92, wheel_m=0.46,
        axles=(-0.30, 0.36), panes=((0.30, 0.86),),
    ),
}  # fmt: skip
FREQUENCY = {'sedan': 0.34, 'hatchback': 0.24, 'suv': 0.22, 'van': 0.10, 'truck': 0.06, 'bus': 0.04}


class Mesh:
    """Planar faces in paint order, packed so that one matrix product moves them all.

    Axes: x forward, y left, z up from the ground below the middle.
    """

    def __init__(self) -> None:
        self._faces: list[Array] = []
        self._colours: list[Colour] = []
        self._normals: list[Array] = []
        self._glow: list[bool] = []
        self._spin: list[tuple[float, float, float]] = []  # wheel centre x, z and radius, or zeros

    def add(
        self,
        points: list[tuple[float, float, float]] | Array,
        colour: Colour,
        outward: tuple[float, float, float],
        *,
        glow: bool = False,
        spin: tuple[float, float, float] = (0.0, 0.0, 0.0),
    ) -> None:
        """Add a polygon (N, 3); its normal is turned to the side of `outward`."""
        face = np.asarray(points, dtype=np.float64)
        normal = np.cross(face[1] - face[0], face[2] - face[0])
        normal = normal / max(float(np.linalg.norm(normal)), 1e-9)
        if normal @ np.asarray(outward) < 0:
            normal = -normal
        self._faces.append(face)
        self._colours.append(colour)
        self._normals.append(normal)
        self._glow.append(glow)
        self._spin.append(spin)

    def pack(self) -> None:
        self.vertices = np.concatenate(self._faces)  # (V, 3)
        self.sizes = np.array([len(f) for f in self._faces])
        self.starts = np.concatenate([[0], np.cumsum(self.sizes)[:-1]])
        self.normals = np.array(self._normals)  # (F, 3)
        self.colours = np.array(self._colours, dtype=np.float64)  # (F, 3)
        self.glow = np.array(self._glow)
        self.centres = np.array([f.mean(axis=0) for f in self._faces])
        self.spin = np.repeat(np.array(self._spin), self.sizes, axis=0)  # (V, 3)

    def shapes(self, camera: Camera, pose: Pose, light: Light, gain: float) -> list[Shape]:
        """The faces that look at the camera, projected and lit, in paint order."""
        turn = _turn(pose.heading_rad)
        place = np.array([pose.x_m, pose.y_m, 0.0])
        optical = camera.to_camera(self._spun(pose.travelled_m) @ turn.T + place)
        normals = self.normals @ turn.T
        to_face = self.centres @ turn.T + place - np.asarray(camera.position_m)
        seen = np.einsum('ij,ij->i', normals, to_face) < 0
        pixels = camera.project_optical(optical)[:, :2]
        colours = self._lit(normals, light, gain, float(np.linalg.norm(place - camera.position_m)))
        result: list[Shape] = []
        for i in np.flatnonzero(seen):
            span = slice(self.starts[i], self.starts[i] + self.sizes[i])
            points = pixels[span]
            if optical[span, 2].min() < NEAR_M:
                clipped = clip_near(optical[span])
                if len(clipped) < 3:
                    continue
                points = camera.project_optical(clipped)[:, :2]
            blue, green, red = colours[i].tolist()
            result.append(Shape(points_px=points, colour=(blue, green, red)))
        return result

    def _spun(self, travelled_m: float) -> Array:
        """The vertices with the wheels rolled by the distance travelled."""
        vertices = self.vertices.copy()
        rolls = self.spin[:, 2] > 0
        if rolls.any():
            centre = self.spin[rolls]
            angle = -travelled_m / centre[:, 2]
            dx, dz = vertices[rolls, 0] - centre[:, 0], vertices[rolls, 2] - centre[:, 1]
            vertices[rolls, 0] = centre[:, 0] + dx * np.cos(angle) - dz * np.sin(angle)
            vertices[rolls, 2] = centre[:, 1] + dx * np.sin(angle) + dz * np.cos(angle)
        return vertices

    def _lit(self, normals: Array, light: Light, gain: float, depth_m: float) -> Array:
        lit = self.colours * (light.shade(normals) + gain)
        if light.lamps > 0.1:
            lit[self.glow] = np.clip(self.colours[self.glow] * 1.5, 0, 255)
        haze = float(light.haze(np.array(depth_m)))
        return np.clip(lit * (1 - haze) + np.asarray(light.fog_colour) * haze, 0, 255)


def build_vehicle(kind: str, paint: Colour, rng: np.random.Generator) -> tuple[Mesh, BodyShape]:
    """A mesh of this kind and paint, with details (wheels, stripes, adverts) from `rng`."""
    shape = SHAPES[kind]
    mesh = Mesh()
    _underbody(mesh, shape)
    if kind == 'truck':
        _cargo(mesh, shape, rng)
    _lower_body(mesh, shape, paint)
    _wheels(mesh, shape, rng)
    _ends(mesh, shape, paint, rng)
    _cabin(mesh, shape, paint)
    if kind in ('bus', 'van') and rng.random() < 0.6:
        _livery(mesh, shape, rng)
    mesh.pack()
    return mesh, shape


def vehicle_size_m(kind: str) -> tuple[float, float, float]:
    """Length, width, height."""
    shape = SHAPES[kind]
    height = 3.3 if kind == 'truck' else shape.height_m
    return shape.length_m, shape.width_m, height


def _turn(heading_rad: float) -> Array:
    c, s = np.cos(heading_rad), np.sin(heading_rad)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def _tint(colour: Colour, factor: float) -> Colour:
    blue, green, red = (min(255.0, c * factor) for c in colour)
    return (blue, green, red)


def _mix(colour: Colour, other: Colour, share: float) -> Colour:
    blue, green, red = (a * (1 - share) + b * share for a, b in zip(colour, other, strict=True))
    return (blue, green, red)


def _underbody(mesh: Mesh, s: BodyShape) -> None:
    """Dark parts below the sills: what is seen between the wheels, and tyres from front and rear."""
    half, x = s.width_m / 2, s.length_m * 0.47
    for end in (-1.0, 1.0):
        mesh.add(
            [(end * x, -half * 0.9, 0.18), (end * x, half * 0.9, 0.18),
             (end * x, half * 0.9, 0.34), (end * x, -half * 0.9, 0.34)],
            (18, 18, 18), (end, 0, 0),
        )  # fmt: skip
        axle = s.axles[0] if end < 0 else s.axles[-1]
        x_tyre = axle * s.length_m + end * s.wheel_m * 0.8
        for side in (-1.0, 1.0):
            inner, outer = side * (half - 0.26), side * (half - 0.02)
            mesh.add(
                [(x_tyre, inner, 0.0), (x_tyre, outer, 0.0),
                 (x_tyre, outer, s.wheel_m), (x_tyre, inner, s.wheel_m)],
                RUBBER, (end, 0, 0),
            )  # fmt: skip


def _lower_profile(s: BodyShape) -> list[tuple[float, float]]:
    """Side view of the lower body from rear bottom over the belt to front bottom: x, z."""
    length = s.length_m
    sill = s.wheel_m * 0.75
    return [
        (-0.485 * length, sill),
        (-0.50 * length, s.tail_m * 0.62),
        (-0.49 * length, s.tail_m),
        (s.rear_window[0] * length, max(s.belt_m, s.tail_m)),
        (s.windscreen[0] * length, s.belt_m),
        (0.47 * length, s.nose_m),
        (0.50 * length, s.nose_m * 0.66),
        (0.485 * length, sill),
    ]


def _lower_body(mesh: Mesh, s: BodyShape, paint: Colour) -> None:
    half = s.width_m / 2
    profile = _lower_profile(s)
    for side in (-1.0, 1.0):
        mesh.add([(x, side * half, z) for x, z in profile], paint, (0, side, 0))
        _side_bands(mesh, s, paint, side)
    for (xa, za), (xb, zb) in zip(profile[2:6], profile[3:6], strict=False):  # boot and bonnet
        mesh.add(
            [(xa, -half * 0.97, za), (xa, half * 0.97, za), (xb, half * 0.97, zb), (xb, -half * 0.97, zb)],
            _tint(paint, 1.06), (0, 0, 1),
        )  # fmt: skip
        if zb < za:  # a crease on either side of the bonnet catches the light
            for y in (-0.55, 0.55):
                mesh.add(
                    [(xa, half * (y - 0.03), za), (xa, half * (y + 0.03), za),
                     (xb, half * (y + 0.03), zb), (xb, half * (y - 0.03), zb)],
                    _tint(paint, 0.85), (0, 0, 1),
                )  # fmt: skip


def _side_bands(mesh: Mesh, s: BodyShape, paint: Colour, side: float) -> None:
    """The flank is curved: sky above, ground below; doors leave thin gaps."""
    y, length = side * s.width_m / 2, s.length_m
    low, high = s.wheel_m * 0.75, s.belt_m
    bands = ((0.0, 0.24, 0.66), (0.24, 0.40, 0.86), (0.74, 0.86, 1.10), (0.86, 1.0, 1.2))
    for start, end, tint in bands:
        za, zb = low + start * (high - low), low + end * (high - low)
        front = 0.485 if end < 0.7 else min(0.45, s.windscreen[0] + 0.12)
        mesh.add(
            [(-0.485 * length, y, za), (-0.487 * length, y, zb), (front * length, y, zb), (front * length, y, za)],
            _mix(_tint(paint, tint), (210, 190, 170), 0.10 if tint > 1 else 0.0), (0, side, 0),
        )  # fmt: skip
    base = s.rear_window[0]
    for share in (0.34, 0.66, 0.98):
        x = (base + share * (s.windscreen[0] - base)) * length
        mesh.add(
            [(x, y, low * 1.2), (x + 0.025, y, low * 1.2), (x + 0.025, y, high), (x, y, high)],
            _tint(paint, 0.45), (0, side, 0),
        )  # fmt: skip
        if share < 0.9:
            mesh.add(
                [(x + 0.08, y, high - 0.16), (x + 0.26, y, high - 0.16), (x + 0.26, y, high - 0.12), (x + 0.08, y, high - 0.12)],
                _tint(paint, 0.6), (0, side, 0),
            )  # fmt: skip


def _wheels(mesh: Mesh, s: BodyShape, rng: np.random.Generator) -> None:
    spokes = int(rng.choice([5, 6, 7]))
    rim = _tint(RIM, float(rng.uniform(0.5, 1.25)))
    for side in (-1.0, 1.0):
        y = side * (s.width_m / 2 + 0.01)
        for axle in s.axles:
            x, z, r = axle * s.length_m, s.wheel_m, s.wheel_m
            mesh.add(_disc(x, y, z + 0.02, r * 1.14, 16), (14, 14, 14), (0, side, 0))
            mesh.add(_disc(x, y, z, r, 18), RUBBER, (0, side, 0))
            mesh.add(_disc(x, y, z, r * 0.68, 14), _tint(rim, 0.45), (0, side, 0))
            for k in range(spokes):
                angle = 2 * np.pi * k / spokes
                mesh.add(
                    _spoke(x, y, z, r * 0.66, angle, 0.22), rim, (0, side, 0), spin=(x, z, r)
                )
            mesh.add(_disc(x, y, z, r * 0.16, 8), _tint(rim, 0.8), (0, side, 0))


def _disc(x: float, y: float, z: float, radius: float, n: int) -> list[tuple[float, float, float]]:
    angles = np.linspace(0, 2 * np.pi, n, endpoint=False)
    return [(x + radius * float(np.cos(a)), y, z + radius * float(np.sin(a))) for a in angles]


def _spoke(
    x: float, y: float, z: float, radius: float, angle: float, spread: float
) -> list[tuple[float, float, float]]:
    corners = [(0.15, angle - 0.6), (1.0, angle - spread), (1.0, angle + spread), (0.15, angle + 0.6)]
    return [
        (x + radius * k * float(np.cos(a)), y, z + radius * k * float(np.sin(a))) for k, a in corners
    ]


def _quad_x(
    mesh: Mesh, x: float, y: tuple[float, float], z: tuple[float, float], colour: Colour, end: float,
    *, glow: bool = False,
) -> None:  # fmt: skip
    """A rectangle that faces forward (end = 1) or backward (end = -1)."""
    points = [(x, y[0], z[0]), (x, y[1], z[0]), (x, y[1], z[1]), (x, y[0], z[1])]
    mesh.add(points, colour, (end, 0, 0), glow=glow)


def _ends(mesh: Mesh, s: BodyShape, paint: Colour, rng: np.random.Generator) -> None:
    """Bumpers, grille, lamps and number plates."""
    half, sill = s.width_m / 2, s.wheel_m * 0.75
    for end, top in ((1.0, s.nose_m), (-1.0, max(s.tail_m, s.belt_m * 0.9))):
        x = end * s.length_m * 0.5
        edge = end * s.length_m * (0.47 if end > 0 else 0.49)
        mesh.add(
            [(x, -half, top * 0.64), (x, half, top * 0.64), (edge, half * 0.96, top), (edge, -half * 0.96, top)],
            _tint(paint, 1.04), (end, 0, 0),
        )  # fmt: skip
        _quad_x(mesh, x, (-half, half), (sill, top * 0.64), _tint(paint, 0.88), end)
        _quad_x(mesh, x, (-half * 0.8, half * 0.8), (sill, sill + 0.1), (36, 36, 36), end)
        _quad_x(mesh, x, (-0.26, 0.26), (top * 0.48, top * 0.48 + 0.12), (225, 228, 228), end)
        height = (top * 0.62, top * 0.86) if end > 0 else (top * 0.62, top * 0.90)
        lamp: Colour = (235, 240, 240) if end > 0 else (36, 30, 170)
        for side in (-1.0, 1.0):
            y = (side * half * 0.62, side * half * 0.96)
            _quad_x(mesh, x * 1.001, y, height, _tint(lamp, 0.5), end)
            _quad_x(mesh, x * 1.001, (y[0] * 1.05, y[1] * 0.97),
                    (height[0] + 0.02, height[1] - 0.02), lamp, end, glow=True)  # fmt: skip
    x = s.length_m * 0.501
    grille = _tint((42, 42, 42), float(rng.uniform(0.6, 1.6)))
    _quad_x(mesh, x, (-half * 0.55, half * 0.55), (s.nose_m * 0.62, s.nose_m * 0.86), grille, 1.0)
    _quad_x(mesh, x, (-half * 0.1, half * 0.1), (s.nose_m * 0.70, s.nose_m * 0.80), RIM, 1.0)


def _cabin(mesh: Mesh, s: BodyShape, paint: Colour) -> None:
    half, length = s.width_m / 2, s.length_m
    belt, roof = half * 0.97, half * s.roof_taper
    rear, front = (
        (s.rear_window[0] * length, s.rear_window[1] * length),
        (s.windscreen[0] * length, s.windscreen[1] * length),
    )
    for end, (base, top) in ((-1.0, rear), (1.0, front)):
        pane = [(base, -belt, s.belt_m), (base, belt, s.belt_m), (top, roof, s.height_m), (top, -roof, s.height_m)]
        mesh.add(pane, _tint(paint, 0.95), (end, 0, 0.3))
        mesh.add(_inset(pane, 0.07, 0.06, 0.93, 0.90), GLASS, (end, 0, 0.3))
        mesh.add(_inset(pane, 0.07, 0.55, 0.93, 0.90), _mix(GLASS, (196, 176, 150), 0.30), (end, 0, 0.3))
    for side in (-1.0, 1.0):
        wall = [(rear[0], side * belt, s.belt_m), (front[0], side * belt, s.belt_m),
                (front[1], side * roof, s.height_m), (rear[1], side * roof, s.height_m)]  # fmt: skip
        mesh.add(wall, paint, (0, side, 0))
        for start, end in s.panes:
            mesh.add(_inset(wall, start, 0.08, end, 0.84), GLASS, (0, side, 0))
            mesh.add(_inset(wall, start, 0.50, end, 0.84), _mix(GLASS, (200, 180, 156), 0.32), (0, side, 0))
        x = front[0] - 0.12
        y = side * (half + 0.10)
        _quad_x(mesh, x, (side * half, y), (s.belt_m, s.belt_m + 0.15), _tint(paint, 0.9), 1.0)
        _quad_x(mesh, x, (side * half, y), (s.belt_m, s.belt_m + 0.15), (70, 66, 62), -1.0)
    mesh.add(
        [(rear[1], -roof, s.height_m), (rear[1], roof, s.height_m), (front[1], roof, s.height_m), (front[1], -roof, s.height_m)],
        _tint(paint, 1.08), (0, 0, 1),
    )  # fmt: skip


def _inset(
    quad: list[tuple[float, float, float]], u0: float, v0: float, u1: float, v1: float
) -> Array:
    """The part of a quad between shares u (first to second corner) and v (up). (4, 3)."""
    a, b, c, d = (np.asarray(p) for p in quad)

    def at(u: float, v: float) -> Array:
        return (a * (1 - u) + b * u) * (1 - v) + (d * (1 - u) + c * u) * v

    return np.stack([at(u0, v0), at(u1, v0), at(u1, v1), at(u0, v1)])


def _cargo(mesh: Mesh, s: BodyShape, rng: np.random.Generator) -> None:
    """A truck's box behind the cab, with a stripe."""
    half, top = s.width_m / 2, 3.3
    x0, x1 = -0.5 * s.length_m, 0.21 * s.length_m
    body: Colour = _tint((226, 226, 222), float(rng.uniform(0.6, 1.05)))
    stripe = PAINTS[int(rng.integers(len(PAINTS)))]
    for side in (-1.0, 1.0):
        wall = [(x0, side * half, 0.95), (x1, side * half, 0.95), (x1, side * half, top), (x0, side * half, top)]
        mesh.add(wall, body, (0, side, 0))
        mesh.add(_inset(wall, 0.0, 0.42, 1.0, 0.64), stripe, (0, side, 0))
        mesh.add(_inset(wall, 0.2, 0.47, 0.7, 0.59), (240, 240, 240), (0, side, 0))
    for x, end in ((x0, -1.0), (x1, 1.0)):
        _quad_x(mesh, x, (-half, half), (0.95, top), _tint(body, 0.94), end)
    _quad_x(mesh, x0 * 1.001, (-0.02, 0.02), (1.0, top - 0.1), (60, 60, 60), -1.0)
    mesh.add([(x0, -half, top), (x0, half, top), (x1, half, top), (x1, -half, top)], body, (0, 0, 1))


def _livery(mesh: Mesh, s: BodyShape, rng: np.random.Generator) -> None:
    """A coloured band along both sides of a bus or van."""
    colour = PAINTS[int(rng.integers(len(PAINTS)))]
    y, x = s.width_m / 2 + 0.012, s.length_m
    low = s.belt_m * float(rng.uniform(0.55, 0.7))
    for side in (-1.0, 1.0):
        mesh.add(
            [(-0.48 * x, side * y, low), (0.30 * x, side * y, low), (0.30 * x, side * y, low + 0.22), (-0.48 * x, side * y, low + 0.22)],
            colour, (0, side, 0),
        )  # fmt: skip
