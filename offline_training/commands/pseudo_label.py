"""Label an unlabelled road clip with a COCO detector and offline tracking."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from mot_compress_ros.console import complain, say
from mot_compress_ros.errors import InvalidOptionError
from mot_compress_ros.options import from_mapping, to_mapping
from offline_training.command_options import parse_settings
from offline_training.datasets.classes import CLASS_NAMES
from offline_training.datasets.mot_writing import GroundTruthRow, refuse_existing, SequenceWriter
from offline_training.pseudo_labels.clip import Clip
from offline_training.pseudo_labels.coco_detector import CocoDetector
from offline_training.pseudo_labels.labelling import (
    detect_clip,
    draw_labels,
    ground_truth_rows,
    without_doubles,
)
from offline_training.pseudo_labels.linking import link, LinkConfig, LinkedTrack, scaled
from offline_training.report_files import check_writable, write_report

HELP = 'label an unlabelled clip with a COCO detector and offline tracking'
MIN_SCORE = 0.15


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this command."""
    parser.add_argument('source', type=Path, help='video file or folder of images')
    parser.add_argument('output', type=Path, help='sequence folder to write (MOTChallenge layout)')
    parser.add_argument('--detector', type=Path, required=True, help='YOLOX COCO ONNX file')
    parser.add_argument('--tiles', default='', help='COLUMNSxROWS; default: by the aspect ratio')
    parser.add_argument('--stride', type=int, default=1, help='take every n-th frame')
    parser.add_argument(
        '--max-frames', type=int, default=150, help='label so many at most; default: 150'
    )
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
        help=f'defaults: {", ".join(f"{k}={v}" for k, v in to_mapping(LinkConfig()).items())}',
    )
    parser.add_argument('--preview', type=Path, help='folder for frames with the labels drawn')
    parser.add_argument('--json', type=Path, help='write a summary here')


def run(args: argparse.Namespace) -> int:
    """Detect, link, write; returns the exit code."""
    from offline_training.environment import command_line, describe_environment

    check_writable(args.json)
    config = link_config(args.link)
    if args.max_width < 1:
        raise InvalidOptionError(f'--max-width {args.max_width}: expected at least 1')
    if args.threads < 1:
        raise InvalidOptionError(f'--threads {args.threads}: expected at least 1')
    refuse_existing(args.output)
    clip = Clip(args.source, stride=args.stride, max_frames=args.max_frames, fps=args.fps)
    if clip.n_left_out:
        complain(
            f'{args.source}: the first {len(clip)} frames are labelled, --max-frames leaves '
            f'{clip.n_left_out} out'
        )
    detector = CocoDetector(args.detector, threads=args.threads, min_score=MIN_SCORE)
    found, images = detect_clip(clip, detector, tiles=args.tiles, max_width=args.max_width)
    factor = images[0][1]
    tracks = [scaled(t, factor) for t in link(found, config)]
    rows = without_doubles(ground_truth_rows(tracks, found, factor))
    # What the detector never found cannot be said to be absent.
    found_ids = sorted({row.class_id for row in rows if row.active})
    labelled = [CLASS_NAMES[class_id] for class_id in found_ids]
    writer = SequenceWriter(args.output, fps=clip.fps, labelled_classes=labelled)
    for image, _ in images:
        writer.add_image(image)
    writer.finish(rows)
    if args.preview:
        draw_labels(args.preview, [image for image, _ in images], rows)
    summary = _summary(tracks, rows, n_frames=len(images), config=config, source=args.source)
    say(json.dumps(summary, indent=2))
    if args.json:
        report = {'command': command_line(), 'environment': describe_environment(), **summary}
        write_report(args.json, {'kind': 'pseudo_labels', **report})
    return 0


def link_config(pairs: list[str]) -> LinkConfig:
    """`['min_iou=0.3']` to a configuration.

    Raises:
        InvalidOptionError: an unknown name, or a value that is not a number or out of range.
    """
    return from_mapping(LinkConfig, parse_settings(LinkConfig, pairs, flag='--link'))


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
            for class_id, name in enumerate(CLASS_NAMES)
        },
        'boxes': sum(len(t.frames) for t in kept),
        'boxes_interpolated': int(sum((t.scores == 0).sum() for t in kept)),
        'boxes_ignored': sum(not row.active for row in rows),
        'link': dict(to_mapping(config)),
    }
