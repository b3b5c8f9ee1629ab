"""From a clip to the rows of a ground truth file."""

from __future__ import annotations

from pathlib import Path
import sys

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from mot_compress_ros.errors import InputError, InvalidOptionError
from offline_training.datasets.classes import CYCLIST
from offline_training.datasets.mot_writing import GroundTruthRow
from offline_training.pseudo_labels.clip import Clip
from offline_training.pseudo_labels.coco_detector import CocoDetector
from offline_training.pseudo_labels.linking import LinkedTrack
from offline_training.pseudo_labels.road_classes import (
    RoadBoxes,
    to_road_boxes,
    UNATTENDED,
)

NMS_IOU = 0.55
MAX_INSIDE = 0.7  # share of a region to ignore that an object may cover


def tiling(text: str, size_wh: tuple[int, int]) -> tuple[int, int]:
    """Columns and rows: as asked, or as many near-square tiles as the image is wide."""
    if not text:
        return max(1, round(size_wh[0] / size_wh[1] + 0.2)), 1
    columns, cross, rows = text.lower().partition('x')
    if not (cross and columns.isdigit() and rows.isdigit() and int(columns) and int(rows)):
        raise InvalidOptionError(f'--tiles {text}: expected COLUMNSxROWS, for example 2x1')
    return int(columns), int(rows)


def detect_clip(
    clip: Clip, detector: CocoDetector, *, tiles: str, max_width: int
) -> tuple[list[RoadBoxes], list[tuple[NDArray[np.uint8], float]]]:
    """Boxes of every frame in source pixels, and the frames at their written size."""
    found: list[RoadBoxes] = []
    images: list[tuple[NDArray[np.uint8], float]] = []
    for image in tqdm(clip, total=len(clip), desc='detect', file=sys.stderr, leave=False):
        size_wh = (image.shape[1], image.shape[0])
        columns, rows = tiling(tiles, size_wh)
        coco = detector.detect_tiled(image, columns=columns, rows=rows)
        found.append(to_road_boxes(coco, size_wh=size_wh, max_iou=NMS_IOU))
        factor = min(1.0, max_width / size_wh[0])
        small_wh = (round(size_wh[0] * factor), round(size_wh[1] * factor))
        small = cv2.resize(image, small_wh, interpolation=cv2.INTER_AREA)
        images.append((np.asarray(small, np.uint8), factor))
    if not images:
        raise InputError('the source gave no frame; is the video damaged?')
    return found, images


def ground_truth_rows(
    tracks: list[LinkedTrack], found: list[RoadBoxes], factor: float
) -> list[GroundTruthRow]:
    """Kept tracks as objects; given-up tracks and riderless two-wheelers as regions to ignore."""
    rows = [
        GroundTruthRow(
            frame_index=int(frame),
            track_id=number,
            xyxy_px=box,
            class_id=track.class_id,
            active=track.kept,
        )
        for number, track in enumerate(sorted(tracks, key=lambda t: not t.kept), start=1)
        for frame, box in zip(track.frames, track.xyxy_px, strict=True)
    ]
    number = len(tracks)
    for frame, boxes in enumerate(found):
        for row in np.flatnonzero(boxes.class_ids == UNATTENDED):
            number += 1
            box = boxes.xyxy_px[row] * factor
            # A class is required by the format; a scorer and a trainer read `active` first.
            rows.append(
                GroundTruthRow(
                    frame_index=frame, track_id=number, xyxy_px=box, class_id=CYCLIST, active=False
                )
            )
    return rows


def without_doubles(rows: list[GroundTruthRow]) -> list[GroundTruthRow]:
    """Drop regions to ignore that lie within an object: they are second boxes of its parts."""
    objects: dict[int, list[NDArray[np.floating]]] = {}
    for row in rows:
        if row.active:
            objects.setdefault(row.frame_index, []).append(row.xyxy_px)

    def is_double(row: GroundTruthRow) -> bool:
        if row.active or row.frame_index not in objects:
            return False
        boxes = np.stack(objects[row.frame_index])  # (N, 4)
        shared = np.minimum(boxes[:, 2:], row.xyxy_px[2:]) - np.maximum(
            boxes[:, :2], row.xyxy_px[:2]
        )
        inside = np.clip(shared, 0, None).prod(axis=1)  # (N,)
        own = float(np.prod(row.xyxy_px[2:] - row.xyxy_px[:2]))
        return bool(inside.max() > MAX_INSIDE * own)

    return [row for row in rows if not is_double(row)]


def draw_labels(folder: Path, images: list[NDArray[np.uint8]], rows: list[GroundTruthRow]) -> None:
    """Write the images with objects in colour and regions to ignore in grey, to look at."""
    folder.mkdir(parents=True, exist_ok=True)
    colours = ((0, 0, 255), (0, 255, 255), (0, 255, 0))
    drawn = [image.copy() for image in images]
    for row in rows:
        image = drawn[row.frame_index]
        x1, y1, x2, y2 = (round(float(v)) for v in row.xyxy_px)
        colour = colours[row.class_id] if row.active else (160, 160, 160)
        cv2.rectangle(image, (x1, y1), (x2, y2), colour, 1)
        if row.active:
            place = (x1, max(8, y1 - 2))
            cv2.putText(image, str(row.track_id), place, cv2.FONT_HERSHEY_PLAIN, 0.8, colour)
    for index, image in enumerate(drawn):
        cv2.imwrite(str(folder / f'{index + 1:06d}.jpg'), image)
