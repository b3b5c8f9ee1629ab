"""Make the graphs that the node's other runtimes read, compared with torch before they count."""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path
from typing import Any

from mot_compress_ros.console import ProgressLine, say
from mot_compress_ros.errors import BundleError, InvalidOptionError

HELP = 'write graphs for other runtimes into a bundle, after a comparison with torch'
ENGINES = ('onnx', 'openvino')
PRECISIONS = ('fp32', 'bf16', 'fp16')
HEADS = {'on': (True,), 'off': (False,), 'both': (True, False)}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('--model', required=True, help='bundle, a folder or a name')
    parser.add_argument('--engines', nargs='+', choices=ENGINES, default=list(ENGINES))
    parser.add_argument(
        '--precision',
        nargs='+',
        choices=PRECISIONS,
        default=['fp32', 'bf16'],
        help='an engine makes those of them that it has: onnx fp32 and fp16, openvino fp32 and '
        'bf16 (default: fp32 bf16); int8 graphs are made by `quantize`',
    )
    parser.add_argument('--input-size', help="the network's input, WxH (default: the bundle's)")
    parser.add_argument('--batch', type=int, default=1, help='images a graph takes at a time')
    parser.add_argument(
        '--sparse-heads',
        choices=tuple(HEADS),
        default='on',
        help='whether box and re-ID heads are left out, to be evaluated at the peaks alone',
    )
    add_image_arguments(parser)


def add_image_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what is compared, and where it is written; `verify` has the same."""
    parser.add_argument(
        '--input',
        type=Path,
        help='bag, video or sequence to compare on (default: rendered images)',
    )
    parser.add_argument('--images', type=int, default=4, help='how many images are compared')
    parser.add_argument('--json', type=Path, help='write all numbers here')


def run(args: argparse.Namespace) -> int:
    """Make, compare, write and report; returns 1 where a graph differs and was not written."""
    from offline_training.report_files import check_writable

    check_writable(args.json)
    found = export_all(args)
    report('export', found, args)
    return int(any(one['failures'] for one in found))


def export_all(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Every graph that was asked for: written where it is the same, and what was found."""
    from mot_compress_ros.inference import load_bundle
    from mot_compress_ros.inference.graphs import MAX_BATCH
    from offline_training.command_options import parse_size
    from offline_training.export.exporting import Made, try_graph
    from offline_training.export.frames import letterboxed_images
    from offline_training.export.store import add_graph
    from offline_training.export.table import verdict_json

    if not 1 <= args.batch <= MAX_BATCH or args.images < args.batch:
        raise InvalidOptionError(
            f'--batch {args.batch} --images {args.images}: expected a batch from 1 to '
            f'{MAX_BATCH}, and at least as many images'
        )
    bundle = load_bundle(args.model)
    if not bundle.tensors:
        raise BundleError(f'{bundle.path}: has no weights that a graph could be made of')
    size_wh = bundle.manifest.input_size_wh
    if args.input_size:
        size_wh = parse_size(args.input_size, multiple=32)
    wanted = _wanted(args)
    images = letterboxed_images(args.input, n=args.images, size_wh=size_wh)
    found, made = [], Made()
    with ProgressLine(len(wanted)) as line:
        for done, (engine, precision, sparse) in enumerate(wanted):
            line.update(done, lambda e=engine, p=precision: f'{e} {p}')  # type: ignore[misc]
            verdict, parts = try_graph(
                bundle,
                engine=engine,
                precision=precision,
                input_size_wh=size_wh,
                batch=args.batch,
                sparse_heads=sparse,
                images_rgb=images,
                made=made,
            )
            if not verdict.failures:
                add_graph(bundle.path, verdict.graph, parts)
            found.append(verdict_json(verdict, sum(map(len, parts))))
        line.update(len(wanted), lambda: 'done')
    return found


def report(kind: str, found: list[dict[str, Any]], args: argparse.Namespace) -> None:
    """Print the table, and write the JSON where it was asked for."""
    from offline_training.environment import command_line, describe_environment
    from offline_training.export.table import verdict_table
    from offline_training.report_files import write_report

    say(verdict_table(found))
    if args.json:
        content = {
            'kind': kind,
            'command': command_line(),
            'environment': describe_environment(),
            'model': Path(args.model).name,
            'compared_on': args.input.name if args.input else 'rendered images',
            'graphs': found,
        }
        write_report(args.json, content)


def _wanted(args: argparse.Namespace) -> list[tuple[str, str, bool]]:
    from offline_training.export import PRECISIONS as OF_ENGINE

    wanted = [
        (engine, precision, sparse)
        for engine, precision, sparse in itertools.product(
            args.engines, args.precision, HEADS[args.sparse_heads]
        )
        if precision in OF_ENGINE[engine]
    ]
    if not wanted:
        known = '; '.join(f'{engine}: {", ".join(of)}' for engine, of in OF_ENGINE.items())
        raise InvalidOptionError(
            f'--precision {" ".join(args.precision)}: none that {" or ".join(args.engines)} has; '
            f'legal: {known}'
        )
    return wanted
