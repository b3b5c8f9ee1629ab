"""Side views of vehicle types: what an outline is extruded from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class BodyShape:
    """A side view; positions along the length are shares of it, rear -0.5 to front 0.5."""

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
        windscreen=(0.27, 0.10), rear_window=(-0.455, -0.36), roof_taper=0.78, wheel_m=0.31,
        axles=(-0.31, 0.31), panes=((0.08, 0.30), (0.34, 0.60), (0.64, 0.93)),
    ),
    'suv': BodyShape(
        length_m=4.7, width_m=1.92, height_m=1.74, belt_m=1.12, nose_m=0.95, tail_m=1.10,
        windscreen=(0.23, 0.10), rear_window=(-0.46, -0.41), roof_taper=0.82, wheel_m=0.37,
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
