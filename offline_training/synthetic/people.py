"""Pedestrians and cyclists: what they wear, and the limbs of a walking or riding figure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from offline_training.synthetic.bicycle import bicycle, STEEL
from offline_training.synthetic.figure import Colour, Limb, Point

SKIN: tuple[Colour, ...] = (
    (170, 196, 228), (150, 180, 220), (120, 152, 198), (88, 118, 164), (60, 82, 122), (44, 58, 88),
)  # fmt: skip
HAIR: tuple[Colour, ...] = (
    (24, 26, 30),
    (30, 40, 58),
    (52, 78, 112),
    (96, 146, 184),
    (150, 152, 156),
)
TOPS: tuple[Colour, ...] = (
    (40, 38, 36), (60, 56, 52), (120, 116, 112), (210, 208, 204), (232, 232, 230), (120, 70, 40),
    (90, 46, 24), (52, 44, 150), (40, 34, 190), (70, 100, 56), (60, 140, 200), (50, 190, 220),
    (150, 110, 180), (170, 150, 90), (90, 110, 140), (48, 60, 84),
)  # fmt: skip
BOTTOMS: tuple[Colour, ...] = (
    (34, 32, 32), (44, 42, 40), (96, 62, 42), (120, 84, 58), (80, 54, 40), (96, 112, 128),
    (140, 160, 176), (110, 108, 106),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Look:
    """What one person wears; look-alikes share it."""

    height_m: float
    build: float
    skin: Colour
    hair: Colour
    top: Colour
    stripe: Colour
    bottom: Colour
    shoes: Colour
    coat: bool
    long_hair: bool
    bag: Colour | None
    helmet: Colour | None
    phase: float


def draw_look(rng: np.random.Generator) -> Look:
    """Somebody new."""
    top = TOPS[int(rng.integers(len(TOPS)))]
    striped = rng.random() < 0.25
    return Look(
        height_m=float(np.clip(rng.normal(1.72, 0.10), 1.35, 1.98)),
        build=float(rng.uniform(0.9, 1.25)),
        skin=SKIN[int(rng.integers(len(SKIN)))],
        hair=HAIR[int(rng.integers(len(HAIR)))],
        top=top,
        stripe=TOPS[int(rng.integers(len(TOPS)))] if striped else top,
        bottom=BOTTOMS[int(rng.integers(len(BOTTOMS)))],
        shoes=(30.0, 30.0, 32.0) if rng.random() < 0.6 else (200.0, 202.0, 206.0),
        coat=bool(rng.random() < 0.3),
        long_hair=bool(rng.random() < 0.4),
        bag=TOPS[int(rng.integers(len(TOPS)))] if rng.random() < 0.35 else None,
        helmet=TOPS[int(rng.integers(len(TOPS)))] if rng.random() < 0.6 else None,
        phase=float(rng.uniform(0, 2 * np.pi)),
    )


def pedestrian_limbs(look: Look, travelled_m: float, speed_mps: float) -> list[Limb]:
    """A walking figure; the stride follows the distance travelled, so feet do not slide."""
    h = look.height_m
    swing = 0.41 * min(1.0, abs(speed_mps) / 1.2)
    phase = 2 * np.pi * travelled_m / (0.82 * h) + look.phase
    limbs: list[Limb] = []
    feet: list[float] = []
    for side, angle in ((1.0, phase), (-1.0, phase + np.pi)):
        theta = swing * float(np.sin(angle))
        flex = 0.06 + 1.7 * swing * max(0.0, float(np.cos(angle)))
        hip = (0.0, side * 0.052 * h, 0.52 * h)
        knee = _step(hip, theta, 0.245 * h)
        ankle = _step(knee, theta - flex, 0.235 * h)
        toe = (
            ankle[0] + 0.105 * h,
            ankle[1] + side * 0.01 * h,
            ankle[2] - 0.022 * h + 0.3 * flex * -0.1 * h,
        )
        feet.append(min(ankle[2], toe[2]))
        wide = look.build * h
        limbs.append(
            Limb(a=ankle, b=toe, radius_a_m=0.026 * h, radius_b_m=0.02 * h, colour=look.shoes)
        )
        limbs.append(
            Limb(
                a=knee,
                b=ankle,
                radius_a_m=0.035 * wide,
                radius_b_m=0.025 * wide,
                colour=look.bottom,
            )
        )
        limbs.append(
            Limb(
                a=hip, b=knee, radius_a_m=0.054 * wide, radius_b_m=0.037 * wide, colour=look.bottom
            )
        )
        limbs += _arm(look, side, -0.85 * theta)
    limbs += _trunk(look, (0.0, 0.0, 0.53 * h), (0.01 * h, 0.0, 0.80 * h))
    return _grounded(limbs, min(feet) - 0.02 * h)


def cyclist_limbs(look: Look, travelled_m: float) -> list[Limb]:
    """A rider on a bicycle; wheels roll and pedals turn with the distance travelled."""
    crank = -travelled_m / 0.9 + look.phase
    limbs = bicycle(look.stripe if look.stripe != look.top else STEEL, travelled_m)
    for side, angle in ((1.0, crank), (-1.0, crank + np.pi)):
        y = side * 0.11
        pedal = (0.17 * float(np.cos(angle)), y, 0.30 + 0.17 * float(np.sin(angle)))
        hip = (-0.17, side * 0.09, 0.93)
        knee = _reach(hip, pedal, 0.44, 0.44)
        limbs.append(
            Limb(
                a=pedal,
                b=(pedal[0] + 0.14, y, pedal[2]),
                radius_a_m=0.045,
                radius_b_m=0.035,
                colour=look.shoes,
            )
        )
        limbs.append(Limb(a=knee, b=pedal, radius_a_m=0.06, radius_b_m=0.04, colour=look.bottom))
        limbs.append(Limb(a=hip, b=knee, radius_a_m=0.09, radius_b_m=0.065, colour=look.bottom))
        shoulder, grip = (0.16, side * 0.19, 1.42), (0.42, side * 0.24, 1.06)
        elbow = (0.24, side * 0.27, 1.18)
        limbs.append(
            Limb(a=shoulder, b=elbow, radius_a_m=0.055, radius_b_m=0.045, colour=look.top)
        )
        limbs.append(Limb(a=elbow, b=grip, radius_a_m=0.042, radius_b_m=0.034, colour=look.skin))
    return limbs + _trunk(look, (-0.18, 0.0, 0.95), (0.15, 0.0, 1.42), riding=True)


def _step(start: Point, angle: float, length: float) -> Point:
    """The end of a bone that hangs down, swung forward by `angle`."""
    return (
        start[0] + length * float(np.sin(angle)),
        start[1],
        start[2] - length * float(np.cos(angle)),
    )


def _reach(start: Point, end: Point, upper: float, lower: float) -> Point:
    """The joint between two bones from start to end, bent forward (law of cosines)."""
    dx, dz = end[0] - start[0], end[2] - start[2]
    distance = min(float(np.hypot(dx, dz)), upper + lower - 1e-3)
    bend = float(
        np.arccos(np.clip((upper**2 + distance**2 - lower**2) / (2 * upper * distance), -1, 1))
    )
    angle = float(np.arctan2(dz, dx)) + bend
    y = (start[1] + end[1]) / 2
    return (start[0] + upper * float(np.cos(angle)), y, start[2] + upper * float(np.sin(angle)))


def _arm(look: Look, side: float, swing: float) -> list[Limb]:
    h = look.height_m
    shoulder = (0.0, side * 0.115 * look.build * h, 0.80 * h)
    elbow = _step(shoulder, swing, 0.17 * h)
    elbow = (elbow[0], elbow[1] + side * 0.015 * h, elbow[2])
    hand = _step(elbow, swing + 0.35, 0.15 * h)
    end = (hand[0] + 0.01 * h, hand[1], hand[2] - 0.03 * h)
    sleeve = look.top
    return [
        Limb(a=shoulder, b=elbow, radius_a_m=0.034 * h, radius_b_m=0.027 * h, colour=sleeve),
        Limb(a=elbow, b=hand, radius_a_m=0.026 * h, radius_b_m=0.02 * h, colour=sleeve),
        Limb(a=hand, b=end, radius_a_m=0.019 * h, radius_b_m=0.017 * h, colour=look.skin),
    ]


def _trunk(look: Look, hips: Point, neck: Point, *, riding: bool = False) -> list[Limb]:
    """Torso, head, hair and what is carried."""
    h, wide = look.height_m, look.build * look.height_m

    def at(share: float, y: float = 0.0) -> Point:
        a, b = np.asarray(hips), np.asarray(neck)
        x, _, z = (a + (b - a) * share).tolist()
        return (x, y, z)

    limbs = []
    for y in (-0.048 * h, 0.048 * h):
        limbs.append(
            Limb(
                a=at(0.0, y),
                b=at(0.92, y * 1.4),
                radius_a_m=0.062 * wide,
                radius_b_m=0.058 * wide,
                colour=look.top,
            )
        )
    limbs.append(
        Limb(
            a=at(0.1), b=at(0.9), radius_a_m=0.072 * wide, radius_b_m=0.078 * wide, colour=look.top
        )
    )
    if look.stripe != look.top:
        limbs.append(
            Limb(
                a=at(0.55, -0.05 * h),
                b=at(0.55, 0.05 * h),
                radius_a_m=0.05 * wide,
                radius_b_m=0.05 * wide,
                colour=look.stripe,
            )
        )
    if look.coat and not riding:
        low = (hips[0], 0.0, hips[2] - 0.14 * h)
        limbs.append(
            Limb(
                a=at(0.2), b=low, radius_a_m=0.085 * wide, radius_b_m=0.10 * wide, colour=look.top
            )
        )
    if look.bag is not None:
        limbs.append(
            Limb(
                a=_moved(at(0.35), -0.10 * h),
                b=_moved(at(0.85), -0.10 * h),
                radius_a_m=0.07 * h,
                radius_b_m=0.06 * h,
                colour=look.bag,
            )
        )
    return limbs + _head(look, neck, lean=0.10 if riding else 0.015)


def _moved(point: Point, dx: float) -> Point:
    return (point[0] + dx, point[1], point[2])


def _head(look: Look, neck: Point, *, lean: float) -> list[Limb]:
    h = look.height_m
    x, _, z = neck
    face_low, face_high = (x + lean, 0.0, z + 0.085 * h), (x + lean, 0.0, z + 0.135 * h)
    crown_a, crown_b = (
        (x + lean - 0.022 * h, 0.0, z + 0.115 * h),
        (x + lean - 0.006 * h, 0.0, z + 0.142 * h),
    )
    cap = look.helmet if look.helmet is not None and lean > 0.05 else look.hair
    limbs = [
        Limb(
            a=(x, 0.0, z + 0.01 * h),
            b=face_low,
            radius_a_m=0.034 * h,
            radius_b_m=0.03 * h,
            colour=look.skin,
        ),
        Limb(
            a=face_low, b=face_high, radius_a_m=0.046 * h, radius_b_m=0.054 * h, colour=look.skin
        ),
        Limb(a=crown_a, b=crown_b, radius_a_m=0.052 * h, radius_b_m=0.056 * h, colour=cap),
    ]
    if look.long_hair:
        low = (x - 0.02 * h, 0.0, z + 0.02 * h)
        limbs.append(
            Limb(a=crown_a, b=low, radius_a_m=0.053 * h, radius_b_m=0.045 * h, colour=look.hair)
        )
    return limbs


def _grounded(limbs: list[Limb], lift: float) -> list[Limb]:
    """Move a figure down so that its lower foot stands on the ground."""
    return [
        Limb(
            a=(k.a[0], k.a[1], k.a[2] - lift),
            b=(k.b[0], k.b[1], k.b[2] - lift),
            radius_a_m=k.radius_a_m,
            radius_b_m=k.radius_b_m,
            colour=k.colour,
            line=k.line,
        )
        for k in limbs
    ]
