"""`python -m offline_training synthesize`: write seeded road scenes with ground truth."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
import sys

from tqdm import tqdm

from mot_compress_ros.errors import InvalidOptionError
from offline_training.command_options import parse_size
from offline_training.synthetic.config import LIGHTS, RANDOM, SCENARIOS, SceneConfig, SURROUNDINGS
from offline_training.synthetic.scene import generate, SyntheticFrame
from offline_training.synthetic.writers import STORAGES, WriteOptions, WRITERS

# Field of SceneConfig: name of its option.
COUNTS = {
    'n_vehicles': 'vehicles',
    'n_parked': 'parked',
    'n_pedestrians': 'pedestrians',
    'n_cyclists': 'cyclists',
}
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
    parser.add_argument('--quality', type=int, default=90, help='of JPEG images, 1 to 100')
    parser.add_argument('--storage', choices=STORAGES, default='mcap', help='of a bag')
    parser.add_argument('--raw-images', action='store_true', help='add sensor_msgs/Image to a bag')


def run(args: argparse.Namespace) -> int:
    """Write the sequences; with more than one, each goes into OUTPUT/synthetic-SEED."""
    if args.sequences < 1 or args.frames < 1:
        raise InvalidOptionError('--sequences and --frames: at least 1 each')
    write, suffix = WRITERS[args.format]
    options = WriteOptions(
        fps=args.fps, quality=args.quality, storage=args.storage, raw_images=args.raw_images
    )
    for index in range(args.sequences):
        config = _config(args, index)
        path: Path = args.output
        if args.sequences > 1:
            path = args.output / f'synthetic-{config.seed:04d}{suffix}'
        write(_with_progress(config, path.name), path, options)
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
        **{field: getattr(args, name) for field, name in COUNTS.items()},
    )


def _with_progress(config: SceneConfig, name: str) -> Iterator[SyntheticFrame]:
    yield from tqdm(generate(config), total=config.frame_count, desc=name, unit='frame')
