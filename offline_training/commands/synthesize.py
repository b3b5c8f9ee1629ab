"""`python -m offline_training synthesize`: write seeded road scenes with ground truth."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
import sys
from typing import TypeVar

from tqdm import tqdm

from mot_compress_ros.errors import InvalidOptionError
from offline_training.command_options import parse_size
from offline_training.synthetic.box_scene import generate_boxes
from offline_training.synthetic.config import LIGHTS, RANDOM, SCENARIOS, SceneConfig, SURROUNDINGS
from offline_training.synthetic.ego_levels import LEVELS
from offline_training.synthetic.scene import generate
from offline_training.synthetic.writers import STORAGES, write_boxes, WriteOptions, WRITERS

# Field of SceneConfig: name of its option.
COUNTS = {
    'n_vehicles': 'vehicles',
    'n_parked': 'parked',
    'n_pedestrians': 'pedestrians',
    'n_cyclists': 'cyclists',
}
_Frame = TypeVar('_Frame')
HELP = 'write synthetic road scenes: MOT folders, videos or rosbag2 bags, with ground truth'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options; scene defaults are those of SceneConfig."""
    defaults = SceneConfig()
    parser.add_argument('output', type=Path, help='folder (mot, bag) or file (video) to write')
    parser.add_argument('--format', choices=sorted(WRITERS), default='mot')
    parser.add_argument('--seed', type=int, default=0, help='of the first sequence')
    parser.add_argument('--sequences', type=int, default=1, help='seeds go up by one')
    parser.add_argument('--frames', type=int, default=120, help='frames of each sequence')
    parser.add_argument('--size', default='x'.join(map(str, defaults.size_wh)), metavar='WxH')
    parser.add_argument('--fps', type=float, default=defaults.fps)
    parser.add_argument('--light', choices=(*LIGHTS, RANDOM, 'all'), default=RANDOM,
                        help="'all' goes through the lights in turn")  # fmt: skip
    parser.add_argument('--scenario', choices=(*SCENARIOS, RANDOM), default=RANDOM)
    parser.add_argument('--surroundings', choices=(*SURROUNDINGS, RANDOM), default=RANDOM)
    for name, what in COUNTS.items():
        low, high = getattr(defaults, name)
        parser.add_argument(f'--{what}', type=parse_range, default=(low, high), metavar='LOW-HIGH',
                            help=f'how many; default {low}-{high}')  # fmt: skip
    parser.add_argument('--density', type=float, default=defaults.density,
                        help='multiplies all of these counts')  # fmt: skip
    _add_ego_arguments(parser, defaults)
    parser.add_argument('--boxes-only', action='store_true',
                        help='truth without images, many times faster; mot')  # fmt: skip
    parser.add_argument('--quality', type=int, default=90, help='of JPEG images, 1 to 100')
    parser.add_argument('--storage', choices=STORAGES, default='mcap', help='of a bag')
    parser.add_argument('--raw-images', action='store_true', help='add sensor_msgs/Image to a bag')


def _add_ego_arguments(parser: argparse.ArgumentParser, defaults: SceneConfig) -> None:
    parser.add_argument('--ego', choices=tuple(LEVELS), default=defaults.ego,
                        help="how hard the camera car drives; but for 'calm' it takes corners "
                             'and drives over bumps')  # fmt: skip
    parser.add_argument('--turns', type=int, default=defaults.turns,
                        help="corners taken, 0 to 2; default: the level's")  # fmt: skip
    parser.add_argument('--ego-yaw-deg-s', type=float, default=defaults.ego_yaw_deg_s,
                        help="yaw rate in corners; default: the level's")  # fmt: skip
    parser.add_argument('--ego-pitch-bounce-deg', type=float,
                        default=defaults.ego_pitch_bounce_deg,
                        help="peak pitch of bumps; default: the level's")  # fmt: skip
    parser.add_argument('--imu-hz', type=float, default=defaults.imu_hz,
                        help='rate of the inertial truth')  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Write the sequences; with more than one, each goes into OUTPUT/synthetic-SEED."""
    if args.sequences < 1 or args.frames < 1:
        raise InvalidOptionError('--sequences and --frames: at least 1 each')
    if args.boxes_only and args.format != 'mot':
        raise InvalidOptionError(f'--boxes-only: got --format {args.format}, legal: mot')
    write, suffix = WRITERS[args.format]
    options = WriteOptions(
        fps=args.fps, quality=args.quality, storage=args.storage, raw_images=args.raw_images
    )
    for index in range(args.sequences):
        config = _config(args, index)
        path: Path = args.output
        if args.sequences > 1:
            path = args.output / f'synthetic-{config.seed:04d}{suffix}'
        if args.boxes_only:
            write_boxes(_with_progress(generate_boxes(config), config, path.name), path, options)
        else:
            write(_with_progress(generate(config), config, path.name), path, options)
        sys.stdout.write(f'{path}: {config.frame_count} frames, seed {config.seed}\n')
    return 0


def parse_range(text: str) -> tuple[int, int]:
    """'4-9' to (4, 9), '5' to (5, 5)."""
    low, _, high = text.partition('-')
    try:
        return int(low), int(high or low)
    except ValueError:
        raise argparse.ArgumentTypeError(f'{text!r} is not of the form 4-9') from None


def _config(args: argparse.Namespace, index: int) -> SceneConfig:
    light = LIGHTS[index % len(LIGHTS)] if args.light == 'all' else args.light
    return SceneConfig(
        size_wh=parse_size(args.size),
        fps=args.fps,
        duration_s=args.frames / args.fps,
        seed=args.seed + index,
        light=light,
        scenario=args.scenario,
        surroundings=args.surroundings,
        density=args.density,
        ego=args.ego,
        turns=args.turns,
        ego_yaw_deg_s=args.ego_yaw_deg_s,
        ego_pitch_bounce_deg=args.ego_pitch_bounce_deg,
        imu_hz=args.imu_hz,
        **{field: getattr(args, name) for field, name in COUNTS.items()},
    )


def _with_progress(frames: Iterator[_Frame], config: SceneConfig, name: str) -> Iterator[_Frame]:
    yield from tqdm(frames, total=config.frame_count, desc=name, unit='frame')
