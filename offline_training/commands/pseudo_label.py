"""Label an unlabelled road clip with a COCO detector and offline tracking."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
import sys

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from mot_compress_ros.errors import InputError, InvalidOptionError
from mot_compress_ros.options import from_mapping, to_mapping
from offline_training.datasets.mot_writing import GroundTruthRow, SequenceWriter
from offline_training.pseudo_labels.clip import Clip
from offline_training.pseudo_labels.coco_detector import CocoDetector
from offline_training.pseudo_labels.linking import link, LinkConfig, LinkedTrack, scaled
from offline_training.pseudo_labels.road_classes import (
    PEDESTRIAN,
    RoadBoxes,
    to_road_boxes,
    UNATTENDED,
    VEHICLE,
)

HELP = 'label an unlabelled clip with a COCO detector and offline tracking'
NMS_IOU = 0.55
MIN_SCORE = 0.15
MAX_INSIDE = 0.7  # share of a region to ignore that an object may cover


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this command."""
    parser.add_argument('source', type=Path, help='video file or folder of images')
    parser.add_argument('output', type=Path, help='sequence folder to write (MOTChallenge layout)')
    parser.add_argument('--detector', type=Path, required=True, help='YOLOX COCO ONNX file')
    parser.add_argument('--tiles', default='', help='COLUMNSxROWS; default: by the aspect ratio')
    parser.add_argument('--stride', type=int, default=1, help='take every n-th frame')
    parser.add_argument('--max-frames', type=int, default=150)
    parser.add_argument('--max-width', type=int, default=640, help='of the images written, px')
    parser.add_argument(
        '--fps', type=float, help='true frame rate; default: what the video says, 10 for a folder'
    )
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument(
        '--link',
        action='append',
        default=[],
        metavar='NAME=VALUE',
        help=f'options: {", ".join(str(v) for v in to_mapping(LinkConfig()).items())}',
    )
    parser.add_argument('--preview', type=Path, help='folder for frames with the labels drawn')
    parser.add_argument('--json', type=Path, help='write a summary here')


def run(args: argparse.Namespace) -> int:
    """Detect, link, write; returns the exit code."""
    config = link_config(args.link)
    clip = Clip(args.source, stride=args.stride, max_frames=args.max_frames, fps=args.fps)
    detector = CocoDetector(args.detector, threads=args.threads, min_score=MIN_SCORE)
    found, images = _detect(clip, detector, tiles=args.tiles, max_width=args.max_width)
    factor = images[0][1]
    tracks = [scaled(t, factor) for t in link(found, config)]
    rows = without_doubles(ground_truth_rows(tracks, found, factor))
    writer = SequenceWriter(args.output, fps=clip.fps)
    for image, _ in images:
        writer.add_image(image)
    writer.finish(rows)
    if args.preview:
        _draw(args.preview, [image for image, _ in images], rows)
    summary = _summary(tracks, rows, n_frames=len(images), config=config, source=args.source)
    sys.stdout.write(json.dumps(summary, indent=2) + '\n')
    if args.json:
        args.json.write_text(json.dumps(summary, indent=2) + '\n', encoding='utf-8')
    return 0


def link_config(pairs: list[str]) -> LinkConfig:
    """`['min_iou=0.3']` to a configuration.

    Raises:
        InvalidOptionError: an unknown name, or a value that is not a number or out of range.
    """
    values: dict[str, object] = {}
    defaults = to_mapping(LinkConfig())
    for pair in pairs:
        name, _, text = pair.partition('=')
        try:
            values[name] = int(text) if isinstance(defaults.get(name), int) else float(text)
        except ValueError:
            raise InvalidOptionError(f'--link {pair}: expected NAME=NUMBER') from None
    return from_mapping(LinkConfig, values)


def _tiling(text: str, size_wh: tuple[int, int]) -> tuple[int, int]:
    """Columns and rows: as asked, or as many near-square tiles as the image is wide."""
    if not text:
        return max(1, round(size_wh[0] / size_wh[1] + 0.2)), 1
    columns, cross, rows = text.lower().partition('x')
    if not (cross and columns.isdigit() and rows.isdigit() and int(columns) and int(rows)):
        raise InvalidOptionError(f'--tiles {text}: expected COLUMNSxROWS, for example 2x1')
    return int(columns), int(rows)


def _detect(
    clip: Clip, detector: CocoDetector, *, tiles: str, max_width: int
) -> tuple[list[RoadBoxes], list[tuple[NDArray[np.uint8], float]]]:
    """Boxes of every frame in source pixels, and the frames at their written size."""
    found: list[RoadBoxes] = []
    images: list[tuple[NDArray[np.uint8], float]] = []
    for image in tqdm(clip, total=len(clip), desc='detect', file=sys.stderr, leave=False):
        size_wh = (image.shape[1], image.shape[0])
        columns, rows = _tiling(tiles, size_wh)
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
            class_id=track.class_id if track.class_id != UNATTENDED else PEDESTRIAN,
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
                    frame_index=frame, track_id=number, xyxy_px=box, class_id=1, active=False
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


def _draw(folder: Path, images: list[NDArray[np.uint8]], rows: list[GroundTruthRow]) -> None:
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


def _summary(
    tracks: list[LinkedTrack],
    rows: list[GroundTruthRow],
    *,
    n_frames: int,
    config: LinkConfig,
    source: Path,
) -> dict[str, object]:
    kept = [t for t in tracks if t.kept]
    return {
        'source': source.name,
        'frames': n_frames,
        'tracks': {
            name: sum(t.class_id == class_id for t in kept)
            for class_id, name in enumerate(('pedestrian', 'cyclist', 'vehicle')[: VEHICLE + 1])
        },
        'boxes': sum(len(t.frames) for t in kept),
        'boxes_interpolated': int(sum((t.scores == 0).sum() for t in kept)),
        'boxes_ignored': sum(not row.active for row in rows),
        'link': dict(to_mapping(config)),
    }
