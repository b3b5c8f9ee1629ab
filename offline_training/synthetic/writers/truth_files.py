"""Ground truth as text files: boxes as MOTChallenge has them, and metric truth beside them.

    gt.txt       frame,id,x,y,w,h,active,class,visibility
    metric.csv   positions, velocities and dimensions: METRIC_COLUMNS
    ego.csv      the camera's pose and intrinsics of each frame: EGO_COLUMNS

and, in a folder of their own if wanted, what a car knows of its own motion:

    camera.json   the camera matrix K, and where the camera sits in the car
    imu.csv       angular velocity around the vehicle's axes, rad/s: IMU_COLUMNS
    odometry.csv  speed over ground: ODOMETRY_COLUMNS

Frames count from 1; x and y from the image's corner, in pixels; boxes are clipped to the image and
hold what other things hide. `class` is ours plus one: 1 pedestrian, 2 cyclist, 3 vehicle, which
are MOTChallenge's own numbers for pedestrian, person on vehicle and car. `active` is 0 where an
object is too small or too hidden to count.
In metric.csv x, y, z are optical axes (right, down, forward) of the middle of the ground contact;
east and north are world axes.
The vehicle's axes are x forward, y left, z up. K is for pixel coordinates in which the centre of
the first pixel is (0, 0), as in sensor_msgs/CameraInfo; in those of the boxes it is (0.5, 0.5).
Stamps count from the first frame; imu.csv and odometry.csv end at or after the last frame.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import TextIO

import numpy as np

from offline_training.datasets.mot_writing import GroundTruthRow
from offline_training.synthetic.ground_truth import FrameTruth, TrueObject
from offline_training.synthetic.world import (
    CAMERA_FRAME_ID,
    CAMERA_NAME,
    CameraRig,
    VEHICLE_FRAME_ID,
)

METRIC_COLUMNS = (
    'frame', 'id', 'class', 'x_m', 'y_m', 'z_m', 'vx_mps', 'vy_mps', 'vz_mps', 'length_m',
    'width_m', 'height_m', 'heading_rad', 'east_m', 'north_m', 'u_velocity_pxps',
    'v_velocity_pxps', 'visibility', 'ignore',
)  # fmt: skip
EGO_COLUMNS = (
    'frame', 'stamp_ns', 'east_m', 'north_m', 'height_m', 'heading_rad', 'pitch_rad', 'focal_px',
    'cx_px', 'cy_px',
)  # fmt: skip
IMU_COLUMNS = ('stamp_ns', 'wx', 'wy', 'wz')
ODOMETRY_COLUMNS = ('stamp_ns', 'speed_mps')


class TruthFiles:
    """Writes the files as frames come; a context manager.

    Args:
        folder: of boxes, metric truth and poses; made where it is missing.
        motion_folder: of camera.json, imu.csv and odometry.csv; the same where it is None.
    """

    def __init__(self, folder: Path, motion_folder: Path | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._motion_folder = motion_folder or folder
        self._boxes = _opened(folder / 'gt.txt')
        self._metric = _opened(folder / 'metric.csv', METRIC_COLUMNS)
        self._ego = _opened(folder / 'ego.csv', EGO_COLUMNS)
        self._imu = _opened(self._motion_folder / 'imu.csv', IMU_COLUMNS)
        self._odometry = _opened(self._motion_folder / 'odometry.csv', ODOMETRY_COLUMNS)
        self._first = True

    def __enter__(self) -> TruthFiles:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for file in (self._boxes, self._metric, self._ego, self._imu, self._odometry):
            file.close()

    def write(self, truth: FrameTruth) -> None:
        """Append one frame."""
        number = truth.frame_index + 1
        self._boxes.writelines(box_lines(truth))
        self._metric.writelines(_metric_line(number, item) for item in truth.objects)
        self._ego.write(_ego_line(number, truth))
        samples = truth.inertial
        for stamp_ns, rate, speed in zip(
            samples.stamps_ns, samples.angular_velocity_radps, samples.speed_mps, strict=True
        ):
            self._imu.write(f'{stamp_ns},{rate[0]:.9f},{rate[1]:.9f},{rate[2]:.9f}\n')
            self._odometry.write(f'{stamp_ns},{speed:.6f}\n')
        if self._first:
            self._first = False
            text = json.dumps(camera_record(truth.rig), indent=2)
            (self._motion_folder / 'camera.json').write_text(text + '\n', encoding='ascii')


def camera_record(rig: CameraRig) -> dict[str, object]:
    """What camera.json says: K, and the mounting in the vehicle frame of rotations and metres."""
    return {
        'camera': CAMERA_NAME,
        'frame_id': CAMERA_FRAME_ID,
        'size_wh': list(rig.size_wh),
        'K': rig.intrinsics.tolist(),
        'distortion': [0.0] * 5,
        'mounting': {
            'frame_id': VEHICLE_FRAME_ID,
            'rotation_optical_from_vehicle': rig.rotation.tolist(),
            'position_m': [0.0, 0.0, rig.height_m],
        },
        'imu_hz': rig.imu_hz,
    }


def _opened(path: Path, columns: tuple[str, ...] = ()) -> TextIO:
    file = path.open('w', encoding='ascii', newline='\n')
    if columns:
        file.write(','.join(columns) + '\n')
    return file


def box_lines(truth: FrameTruth) -> list[str]:
    """Lines of gt.txt for one frame; objects of which nothing shows are left out."""
    lines = []
    for item in truth.objects:
        x0, y0, x1, y1 = item.clipped_xyxy_px
        if item.visibility <= 0 or x1 - x0 < 1 or y1 - y0 < 1:
            continue
        row = GroundTruthRow(
            frame_index=truth.frame_index,
            track_id=item.track_id,
            xyxy_px=np.array(item.clipped_xyxy_px),
            class_id=item.class_id,
            active=not item.ignore,
            visibility=item.visibility,
        )
        lines.append(f'{row.text()}\n')
    return lines


def _metric_line(frame_number: int, item: TrueObject) -> str:
    numbers = (
        *item.position_m, *item.velocity_mps, *item.size_m, item.heading_rad,
        *item.world_position_m, *item.centre_velocity_pxps, item.visibility,
    )  # fmt: skip
    values = ','.join(f'{v:.4f}' for v in numbers)
    return f'{frame_number},{item.track_id},{item.class_id + 1},{values},{int(item.ignore)}\n'


def _ego_line(frame_number: int, truth: FrameTruth) -> str:
    camera = truth.camera
    pose = (*camera.position_m, camera.heading_rad, camera.pitch_rad)
    values = ','.join(f'{v:.6f}' for v in (*pose, camera.focal_px, *camera.centre_px))
    return f'{frame_number},{truth.stamp_ns},{values}\n'
