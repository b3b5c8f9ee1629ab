"""Light of a scene: sun, sky, fog, lamps, and how they colour a surface."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Colour = tuple[float, float, float]  # blue, green, red


@dataclass(frozen=True, kw_only=True)
class Light:
    """Gains are per channel in BGR; 1 shows a surface in its own colour."""

    name: str
    ambient: Colour
    sun: Colour
    sun_direction: tuple[float, float, float]  # unit vector towards the sun
    shadow: float  # how much of the ground's light a shadow takes, 0 to 1
    sky_top: Colour
    sky_horizon: Colour
    clouds: float
    fog_colour: Colour
    fog_distance_m: float  # where 63 % of the light is fog
    lamps: float  # strength of street lamps and headlights, 0 by day
    exposure_drift: float  # relative amplitude
    noise: float  # standard deviation in grey levels

    def shade(self, normals: Array) -> Array:
        """Gain of surfaces with unit normals (N, 3), BGR (N, 3)."""
        sun = np.clip(normals @ np.asarray(self.sun_direction), 0.0, None)[:, None]
        ambient = (0.78 + 0.22 * normals[:, 2])[:, None]
        return ambient * np.asarray(self.ambient) + sun * np.asarray(self.sun)

    def haze(self, depth_m: Array) -> Array:
        """Share of the fog colour at a depth, 0 to 1."""
        return 1.0 - np.exp(-np.maximum(depth_m, 0.0) / self.fog_distance_m)

    def lamp_gain(self, ahead_m: Array, aside_m: Array, along_road_m: Array) -> Array:
        """Extra gain at night from our headlights and from street lamps 25 m apart."""
        if self.lamps == 0.0:
            return np.zeros_like(ahead_m)
        angle = np.arctan2(aside_m, np.maximum(ahead_m, 0.1))
        reach = 1.0 / (1.0 + (ahead_m / 20.0) ** 2)
        beam = 0.75 * np.exp(-((angle / 0.42) ** 2)) * reach * np.clip(ahead_m / 3.0, 0, 1)
        to_lamp = (along_road_m + 12.5) % 25.0 - 12.5
        pool = 0.38 * np.exp(-((to_lamp / 7.5) ** 2))
        return self.lamps * (beam + pool)


def choose_light(name: str, rng: np.random.Generator) -> Light:
    """The light called `name`, with its sun, colours and haze drawn from `rng`."""
    return MAKERS[name](rng)


def _sun_direction(rng: np.random.Generator, low_deg: float, high_deg: float) -> tuple[float, ...]:
    elevation = np.radians(rng.uniform(low_deg, high_deg))
    azimuth = rng.uniform(0.0, 2 * np.pi)
    flat = np.cos(elevation)
    return (flat * np.cos(azimuth), flat * np.sin(azimuth), float(np.sin(elevation)))


def _day(rng: np.random.Generator) -> Light:
    warmth, haze = rng.uniform(-0.03, 0.03), rng.uniform(350, 900)
    return Light(
        name='day',
        ambient=(0.68 - warmth, 0.65, 0.63 + warmth),
        sun=(0.42, 0.48, 0.52),
        sun_direction=_sun_direction(rng, 28, 62),  # type: ignore[arg-type]
        shadow=0.48,
        sky_top=(216, 158, 98),
        sky_horizon=(236, 222, 204),
        clouds=rng.uniform(0.2, 0.9),
        fog_colour=(226, 214, 200),
        fog_distance_m=haze,
        lamps=0.0,
        exposure_drift=rng.uniform(0.01, 0.06),
        noise=rng.uniform(0.8, 2.5),
    )


def _cloudy(rng: np.random.Generator) -> Light:
    level = rng.uniform(0.72, 0.9)
    return Light(
        name='cloudy',
        ambient=(level * 1.03, level, level * 0.97),
        sun=(0.08, 0.08, 0.08),
        sun_direction=_sun_direction(rng, 40, 70),  # type: ignore[arg-type]
        shadow=0.14,
        sky_top=(196, 188, 180),
        sky_horizon=(222, 220, 218),
        clouds=1.0,
        fog_colour=(212, 210, 206),
        fog_distance_m=rng.uniform(160, 500),
        lamps=0.0,
        exposure_drift=rng.uniform(0.01, 0.05),
        noise=rng.uniform(1.0, 3.0),
    )


def _dusk(rng: np.random.Generator) -> Light:
    return Light(
        name='dusk',
        ambient=(0.50, 0.41, 0.40),
        sun=(0.14, 0.27, 0.42),
        sun_direction=_sun_direction(rng, 8, 18),  # type: ignore[arg-type]
        shadow=0.30,
        sky_top=(150, 104, 82),
        sky_horizon=(118, 168, 232),
        clouds=rng.uniform(0.3, 0.9),
        fog_colour=(142, 152, 180),
        fog_distance_m=rng.uniform(250, 600),
        lamps=rng.uniform(0.1, 0.35),
        exposure_drift=rng.uniform(0.02, 0.06),
        noise=rng.uniform(1.5, 3.5),
    )


def _night(rng: np.random.Generator) -> Light:
    return Light(
        name='night',
        ambient=(0.20, 0.165, 0.15),
        sun=(0.0, 0.0, 0.0),
        sun_direction=(0.0, 0.0, 1.0),
        shadow=0.25,
        sky_top=(34, 22, 16),
        sky_horizon=(62, 48, 44),
        clouds=rng.uniform(0.0, 0.4),
        fog_colour=(46, 38, 36),
        fog_distance_m=rng.uniform(150, 400),
        lamps=rng.uniform(0.8, 1.1),
        exposure_drift=rng.uniform(0.02, 0.08),
        noise=rng.uniform(2.5, 5.0),
    )


def _fog(rng: np.random.Generator) -> Light:
    level = rng.uniform(0.72, 0.85)
    grey = rng.uniform(186, 210)
    return Light(
        name='fog',
        ambient=(level * 1.02, level, level * 0.98),
        sun=(0.03, 0.03, 0.03),
        sun_direction=(0.0, 0.0, 1.0),
        shadow=0.10,
        sky_top=(grey, grey, grey),
        sky_horizon=(grey + 4, grey + 3, grey),
        clouds=0.0,
        fog_colour=(grey + 4, grey + 3, grey),
        fog_distance_m=rng.uniform(32, 75),
        lamps=0.0,
        exposure_drift=rng.uniform(0.01, 0.04),
        noise=rng.uniform(1.0, 3.0),
    )


MAKERS: dict[str, Callable[[np.random.Generator], Light]] = {
    'day': _day,
    'cloudy': _cloudy,
    'dusk': _dusk,
    'night': _night,
    'fog': _fog,
}
