"""Axes: how a camera sits in the vehicle.

Vehicle and camera body: x forward, y left, z up (REP 103, REP 105). Camera optical axes: z
forward, x right, y down. A rotation `a_from_b` takes the coordinates of a direction in b to those
in a.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import math

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.errors import InvalidOptionError

Rotation = NDArray[np.float64]  # (3, 3)
EVERY_CAMERA = '*'
OPTICAL_FROM_BODY: Rotation = np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]])


def optical_from_vehicle(*, roll_deg: float, pitch_deg: float, yaw_deg: float) -> Rotation:
    """The rotation of a camera whose body is turned in the vehicle by these angles.

    As in URDF and tf: about the vehicle's x, then y, then z axis; a positive yaw looks to the
    left, a positive pitch down.
    """
    roll, pitch, yaw = np.radians([roll_deg, pitch_deg, yaw_deg])
    about_x = _turn(roll, 1, 2)
    about_y = _turn(pitch, 2, 0)
    about_z = _turn(yaw, 0, 1)
    return OPTICAL_FROM_BODY @ (about_z @ about_y @ about_x).T


def from_quaternion(*, x: float, y: float, z: float, w: float) -> Rotation | None:
    """The rotation of a quaternion of any length above 0; None where it is not one.

    A message nobody filled in has four zeros.
    """
    length = math.sqrt(x * x + y * y + z * z + w * w)
    if not 1e-6 < length < math.inf:
        return None
    x, y, z, w = x / length, y / length, z / length, w / length
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def parse_mountings(entries: Sequence[str]) -> Mapping[str, Rotation]:
    """Rotations `optical_from_vehicle` by camera from entries `CAMERA=ROLL,PITCH,YAW`, degrees.

    Raises:
        InvalidOptionError: an entry is written otherwise, or a camera stands twice.
    """
    found: dict[str, Rotation] = {}
    for entry in entries:
        camera, _, text = entry.partition('=')
        try:
            roll, pitch, yaw = (float(part) for part in text.split(','))
        except ValueError:
            roll = pitch = yaw = math.nan
        if not camera or camera in found or not all(map(math.isfinite, (roll, pitch, yaw))):
            raise InvalidOptionError(
                f'camera_motion.mounting: got {entry!r}, expected CAMERA=ROLL,PITCH,YAW in '
                'degrees, such as rear=0,0,180, each camera once'
            )
        found[camera] = optical_from_vehicle(roll_deg=roll, pitch_deg=pitch, yaw_deg=yaw)
    return found


def mounting_of(camera: str, entries: Sequence[str]) -> Rotation:
    """The rotation `optical_from_vehicle` of a camera: its own entry, else that of `*`, else 0."""
    mountings = parse_mountings(entries)
    forward = optical_from_vehicle(roll_deg=0, pitch_deg=0, yaw_deg=0)
    return mountings.get(camera, mountings.get(EVERY_CAMERA, forward))


def _turn(angle_rad: float, first: int, second: int) -> Rotation:
    """Rotation by an angle from axis `first` towards axis `second`."""
    result = np.eye(3)
    c, s = math.cos(angle_rad), math.sin(angle_rad)
    result[[first, second], [first, second]] = c
    result[second, first], result[first, second] = s, -s
    return result
