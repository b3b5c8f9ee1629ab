"""Vehicles as meshes: an extruded body with a tapered cabin, wheels, windows and lights."""

from __future__ import annotations

import numpy as np

from offline_training.synthetic import bodywork
from offline_training.synthetic.body_shapes import BodyShape, SHAPES
from offline_training.synthetic.mesh import Colour, Mesh

PAINTS: tuple[Colour, ...] = (
    (228, 228, 226), (236, 236, 236), (40, 38, 37), (28, 27, 27), (128, 126, 124), (166, 165, 162),
    (192, 192, 190), (96, 92, 90), (42, 36, 150), (34, 28, 176), (140, 74, 36), (110, 54, 22),
    (160, 118, 60), (66, 92, 44), (70, 120, 158), (60, 150, 208),
)  # fmt: skip
FREQUENCY = {
    'sedan': 0.34,
    'hatchback': 0.24,
    'suv': 0.22,
    'van': 0.10,
    'truck': 0.06,
    'bus': 0.04,
}


def build_vehicle(kind: str, paint: Colour, rng: np.random.Generator) -> tuple[Mesh, BodyShape]:
    """A mesh of this kind and paint, with details (wheels, stripes, adverts) from `rng`."""
    shape = SHAPES[kind]
    mesh = Mesh()
    if kind == 'truck':
        mesh.start_part(-0.15 * shape.length_m)
        bodywork.cargo(mesh, shape, PAINTS[int(rng.integers(len(PAINTS)))], rng)
        mesh.start_part(0.36 * shape.length_m)
    bodywork.underbody(mesh, shape)
    bodywork.lower_body(mesh, shape, paint)
    bodywork.ends(mesh, shape, paint, rng)
    bodywork.wheels(mesh, shape, rng)
    bodywork.cabin(mesh, shape, paint)
    if kind in ('bus', 'van') and rng.random() < 0.6:
        bodywork.livery(mesh, shape, PAINTS[int(rng.integers(len(PAINTS)))], rng)
    mesh.pack()
    return mesh, shape


def vehicle_size_m(kind: str) -> tuple[float, float, float]:
    """Length, width, height."""
    shape = SHAPES[kind]
    height = 3.3 if kind == 'truck' else shape.height_m
    return shape.length_m, shape.width_m, height
