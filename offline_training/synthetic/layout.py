"""The plan of the town: one avenue northward, cross streets, buildings, trees and lamps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BLOCK_M = 80.0  # from one cross street to the next; the ground repeats with it
LANE_M = 3.4
CROSS_HALF_M = LANE_M + 1.2
LAMP_STEP_M = 25.0


@dataclass(frozen=True, kw_only=True)
class Road:
    """Cross-section of the avenue, which runs along x = 0; traffic keeps right."""

    lanes: int  # per direction
    parking: bool
    sidewalk_m: float
    setback_m: float  # from the sidewalk to the buildings

    @property
    def half_m(self) -> float:
        """From the middle to the kerb."""
        return self.lanes * LANE_M + (2.4 if self.parking else 0.5)

    @property
    def front_m(self) -> float:
        """From the middle to the building line."""
        return self.half_m + self.sidewalk_m + self.setback_m

    def lane_x_m(self, lane: int) -> float:
        """Middle of a northbound lane, 0 is next to the middle line."""
        return (lane + 0.5) * LANE_M


@dataclass(frozen=True, kw_only=True)
class Building:
    """A box: its ground rectangle, height and facade texture."""

    x_m: tuple[float, float]
    y_m: tuple[float, float]
    height_m: float
    facade: int
    roof_m: float = 0.0  # height of a pitched roof on top; its ridge runs along y


@dataclass(frozen=True, kw_only=True)
class Prop:
    """A thing that stands still: a tree, a lamp post or a sign."""

    kind: str
    x_m: float
    y_m: float
    height_m: float
    variant: int


@dataclass(frozen=True, kw_only=True)
class Town:
    """All that stands still."""

    road: Road
    surroundings: str
    buildings: tuple[Building, ...]
    props: tuple[Prop, ...]


def draw_road(surroundings: str, rng: np.random.Generator) -> Road:
    """An avenue as wide as its surroundings have it."""
    if surroundings == 'city':
        lanes, parking = int(rng.choice([1, 2])), bool(rng.random() < 0.7)
        return Road(lanes=lanes, parking=parking, sidewalk_m=rng.uniform(3.2, 5.0), setback_m=0.2)
    if surroundings == 'suburb':
        return Road(
            lanes=1, parking=bool(rng.random() < 0.6), sidewalk_m=2.4, setback_m=rng.uniform(4, 8)
        )
    return Road(lanes=int(rng.choice([1, 2])), parking=False, sidewalk_m=2.2, setback_m=12.0)


def draw_town(
    road: Road, surroundings: str, y_range_m: tuple[float, float], rng: np.random.Generator
) -> Town:
    """Fill the blocks that touch `y_range_m`."""
    buildings: list[Building] = []
    props: list[Prop] = []
    first, last = (int(np.floor(y / BLOCK_M)) for y in y_range_m)
    for block in range(first, last + 1):
        for side in (-1.0, 1.0):
            buildings += _block_buildings(road, surroundings, block * BLOCK_M, side, rng)
            props += _block_props(road, surroundings, block * BLOCK_M, side, rng)
    return Town(
        road=road, surroundings=surroundings, buildings=tuple(buildings), props=tuple(props)
    )


def _block_buildings(
    road: Road, surroundings: str, y0: float, side: float, rng: np.random.Generator
) -> list[Building]:
    if surroundings == 'open':
        return []
    margin = CROSS_HALF_M + 3.0
    low, high = y0 + margin, y0 + BLOCK_M - margin
    result: list[Building] = []
    y = low
    while y < high - 6.0:
        width = min(float(rng.uniform(9, 20)), high - y)
        depth = float(rng.uniform(10, 18))
        tall = rng.uniform(9, 26) if surroundings == 'city' else rng.uniform(5.0, 8.5)
        gap = 0.0 if surroundings == 'city' else float(rng.uniform(3, 8))
        result.append(_building(side, road.front_m, depth, (y, y + width), float(tall), rng))
        y += width + gap
    x = road.front_m + 16.0
    while x < 110.0:  # along the cross streets, seen from the crossing
        width = float(rng.uniform(12, 20))
        tall = rng.uniform(9, 24) if surroundings == 'city' else rng.uniform(5.0, 8.5)
        result.append(_building(side, x, width, (low, low + 14.0), float(tall), rng))
        x += width + (0.0 if surroundings == 'city' else 6.0)
    return result


def _building(
    side: float,
    x: float,
    depth: float,
    y_m: tuple[float, float],
    height: float,
    rng: np.random.Generator,
) -> Building:
    roof = float(rng.uniform(1.8, 3.2)) if height < 9.0 else 0.0
    ends = sorted((side * x, side * (x + depth)))
    return Building(
        x_m=(ends[0], ends[1]),
        y_m=y_m,
        height_m=height,
        facade=int(rng.integers(1 << 16)),
        roof_m=roof,
    )


def _block_props(
    road: Road, surroundings: str, y0: float, side: float, rng: np.random.Generator
) -> list[Prop]:
    props: list[Prop] = []
    kerb = side * (road.half_m + 0.7)
    for k in range(3):
        y = y0 + CROSS_HALF_M + 8.0 + k * LAMP_STEP_M
        props.append(Prop(kind='lamp', x_m=kerb, y_m=y, height_m=7.0, variant=int(side)))
    chance = {'city': 0.45, 'suburb': 0.6, 'open': 0.5}[surroundings]
    for y in np.arange(y0 + CROSS_HALF_M + 5.0, y0 + BLOCK_M - CROSS_HALF_M - 4.0, 7.5):
        if rng.random() < chance:
            far = 0.0 if surroundings == 'city' else float(rng.uniform(2.0, 6.0))
            x = kerb + side * (0.2 + far)
            height = float(rng.uniform(4.5, 9.0))
            y = float(y + rng.uniform(-1, 1))
            props.append(
                Prop(kind='tree', x_m=x, y_m=y, height_m=height, variant=int(rng.integers(8)))
            )
    if surroundings == 'open':
        for _ in range(14):
            x = side * float(rng.uniform(road.front_m, 70.0))
            y = float(y0 + rng.uniform(8, BLOCK_M - 8))
            height = float(rng.uniform(4.0, 11.0))
            props.append(
                Prop(kind='tree', x_m=x, y_m=y, height_m=height, variant=int(rng.integers(8)))
            )
    y = y0 - CROSS_HALF_M - 5.2
    props.append(
        Prop(kind='signal', x_m=side * (road.half_m + 0.5), y_m=y, height_m=3.4, variant=0)
    )
    if rng.random() < 0.7:
        y = float(y0 + rng.uniform(15, 60))
        variant = int(rng.integers(4))
        props.append(Prop(kind='sign', x_m=kerb, y_m=y, height_m=2.7, variant=variant))
    return props
