"""Options of the compensation of camera motion."""

from __future__ import annotations

from dataclasses import dataclass

from mot_compress_ros.camera_motion.mounting import parse_mountings
from mot_compress_ros.options import option


@dataclass(frozen=True, kw_only=True)
class CameraMotionConfig:
    """Where the camera's motion is taken from, and how far an estimate is trusted.

    Raises:
        InvalidOptionError: an entry of `mounting` is not legal.
    """

    source: str = option(
        'none',
        "where the camera's own motion between two frames is taken from; none: the camera is "
        'taken as still',
        choices=('none', 'image', 'odometry', 'imu'),
    )
    width_px: int = option(
        320,
        'image: the picture is looked at no wider than this',
        minimum=64,
        maximum=1920,
        unit='px',
    )
    points: int = option(
        150, 'image: at most so many points are followed', minimum=20, maximum=2000
    )
    min_points: int = option(
        12, 'image: so many points at least have to agree', minimum=6, maximum=1000
    )
    min_agreement: float = option(
        0.3, 'image: this share of the followed points at least has to agree', minimum=0, maximum=1
    )
    mask_margin: float = option(
        0.05,
        'image: boxes of tracks, where no point is taken, are grown by this share of their size',
        minimum=0,
        maximum=1,
    )
    field_of_view_deg: float = option(
        67.0,
        'image: horizontal view of a camera whose camera_info is not known',
        minimum=5,
        maximum=170,
        unit='deg',
    )
    max_turn_deg: float = option(
        30.0,
        'a larger turn between two frames is taken for an error',
        minimum=0.1,
        maximum=80,
        unit='deg',
    )
    reach_s: float = option(
        0.1,
        'odometry, imu: a measured angular velocity holds for so long before and after its stamp',
        minimum=0.001,
        maximum=10,
        unit='s',
    )
    stamp_offset_s: float = option(
        0.0,
        'odometry, imu: added to the stamp of an image to get the time of its exposure on the '
        "clock of the measurements; half the exposure, or the camera's delay with a minus",
        minimum=-1,
        maximum=1,
        unit='s',
    )
    mounting: tuple[str, ...] = option(
        ('*=0,0,0',),
        'CAMERA=ROLL,PITCH,YAW: degrees by which a camera is turned against the vehicle (x '
        'forward, y left, z up), 0,0,0 looks forward, 0,0,180 backward; * stands for every '
        'camera without an entry',
    )

    def __post_init__(self) -> None:
        parse_mountings(self.mounting)
