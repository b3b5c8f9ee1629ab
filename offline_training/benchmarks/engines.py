"""Time of a network in every runtime, number format and kind of heads.

The same letterboxed images go to all contestants, which take turns. A frame is what the vehicle
pays for between letterbox and tracker: the network, the peaks of its heat map, and the other heads
read at these. Graphs that a bundle does not have at the size are exported for the measurement,
after the comparison with torch, and thrown away with it; int8 graphs have to be there, as they
need calibration. Ratios are those of two medians of the same turn, in the middle over the turns.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import os
from pathlib import Path
import tempfile
from typing import Any, TYPE_CHECKING

from mot_compress_ros.console import complain, ProgressLine, say
from mot_compress_ros.errors import InvalidOptionError, MotCompressError
from offline_training.benchmarks.keyframe_cores import OtherWork
from offline_training.command_options import parse_size
from offline_training.environment import command_line, describe_environment
from offline_training.report_files import check_writable, write_report, write_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mot_compress_ros.inference.backends import Backend
    from offline_training.benchmarks.engines_turn import Contestant

HELP = 'time of a network in every runtime, number format and kind of heads'
RUNTIMES = ('torch_eager', 'torch_cuda_graph', 'openvino', 'onnx_runtime')
PRECISIONS = ('fp32', 'bf16', 'fp16', 'int8')
PART = 'engines'  # of the page


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('--models', nargs='+', default=['road_student'], metavar='BUNDLE')
    parser.add_argument('--size', default='1088x608', help="the networks' input, WxH")
    parser.add_argument('--runtimes', nargs='+', choices=RUNTIMES, default=list(RUNTIMES))
    parser.add_argument('--precisions', nargs='+', choices=PRECISIONS, default=list(PRECISIONS))
    parser.add_argument(
        '--heads',
        nargs='+',
        choices=('peaks', 'dense'),
        default=['peaks', 'dense'],
        help='box and re-ID heads at the peaks alone, or everywhere',
    )
    parser.add_argument('--input', type=Path, help='bag, video or sequence instead of a scene')
    parser.add_argument('--images', type=int, default=8, help='different ones')
    parser.add_argument('--frames', type=int, default=40, help='measured frames a turn')
    parser.add_argument('--warm-up', type=int, default=5, help='frames before, not measured')
    parser.add_argument('--repeats', type=int, default=5, help='turns of each contestant')
    parser.add_argument('--threads', type=int, default=0, help='CPU threads; 0: as each chooses')
    parser.add_argument('--device', default='cpu', choices=('cpu', 'cuda'))
    parser.add_argument('--json', type=Path, help='write all measurements here')
    parser.add_argument('--plot', type=Path, help='draw the times into this SVG or PNG')
    parser.add_argument(
        '--update', type=Path, metavar='PAGE', help='write tables and plot into this page'
    )


def run(args: argparse.Namespace) -> int:
    """Measure, print, draw and write; returns the exit code."""
    from offline_training.benchmarks.engines_report import NAME, origin_text, tables
    from offline_training.marked_page import between_markers, read_page

    check_writable(args.json, args.plot)
    page = read_page(args.update, PART) if args.update else ''
    _check(args)
    report = measure(args)
    text = tables(report)
    say(text)
    if args.plot:
        _draw(report, args.plot)
    if args.update:
        image = args.update.parent / 'images' / f'{NAME}.svg'
        _draw(report, image)
        parts = [origin_text(report), text, f'![Time of a frame](images/{image.name})']
        write_text(args.update, between_markers(page, PART, '\n\n'.join(parts)))
    if args.json:
        write_report(args.json, report)
    return 0


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """All measurements, as they are written to JSON."""
    from offline_training.benchmarks.engines_report import goals
    from offline_training.export.frames import letterboxed_images

    load_before = os.getloadavg()[0]  # what else the machine was doing, before we load it
    size_wh = parse_size(args.size, multiple=32)
    images = letterboxed_images(args.input, n=args.images, size_wh=size_wh)
    others = OtherWork()
    models = {}
    for name in args.models:
        models[Path(name).name] = _one_model(name, images, size_wh, args)
    return {
        'kind': 'benchmark engines',
        'command': command_line(),
        'environment': {
            **describe_environment(),
            'threads': args.threads,
            'load_average_before': load_before,
        },
        'device': args.device,
        'size_wh': list(size_wh),
        'input': args.input.name if args.input else 'rendered scene, seed 0',
        'images': args.images,
        'frames': args.frames,
        'warm_up': args.warm_up,
        'repeats': args.repeats,
        'others_share': others.share(),
        'models': models,
        'goals': [goal for model, found in models.items() for goal in goals(model, found)],
    }


def _one_model(
    name: str, images: NDArray[np.uint8], size_wh: tuple[int, int], args: argparse.Namespace
) -> dict[str, Any]:
    """Times of all contestants with one bundle, and why others are not there."""
    from mot_compress_ros.inference import load_bundle
    from offline_training.benchmarks.engines_turn import (
        contestants_of,
        open_contestant,
        resized_copy,
        summary,
    )

    bundle = load_bundle(name)
    backends: dict[Contestant, Backend] = {}
    refused: dict[str, str] = {}
    contestants = contestants_of(args.runtimes, args.precisions, args.heads, device=args.device)
    with tempfile.TemporaryDirectory() as folder, ProgressLine(len(contestants)) as line:
        copied = resized_copy(bundle, Path(folder) / bundle.path.name, size_wh)
        for done, contestant in enumerate(contestants):
            line.update(done, lambda label=contestant.label: f'load {label}')  # type: ignore[misc]
            try:
                backends[contestant] = open_contestant(
                    copied, contestant, images, device=args.device, threads=args.threads
                )
            except MotCompressError as error:
                # Of a folder that is gone by the time that anybody reads it.
                refused[contestant.label] = str(error).replace(str(copied.path), name)
        line.update(len(contestants), lambda: 'loaded')
    for label, reason in refused.items():
        complain(f'without {label}: {reason}')
    if not backends:
        raise InvalidOptionError(f'{name}: no contestant is left: {"; ".join(refused.values())}')
    turns = _turns(list(backends.items()), images, args)
    return {'contestants': summary(turns), 'refused': refused}


def _turns(
    backends: Sequence[tuple[Contestant, Backend]],
    images: NDArray[np.uint8],
    args: argparse.Namespace,
) -> dict[Contestant, list[dict[str, Any]]]:
    from offline_training.benchmarks.engines_turn import one_turn

    turns: dict[Contestant, list[dict[str, Any]]] = {contestant: [] for contestant, _ in backends}
    with ProgressLine(args.repeats * len(backends)) as line:
        for repeat in range(args.repeats):
            # Each begins a round once, so that nobody always runs after the same neighbour.
            shift = repeat % len(backends)
            order = [*backends[shift:], *backends[:shift]]
            for done, (contestant, backend) in enumerate(order):
                line.update(
                    repeat * len(backends) + done,
                    lambda label=contestant.label: label,  # type: ignore[misc]
                )
                turn = one_turn(backend, images, frames=args.frames, warm_up=args.warm_up)
                turns[contestant].append(turn)
        line.update(args.repeats * len(backends), lambda: 'done')
    return turns


def _check(args: argparse.Namespace) -> None:
    if min(args.frames, args.repeats, args.images) < 1 or min(args.warm_up, args.threads) < 0:
        raise InvalidOptionError(
            '--frames, --repeats and --images: at least 1; --warm-up and --threads: at least 0'
        )
    if args.plot and args.plot.suffix not in ('.svg', '.png'):
        raise InvalidOptionError(f'--plot {args.plot}: expected a name that ends in .svg or .png')


def _draw(report: dict[str, Any], path: Path) -> None:
    from offline_training.benchmarks.association_plot import standalone_svg
    from offline_training.benchmarks.engines_report import times_chart
    from offline_training.reports.figures import write_png

    chart = times_chart(report)
    if path.suffix == '.png':
        write_png(chart, path)
    else:
        write_text(path, standalone_svg(chart))
