"""Ground truth as text files: boxes as MOTChallenge has them, and metric truth beside them.

    gt.txt       frame,id,x,y,w,h,active,class,visibility
    metric.csv   positions, velocities and dimensions: METRIC_COLUMNS
    ego.csv      the camera's pose and intrinsics of each frame: EGO_COLUMNS

Frames count from 1; x and y from the image's corner, in pixels; boxes are clipped to the image and
hold what other things hide. `class` is ours plus one: 1 pedestrian, 2 cyclist, 3 vehicle, which
are MOTChallenge's own numbers for pedestrian, person on vehicle and car. `active` is 0 where an
object is too small or too hidden to count.
In metric.csv x, y, z are optical axes (right, down, forward) of the middle of the ground contact;
east and north are world axes.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import numpy as np

from offline_training.datasets.mot_writing import GroundTruthRow
from offline_training.synthetic.ground_truth import FrameTruth, TrueObject

METRIC_COLUMNS = (
    'frame', 'id', 'class', 'x_m', 'y_m', 'z_m', 'vx_mps', 'vy_mps', 'vz_mps', 'length_m',
    'width_m', 'height_m', 'heading_rad', 'east_m', 'north_m', 'u_velocity_pxps',
    'v_velocity_pxps', 'visibility', 'ignore',
)  # fmt: skip
EGO_COLUMNS = (
    'frame', 'stamp_ns', 'east_m', 'north_m', 'height_m', 'heading_rad', 'pitch_rad', 'focal_px',
    'cx_px', 'cy_px',
)  # fmt: skip


class TruthFiles:
    """Writes the three files into a folder as frames come; a context manager."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._boxes = (folder / 'gt.txt').open('w', encoding='ascii', newline='\n')
        self._metric = (folder / 'metric.csv').open('w', encoding='ascii', newline='\n')
        self._ego = (folder / 'ego.csv').open('w', encoding='ascii', newline='\n')
        self._metric.write(','.join(METRIC_COLUMNS) + '\n')
        self._ego.write(','.join(EGO_COLUMNS) + '\n')

    def __enter__(self) -> TruthFiles:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for file in (self._boxes, self._metric, self._ego):
            file.close()

    def write(self, truth: FrameTruth) -> None:
        """Append one frame."""
        number = truth.frame_index + 1
        self._boxes.writelines(box_lines(truth))
        self._metric.writelines(_metric_line(number, item) for item in truth.objects)
        self._ego.write(_ego_line(number, truth))


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
