"""`python -m mot_compress_ros.ros.demo`: a recording through the node, over real DDS.

The lifecycle node runs as a process of its own. This one configures and activates it, plays the
images as a camera would, and records what the node publishes. Where the machine is slower than the
recording, the node skips frames; they are counted and marked in the video.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import os
from pathlib import Path
import sys

from mot_compress_ros.command_line import (
    add_common_arguments,
    build_config,
    chosen_options,
    describe_files,
    EXIT_INCOMPLETE,
    EXIT_INTERRUPTED,
    EXIT_USER_ERROR,
    StopSignal,
)
from mot_compress_ros.console import complain, say
from mot_compress_ros.errors import InputError, MotCompressError
from mot_compress_ros.recording.summary import Summary
from mot_compress_ros.replay import VIDEO_AND_IMAGES
from mot_compress_ros.ros.bring_up import NodeError
from mot_compress_ros.ros.live_run import LiveOptions, run_live

EXIT_NODE_DIED = 1
DEFAULT_MODEL, DEFAULT_TEACHER = 'road_student', 'road_teacher'
SAMPLE = Path('samples') / 'street'


def isolate() -> None:
    """Keep to this machine, and out of the way of other graphs, unless the user says otherwise."""
    os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    # Domains above 101 reach into the ports Linux hands out by itself.
    os.environ.setdefault('ROS_DOMAIN_ID', str(1 + os.getpid() % 101))


def sample_path() -> Path:
    """The sample recording in a checkout of the project.

    Raises:
        InputError: it is not there.
    """
    sample = Path(__file__).resolve().parents[2] / SAMPLE
    if not sample.exists():
        raise InputError(
            f'{sample}: the sample comes with a checkout only; name an input with --bag, --video '
            'or --sequence'
        )
    return sample


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='python -m mot_compress_ros.ros.demo', description=__doc__.splitlines()[0]
    )
    inputs = parser.add_mutually_exclusive_group()
    inputs.add_argument('--bag', type=Path, help='rosbag2 folder or .mcap/.db3 file')
    inputs.add_argument('--video', type=Path, help='video file')
    inputs.add_argument('--sequence', type=Path, help='MOTChallenge folder, or folder of images')
    add_common_arguments(parser, default_model=DEFAULT_MODEL, default_teacher=DEFAULT_TEACHER)
    parser.add_argument('--rate', type=_rate, default=1.0, help='1 plays as recorded, 2 twice')
    parser.add_argument(
        '--lockstep',
        action='store_true',
        help='send a frame only after the tracks of the one before have come: drops none',
    )
    return parser


def chosen_teacher(given: argparse.Namespace) -> str:
    """The teacher that was named; else the shipped one, if the student is the shipped one too."""
    if given.teacher is not None:
        return str(given.teacher)
    return DEFAULT_TEACHER if given.model == DEFAULT_MODEL else ''


def _rate(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.01 <= value <= 100:
        raise argparse.ArgumentTypeError(f'got {text}, legal range 0.01 to 100')
    return value


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    given = _parser().parse_args(arguments)
    isolate()
    try:
        options = LiveOptions(
            input=given.bag or given.video or given.sequence or sample_path(),
            output=given.output,
            model=given.model,
            teacher=chosen_teacher(given),
            topic=given.topic,
            fps_hz=given.fps,
            limit=given.limit,
            rate=given.rate,
            lockstep=given.lockstep,
            skip=VIDEO_AND_IMAGES if given.no_video else (),
        )
        config, settings = build_config(given), chosen_options(given)
        with StopSignal() as stop:
            summary, files = run_live(options, config, settings=settings, stop=stop)
    except (NodeError, TimeoutError) as error:
        complain(f'error: {error}')
        return EXIT_NODE_DIED
    except MotCompressError as error:
        complain(f'error: {error}')
        return EXIT_USER_ERROR
    except KeyboardInterrupt:
        complain('interrupted')
        return EXIT_INTERRUPTED
    _say_result(summary, files)
    if summary['reason']:
        complain(f'warning: {summary["reason"]}')
        return EXIT_INCOMPLETE
    return 0 if summary['complete'] else EXIT_INTERRUPTED


def _say_result(summary: Summary, files: Sequence[Path]) -> None:
    frames, tracks = summary['frames'], summary['tracks']
    keyframes = f', {summary["keyframes"]["count"]} keyframes' if 'keyframes' in summary else ''
    say(
        f'{frames["received"]} frames in, {frames["processed"]} processed, '
        f'{frames["dropped"]} dropped{keyframes}, {tracks["total"]} tracks; written:'
    )
    say(describe_files(files))


if __name__ == '__main__':
    sys.exit(main())
