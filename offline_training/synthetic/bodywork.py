"""The parts of a vehicle's mesh, from the tyres up. Axes: x forward, y left, z up."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from offline_training.synthetic.body_shapes import BodyShape
from offline_training.synthetic.mesh import Colour, Mesh, Point

Array = NDArray[np.float64]
GLASS: Colour = (62, 54, 46)
RUBBER: Colour = (30, 29, 28)
RIM: Colour = (150, 150, 152)


def _tint(colour: Colour, factor: float) -> Colour:
    blue, green, red = (min(255.0, c * factor) for c in colour)
    return (blue, green, red)


def _mix(colour: Colour, other: Colour, share: float) -> Colour:
    blue, green, red = (a * (1 - share) + b * share for a, b in zip(colour, other, strict=True))
    return (blue, green, red)


def underbody(mesh: Mesh, s: BodyShape) -> None:
    """Dark parts below the sills, and the tyres as seen from front and rear."""
    half, x = s.width_m / 2, s.length_m * 0.47
    for end in (-1.0, 1.0):
        mesh.add(
            [
                (end * x, -half * 0.9, 0.18),
                (end * x, half * 0.9, 0.18),
                (end * x, half * 0.9, 0.34),
                (end * x, -half * 0.9, 0.34),
            ],
            (18, 18, 18),
            (end, 0, 0),
        )
        axle = s.axles[0] if end < 0 else s.axles[-1]
        x_tyre = axle * s.length_m + end * s.wheel_m * 0.8
        for side in (-1.0, 1.0):
            inner, outer = side * (half - 0.26), side * (half - 0.02)
            mesh.add(
                [
                    (x_tyre, inner, 0.0),
                    (x_tyre, outer, 0.0),
                    (x_tyre, outer, s.wheel_m),
                    (x_tyre, inner, s.wheel_m),
                ],
                RUBBER,
                (end, 0, 0),
            )


def lower_body(mesh: Mesh, s: BodyShape, paint: Colour) -> None:
    """Flanks, rounded corners, bonnet and boot."""
    half, sill = s.width_m / 2, s.wheel_m * 0.75
    base_rear, base_front = (x * s.length_m for x in (s.rear_window[0], s.windscreen[0]))
    for end, base, tip in ((1.0, base_front, s.nose_m), (-1.0, base_rear, s.tail_m)):
        corner_x, tip_x, tip_half = _corner(s, end)
        share = (corner_x - base) / (tip_x - base) if abs(tip_x - base) > 1e-6 else 0.0
        corner_z = s.belt_m + (tip - s.belt_m) * share
        for side in (-1.0, 1.0):
            y, y_tip = side * half, side * tip_half
            flank: list[Point] = [
                (0.0, y, sill),
                (corner_x, y, sill),
                (corner_x, y, corner_z),
                (base, y, s.belt_m),
                (0.0, y, s.belt_m),
            ]
            mesh.add(flank, paint, (0, side, 0))
            mesh.add(
                [
                    (corner_x, y, sill),
                    (tip_x, y_tip, sill),
                    (tip_x, y_tip, tip),
                    (corner_x, y, corner_z),
                ],
                _tint(paint, 0.97),
                (end, side * 0.4, 0),
            )
        lid: list[Point] = [
            (base, -half * 0.97, s.belt_m),
            (base, half * 0.97, s.belt_m),
            (corner_x, half, corner_z),
            (tip_x, tip_half, tip),
            (tip_x, -tip_half, tip),
            (corner_x, -half, corner_z),
        ]
        mesh.add(lid, _tint(paint, 1.06), (0, 0, 1))
        if end > 0:
            _creases(mesh, (base, s.belt_m), (tip_x, tip), half, paint)
    for side in (-1.0, 1.0):
        _side_bands(mesh, s, paint, side)


def _corner(s: BodyShape, end: float) -> tuple[float, float, float]:
    """Where the rounding of a front (1) or rear (-1) corner starts and ends: x, x, half width."""
    base = s.windscreen[0] if end > 0 else -s.rear_window[0]
    cut = float(np.clip(0.49 - base, 0.0, 0.075))
    return (
        end * (0.5 - cut) * s.length_m,
        end * 0.5 * s.length_m,
        s.width_m / 2 * (1 - 2.6 * cut),
    )


def _creases(
    mesh: Mesh, back: tuple[float, float], front: tuple[float, float], half: float, paint: Colour
) -> None:
    """Folds on either side of the bonnet."""
    for y in (-0.55, 0.55):
        a, b = half * (y - 0.02), half * (y + 0.02)
        mesh.add(
            [
                (back[0], a, back[1]),
                (back[0], b, back[1]),
                (front[0], b * 0.9, front[1]),
                (front[0], a * 0.9, front[1]),
            ],
            _tint(paint, 0.86),
            (0, 0, 1),
        )


def _side_bands(mesh: Mesh, s: BodyShape, paint: Colour, side: float) -> None:
    """The flank is curved: sky above, ground below; doors leave thin gaps."""
    y, length = side * s.width_m / 2, s.length_m
    rear, front = _corner(s, -1.0)[0], _corner(s, 1.0)[0]
    low, high = s.wheel_m * 0.75, s.belt_m
    bands = (
        (0.0, 0.20, 0.62),
        (0.20, 0.38, 0.85),
        (0.62, 0.70, 0.92),
        (0.74, 0.86, 1.10),
        (0.86, 1.0, 1.2),
    )
    for start, end, tint in bands:
        za, zb = low + start * (high - low), low + end * (high - low)
        fore = front if end < 0.72 else min(front, (s.windscreen[0] + 0.12) * length)
        aft = rear if s.tail_m >= zb else s.rear_window[0] * length
        mesh.add(
            [(aft, y, za), (aft, y, zb), (fore, y, zb), (fore, y, za)],
            _mix(_tint(paint, tint), (210, 190, 170), 0.12 if tint > 1 else 0.0),
            (0, side, 0),
        )
    base = max(s.rear_window[0], -0.36)
    for share in (0.30, 0.64, 0.98):
        x = (base + share * (s.windscreen[0] - base)) * length
        mesh.add(
            [(x, y, low * 1.2), (x + 0.025, y, low * 1.2), (x + 0.025, y, high), (x, y, high)],
            _tint(paint, 0.45),
            (0, side, 0),
        )
        if share < 0.9:
            mesh.add(
                [
                    (x + 0.08, y, high - 0.18),
                    (x + 0.26, y, high - 0.18),
                    (x + 0.26, y, high - 0.14),
                    (x + 0.08, y, high - 0.14),
                ],
                _tint(paint, 0.6),
                (0, side, 0),
            )


def wheels(mesh: Mesh, s: BodyShape, rng: np.random.Generator) -> None:
    """Tyres and rims, whose spokes turn."""
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
                mesh.add(_spoke(x, y, z, r * 0.66, angle, 0.22), rim, (0, side, 0), spin=(x, z, r))
            mesh.add(_disc(x, y, z, r * 0.16, 8), _tint(rim, 0.8), (0, side, 0))


def _disc(x: float, y: float, z: float, radius: float, n: int) -> list[Point]:
    angles = np.linspace(0, 2 * np.pi, n, endpoint=False)
    return [(x + radius * float(np.cos(a)), y, z + radius * float(np.sin(a))) for a in angles]


def _spoke(
    x: float, y: float, z: float, radius: float, angle: float, spread: float
) -> list[Point]:
    corners = [
        (0.15, angle - 0.6),
        (1.0, angle - spread),
        (1.0, angle + spread),
        (0.15, angle + 0.6),
    ]
    return [
        (x + radius * k * float(np.cos(a)), y, z + radius * k * float(np.sin(a)))
        for k, a in corners
    ]


def _quad_x(
    mesh: Mesh,
    x: float,
    y: tuple[float, float],
    z: tuple[float, float],
    colour: Colour,
    end: float,
    *,
    glow: bool = False,
) -> None:
    """A rectangle that faces forward (end = 1) or backward (end = -1)."""
    points = [(x, y[0], z[0]), (x, y[1], z[0]), (x, y[1], z[1]), (x, y[0], z[1])]
    mesh.add(points, colour, (end, 0, 0), glow=glow)


def ends(mesh: Mesh, s: BodyShape, paint: Colour, rng: np.random.Generator) -> None:
    """Bumpers, grille, lamps and number plates."""
    sill = s.wheel_m * 0.75
    grille = _tint((42, 42, 42), float(rng.uniform(0.5, 1.6)))
    plate: Colour = (225, 228, 228) if rng.random() < 0.7 else (90, 200, 225)
    bumper = _tint(paint, 0.86) if rng.random() < 0.75 else (52.0, 52.0, 52.0)
    slim = float(rng.uniform(0.66, 0.74))
    for end, top in ((1.0, s.nose_m), (-1.0, s.tail_m)):
        corner_x, x, half = _corner(s, end)
        x *= 1.001
        _quad_x(mesh, x, (-half, half), (top * 0.5, top), _tint(paint, 1.02), end)
        _quad_x(
            mesh,
            x,
            (-half, half),
            (top * 0.9, top),
            _mix(_tint(paint, 1.15), (200, 190, 180), 0.1),
            end,
        )
        _quad_x(mesh, x, (-half, half), (sill, top * 0.56), bumper, end)
        _quad_x(mesh, x, (-half, half), (top * 0.56, top * 0.575), _tint(paint, 0.5), end)
        _quad_x(mesh, x, (-half * 0.85, half * 0.85), (sill, sill + 0.12), (32, 32, 32), end)
        low = top * 0.40 if end > 0 else top * 0.60
        _quad_x(mesh, x, (-0.27, 0.27), (low - 0.01, low + 0.13), (60, 60, 60), end)
        _quad_x(mesh, x, (-0.25, 0.25), (low, low + 0.12), plate, end)
        lamp: Colour = (235, 240, 240) if end > 0 else (36, 30, 165)
        span = (top * slim, top * 0.87)
        for side in (-1.0, 1.0):
            y0, y1 = side * half * 0.66, side * half
            _quad_x(mesh, x, (y0, y1), span, _tint(lamp, 0.55), end)
            _quad_x(
                mesh,
                x,
                (y0 + side * 0.03, y1),
                (span[0] + 0.02, span[1] - 0.02),
                lamp,
                end,
                glow=True,
            )
            wrap = 0.6  # the lamp reaches around the corner
            xc = x + (corner_x - x) * wrap
            yc = side * (half + (s.width_m / 2 - half) * wrap)
            mesh.add(
                [(x, y1, span[0]), (xc, yc, span[0] + 0.03), (xc, yc, span[1]), (x, y1, span[1])],
                _tint(lamp, 0.9),
                (end, side * 0.4, 0),
                glow=True,
            )
    half, x = _corner(s, 1.0)[2], s.length_m * 0.502
    _quad_x(mesh, x, (-half * 0.6, half * 0.6), (s.nose_m * 0.64, s.nose_m * 0.86), grille, 1.0)
    _quad_x(mesh, x, (-half * 0.6, half * 0.6), (s.nose_m * 0.74, s.nose_m * 0.76), RIM, 1.0)
    _quad_x(mesh, x, (-half * 0.1, half * 0.1), (s.nose_m * 0.70, s.nose_m * 0.80), RIM, 1.0)


def cabin(mesh: Mesh, s: BodyShape, paint: Colour) -> None:
    """Windows, roof and mirrors."""
    half, length = s.width_m / 2, s.length_m
    belt, roof = half * 0.97, half * s.roof_taper
    rear, front = (
        (s.rear_window[0] * length, s.rear_window[1] * length),
        (s.windscreen[0] * length, s.windscreen[1] * length),
    )
    for end, (base, top) in ((-1.0, rear), (1.0, front)):
        pane = [
            (base, -belt, s.belt_m),
            (base, belt, s.belt_m),
            (top, roof, s.height_m),
            (top, -roof, s.height_m),
        ]
        mesh.add(pane, _tint(paint, 0.95), (end, 0, 0.3))
        mesh.add(_inset(pane, 0.07, 0.06, 0.93, 0.90), GLASS, (end, 0, 0.3))
        mesh.add(
            _inset(pane, 0.07, 0.55, 0.93, 0.90), _mix(GLASS, (196, 176, 150), 0.30), (end, 0, 0.3)
        )
    for side in (-1.0, 1.0):
        wall = [
            (rear[0], side * belt, s.belt_m),
            (front[0], side * belt, s.belt_m),
            (front[1], side * roof, s.height_m),
            (rear[1], side * roof, s.height_m),
        ]
        mesh.add(wall, paint, (0, side, 0))
        for start, end in s.panes:
            mesh.add(_inset(wall, start, 0.08, end, 0.84), GLASS, (0, side, 0))
            mesh.add(
                _inset(wall, start, 0.50, end, 0.84),
                _mix(GLASS, (200, 180, 156), 0.32),
                (0, side, 0),
            )
        x = front[0] - 0.12
        y = side * (half + 0.10)
        _quad_x(mesh, x, (side * half, y), (s.belt_m, s.belt_m + 0.15), _tint(paint, 0.9), 1.0)
        _quad_x(mesh, x, (side * half, y), (s.belt_m, s.belt_m + 0.15), (70, 66, 62), -1.0)
    mesh.add(
        [
            (rear[1], -roof, s.height_m),
            (rear[1], roof, s.height_m),
            (front[1], roof, s.height_m),
            (front[1], -roof, s.height_m),
        ],
        _tint(paint, 1.08),
        (0, 0, 1),
    )


def _inset(quad: list[Point], u0: float, v0: float, u1: float, v1: float) -> Array:
    """The part of a quad between shares u (first to second corner) and v (up). (4, 3)."""
    a, b, c, d = (np.asarray(p) for p in quad)

    def at(u: float, v: float) -> Array:
        return (a * (1 - u) + b * u) * (1 - v) + (d * (1 - u) + c * u) * v

    return np.stack([at(u0, v0), at(u1, v0), at(u1, v1), at(u0, v1)])


def cargo(mesh: Mesh, s: BodyShape, stripe: Colour, rng: np.random.Generator) -> None:
    """A truck's box behind the cab, with a stripe."""
    half, top = s.width_m / 2, 3.3
    x0, x1 = -0.5 * s.length_m, 0.21 * s.length_m
    body: Colour = _tint((226, 226, 222), float(rng.uniform(0.6, 1.05)))
    for side in (-1.0, 1.0):
        wall = [
            (x0, side * half, 0.95),
            (x1, side * half, 0.95),
            (x1, side * half, top),
            (x0, side * half, top),
        ]
        mesh.add(wall, body, (0, side, 0))
        mesh.add(_inset(wall, 0.0, 0.42, 1.0, 0.64), stripe, (0, side, 0))
        mesh.add(_inset(wall, 0.2, 0.47, 0.7, 0.59), (240, 240, 240), (0, side, 0))
    for x, end in ((x0, -1.0), (x1, 1.0)):
        _quad_x(mesh, x, (-half, half), (0.95, top), _tint(body, 0.94), end)
    _quad_x(mesh, x0 * 1.001, (-0.02, 0.02), (1.0, top - 0.1), (60, 60, 60), -1.0)
    mesh.add(
        [(x0, -half, top), (x0, half, top), (x1, half, top), (x1, -half, top)], body, (0, 0, 1)
    )


def livery(mesh: Mesh, s: BodyShape, colour: Colour, rng: np.random.Generator) -> None:
    """A coloured band along both sides of a bus or van."""
    y, x = s.width_m / 2 + 0.012, s.length_m
    low = s.belt_m * float(rng.uniform(0.55, 0.7))
    for side in (-1.0, 1.0):
        mesh.add(
            [
                (-0.48 * x, side * y, low),
                (0.30 * x, side * y, low),
                (0.30 * x, side * y, low + 0.22),
                (-0.48 * x, side * y, low + 0.22),
            ],
            colour,
            (0, side, 0),
        )
