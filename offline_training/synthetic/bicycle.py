"""A bicycle made of bars. Axes: x forward, y left, z up from the ground between the wheels."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from offline_training.synthetic.figure import Colour, Limb, Point

STEEL: Colour = (60, 56, 52)


def bicycle(paint: Colour, travelled_m: float) -> list[Limb]:
    """Wheels that roll, frame, handlebar and saddle."""
    dark = (32.0, 32.0, 32.0)
    limbs: list[Limb] = []
    for x in (-0.52, 0.52):
        ring = np.linspace(0, 2 * np.pi, 15)
        points = [(x + 0.33 * float(np.cos(a)), 0.0, 0.34 + 0.33 * float(np.sin(a))) for a in ring]
        limbs += [_bar(p, q, 0.020, dark) for p, q in pairwise(points)]
        for k in range(4):
            a = -travelled_m / 0.34 + k * np.pi / 4
            dx, dz = 0.31 * float(np.cos(a)), 0.31 * float(np.sin(a))
            limbs.append(
                _bar((x - dx, 0, 0.34 - dz), (x + dx, 0, 0.34 + dz), 0.004, (120, 120, 120))
            )
    hub, crank, seat, head = (
        (-0.52, 0.0, 0.34),
        (0.0, 0.0, 0.30),
        (-0.19, 0.0, 0.86),
        (0.36, 0.0, 0.88),
    )
    for p, q in ((hub, crank), (hub, seat), (crank, seat), (seat, head), (crank, head)):
        limbs.append(_bar(p, q, 0.018, paint))
    limbs.append(_bar(head, (0.52, 0.0, 0.34), 0.016, paint))
    limbs.append(_bar(head, (0.38, 0.0, 1.03), 0.014, dark))
    limbs.append(_bar((0.38, -0.27, 1.05), (0.38, 0.27, 1.05), 0.016, dark))
    limbs.append(_bar((-0.32, 0.0, 0.90), (-0.08, 0.0, 0.90), 0.035, dark))
    return limbs


def _bar(a: Point, b: Point, radius_m: float, colour: Colour) -> Limb:
    return Limb(a=a, b=b, radius_a_m=radius_m, radius_b_m=radius_m, colour=colour, line=True)
