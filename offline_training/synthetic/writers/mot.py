"""A sequence folder as MOTChallenge lays it out, plus metric truth.

    NAME/seqinfo.ini
    NAME/img1/000001.jpg ...
    NAME/gt/gt.txt       frame,id,x,y,w,h,active,class,visibility
    NAME/gt/metric.csv   positions, velocities and dimensions, see METRIC_COLUMNS
    NAME/gt/ego.csv      the camera's pose and intrinsics of each frame

Frames and pixels count from 1, as in MOTChallenge; boxes are clipped to the image. `class` is ours plus
one: 1 pedestrian, 2 cyclist, 3 vehicle (MOTChallenge's own 1 pedestrian, 2 person on vehicle, 3 car).
`active` is 0 where the object is too small or too hidden to count.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2

from mot_compress_ros.errors import InputError
from offline_training.synthetic.ground_truth import FrameTruth, TrueObject
from offline_training.synthetic.scene import SyntheticFrame

METRIC_COLUMNS = (
    'frame', 'id', 'class', 'x_m', 'y_m', 'z_m', 'vx_mps', 'vy_mps', 'vz_mps', 'length_m',
    'width_m', 'height_m', 'heading_rad', 'east_m', 'north_m', 'u_velocity_pxps',
    'v_velocity_pxps', 'visibility', 'ignore',
)  # fmt: skip
EGO_COLUMNS = (
    'frame', 'stamp_ns', 'east_m', 'north_m', 'height_m', 'heading_rad', 'pitch_rad', 'focal_px',
    'cx_px', 'cy_px',
)  # fmt: skip


def write_mot(
    frames: Iterable[SyntheticFrame], path: Path, *, fps: float, quality: int
) -> Path:
    """Write one sequence into the folder `path` (made here) and return it.

    Raises:
        InputError: the folder has frames already.
    """
    folder = path
    images, truth = folder / 'img1', folder / 'gt'
    if images.exists():
        raise InputError(f'{folder} holds a sequence already; choose another output folder')
    images.mkdir(parents=True)
    truth.mkdir(parents=True, exist_ok=True)
    count, size = 0, (0, 0)
    with (
        (truth / 'gt.txt').open('w') as boxes,
        (truth / 'metric.csv').open('w') as metric,
        (truth / 'ego.csv').open('w') as ego,
    ):
        metric.write(','.join(METRIC_COLUMNS) + '\n')
        ego.write(','.join(EGO_COLUMNS) + '\n')
        for frame in frames:
            count += 1
            size = (frame.image_bgr.shape[1], frame.image_bgr.shape[0])
            path = images / f'{count:06d}.jpg'
            cv2.imwrite(str(path), frame.image_bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
            boxes.writelines(mot_lines(frame.truth, frame_number=count))
            metric.writelines(_metric_line(count, item) for item in frame.truth.objects)
            ego.write(_ego_line(count, frame.truth))
    (folder / 'seqinfo.ini').write_text(_sequence_info(folder.name, fps, count, size))
    return folder


def mot_lines(truth: FrameTruth, *, frame_number: int) -> list[str]:
    """Lines of gt.txt for one frame; objects of which nothing shows are left out."""
    lines = []
    for item in truth.objects:
        x0, y0, x1, y1 = item.clipped_xyxy_px
        if item.visibility <= 0 or x1 - x0 < 1 or y1 - y0 < 1:
            continue
        # Pixel (0, 0) has its centre at (0, 0) here and at (1, 1) in MOTChallenge.
        lines.append(
            f'{frame_number},{item.track_id},{x0 + 1:.2f},{y0 + 1:.2f},{x1 - x0:.2f},{y1 - y0:.2f},'
            f'{int(not item.ignore)},{item.class_id + 1},{item.visibility:.3f}\n'
        )
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
    numbers = (
        *camera.position_m, camera.heading_rad, camera.pitch_rad, camera.focal_px,
        *camera.centre_px,
    )  # fmt: skip
    values = ','.join(f'{v:.6f}' for v in numbers)
    return f'{frame_number},{truth.stamp_ns},{values}\n'


def _sequence_info(name: str, fps: float, count: int, size_wh: tuple[int, int]) -> str:
    return (
        f'[Sequence]\nname={name}\nimDir=img1\nframeRate={fps:g}\nseqLength={count}\n'
        f'imWidth={size_wh[0]}\nimHeight={size_wh[1]}\nimExt=.jpg\n'
    )
