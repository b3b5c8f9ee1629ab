"""What the command lines of replay and demo share."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
import signal
from types import FrameType

import yaml

from mot_compress_ros.errors import InvalidOptionError
from mot_compress_ros.options import from_mapping
from mot_compress_ros.pipeline import PipelineConfig
from mot_compress_ros.sources import FPS_RANGE_HZ

EXIT_INCOMPLETE = 1
EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130


def add_common_arguments(
    parser: argparse.ArgumentParser, *, default_model: str = '', default_teacher: str = ''
) -> None:
    """Arguments that replay and demo share; without a default the model has to be named.

    Where there is a default teacher, `teacher` is None until the user says something: it belongs
    to the default model alone.
    """
    parser.add_argument(
        '--model',
        required=not default_model,
        default=default_model,
        help='model bundle of the student: a folder, or the name of one in models/',
    )
    alone = f' (default: {default_teacher}, with {default_model}; "" for none)'
    parser.add_argument(
        '--teacher',
        default=None if default_teacher else '',
        help='model bundle of the teacher, for keyframes' + (alone if default_teacher else ''),
    )
    parser.add_argument(
        '--keyframe-interval',
        type=number(int, 1, 1000),
        help='the teacher sees every K-th frame',
    )
    parser.add_argument(
        '--output', type=Path, default=Path('out'), help='folder for the files (default: out)'
    )
    parser.add_argument(
        '--limit', type=number(int, 1, 10**9), default=0, help='stop after so many frames'
    )
    parser.add_argument('--topic', default='', help='image topic, where a bag holds several')
    parser.add_argument(
        '--fps',
        type=number(float, *FPS_RANGE_HZ),
        default=0.0,
        help='frame rate of a plain folder of images',
    )
    parser.add_argument(
        '--no-video',
        action='store_true',
        help='write tracks.txt, report and summary only; faster and smaller',
    )
    parser.add_argument(
        '--set',
        action='append',
        default=[],
        metavar='NAME=VALUE',
        help='an option of the pipeline, such as tracker.lost_buffer_s=2; may be repeated',
    )


def number(kind: Callable[[str], float], minimum: float, maximum: float) -> Callable[[str], float]:
    """The `type` of an argument that is an int or a float in a range; NaN is in none."""

    def parse(text: str) -> float:
        with suppress(ValueError):
            value = kind(text)
            if minimum <= value <= maximum:
                return value
        raise argparse.ArgumentTypeError(
            f'got {text}, expected a number from {minimum:g} to {maximum:g}'
        )

    return parse


class StopSignal:
    """Ctrl-C and SIGTERM end a run after its current frame, so that no file is cut in the middle.

    A context manager; the call says whether a stop was asked for. A second signal raises
    `KeyboardInterrupt` at once.
    """

    def __init__(self) -> None:
        self._asked = False
        self._previous: dict[signal.Signals, object] = {}

    def __call__(self) -> bool:
        """Whether a stop was asked for."""
        return self._asked

    def __enter__(self) -> StopSignal:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True


def describe_files(files: Sequence[Path]) -> str:
    """One line per file, with its size."""
    sizes = [(file, file.stat().st_size / 1024) for file in files]
    return '\n'.join(f'  {file}  ({kib:,.0f} KiB)' for file, kib in sizes)


def chosen_options(arguments: argparse.Namespace) -> dict[str, object]:
    """Names and values of the pipeline options that the command line sets.

    Raises:
        InvalidOptionError: a `--set` has no equals sign or an unreadable value.
    """
    values: dict[str, object] = {}
    for pair in arguments.set:
        name, equals, text = pair.partition('=')
        if not equals:
            raise InvalidOptionError(f'--set {pair}: write it as name=value')
        try:
            values[name] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise InvalidOptionError(f'--set {pair}: unreadable value') from error
    if arguments.keyframe_interval is not None:
        values['keyframe.interval'] = arguments.keyframe_interval
    return values


def build_config(arguments: argparse.Namespace) -> PipelineConfig:
    """The options of the pipeline: defaults, then what the command line says.

    Raises:
        InvalidOptionError: an option is unknown, unreadable or out of range.
    """
    return from_mapping(PipelineConfig, chosen_options(arguments))
