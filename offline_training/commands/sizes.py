"""Table of what models cost: parameters, multiply-adds and sizes."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TYPE_CHECKING

from mot_compress_ros.console import say
from mot_compress_ros.errors import BundleError, InvalidOptionError

if TYPE_CHECKING:
    from mot_compress_ros.networks import ArchitectureConfig

HELP = 'parameters, multiply-adds and sizes of bundles and of the model zoo'
# FairMOT's public mix of training sets.
DEFAULT_IDENTITIES = 14_455
DEFAULT_SIZE = '1088x608'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        'models',
        nargs='*',
        metavar='MODEL',
        help='bundle, a folder or a name, or an entry of the model zoo (default: the whole zoo)',
    )
    parser.add_argument(
        '--identities',
        type=int,
        default=DEFAULT_IDENTITIES,
        help='identities of the training set, for the size of a training checkpoint '
        f'(default {DEFAULT_IDENTITIES}, those of FairMOT)',
    )
    parser.add_argument(
        '--input-size',
        metavar='WxH',
        help=f"input for the multiply-adds (default: the bundle's; {DEFAULT_SIZE} for the zoo)",
    )
    parser.add_argument('--json', type=Path, help='write all numbers here')


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A model to be measured.

    `file_bytes` is 0 where there is no file; `channels` are those of a pruned one.
    """

    name: str
    architecture: ArchitectureConfig
    input_size_wh: tuple[int, int]
    file_bytes: int = 0
    channels: Mapping[str, Sequence[int]] = field(default_factory=dict)


def run(args: argparse.Namespace) -> int:
    """Count, print and write; returns the exit code."""
    from mot_compress_ros.networks.zoo import ZOO
    from offline_training.environment import command_line, describe_environment
    from offline_training.report_files import check_writable, write_report

    check_writable(args.json)
    if args.identities < 0:
        raise InvalidOptionError(f'--identities: got {args.identities}, expected 0 or more')
    names = args.models or list(ZOO)
    found = [measure(open_candidate(name, args.input_size), args.identities) for name in names]
    say(sizes_table(found, identities=args.identities))
    if args.json:
        content = {
            'kind': 'sizes',
            'command': command_line(),
            'environment': describe_environment(),
            'identities': args.identities,
            'models': found,
        }
        write_report(args.json, content)
    return 0


def open_candidate(name: str, input_size: str | None) -> Candidate:
    """A bundle, or an entry of the zoo.

    Raises:
        BundleError: it is neither, or the bundle cannot be read.
        InvalidOptionError: `input_size` is no size.
    """
    from mot_compress_ros.inference.checkpoint import load_bundle, WEIGHTS_FILE
    from mot_compress_ros.networks import ArchitectureConfig
    from mot_compress_ros.networks.zoo import ZOO
    from mot_compress_ros.options import from_mapping
    from offline_training.command_options import parse_size

    size_wh = parse_size(input_size, multiple=32) if input_size else None
    if name in ZOO:
        zoo_size_wh = size_wh or parse_size(DEFAULT_SIZE)
        return Candidate(name=name, architecture=ZOO[name], input_size_wh=zoo_size_wh)
    try:
        bundle = load_bundle(name)
        architecture = from_mapping(ArchitectureConfig, bundle.manifest.architecture)
    except BundleError as error:
        raise BundleError(f'{error}; the model zoo has {", ".join(ZOO)}') from None
    except InvalidOptionError as error:
        raise BundleError(f'{name}: no network that can be counted: {error}') from None
    return Candidate(
        name=bundle.manifest.name,
        architecture=architecture,
        input_size_wh=size_wh or bundle.manifest.input_size_wh,
        file_bytes=(bundle.path / WEIGHTS_FILE).stat().st_size,
        channels=bundle.manifest.channels,
    )


def measure(candidate: Candidate, identities: int) -> dict[str, Any]:
    """All numbers of one model, as they are written to JSON."""
    import torch

    from mot_compress_ros.networks import JointDetector, resized
    from mot_compress_ros.options import to_mapping
    from offline_training.model_costs import count_costs
    from offline_training.model_sizes import model_sizes

    channels = candidate.channels
    sizes = model_sizes(candidate.architecture, identities=identities, channels=channels)
    with torch.device('meta'):
        network = resized(JointDetector(candidate.architecture), channels)
    return {
        'name': candidate.name,
        'architecture': to_mapping(candidate.architecture),
        'input_size_wh': list(candidate.input_size_wh),
        'parameters': sizes.parameters,
        'macs': count_costs(network, size_wh=candidate.input_size_wh).macs,
        'shipped_bytes': dict(sizes.shipped),
        'file_bytes': candidate.file_bytes or None,
        'paper_bytes': sizes.paper,
        'paper_classifier_bytes': sizes.paper_classifier,
        'paper_dead_bytes': sizes.paper_dead,
    }


def sizes_table(models: list[dict[str, Any]], *, identities: int) -> str:
    """The numbers for people, with what they mean."""
    from offline_training.evaluation.tables import markdown_table

    header = ['model', 'input', 'parameters', 'GMAC', 'fp32', 'fp16', 'int8', 'file', 'paper']
    rows = [_row(model) for model in models]
    table = markdown_table(header, rows)
    notes = [
        'MB of 10^6 bytes. fp32, fp16, int8: the values that are shipped, BatchNorm folded.',
        'file: weights.safetensors as it lies there.',
        'paper: a training checkpoint as FairMOT writes it, with the moments of Adam and of a '
        f'classifier of {identities} identities.',
    ]
    return '\n'.join([table, '', *notes])


def _row(model: Mapping[str, Any]) -> list[str]:
    shipped = model['shipped_bytes']
    return [
        model['name'],
        'x'.join(str(side) for side in model['input_size_wh']),
        f'{model["parameters"] / 1e6:.3f} M',
        f'{model["macs"] / 1e9:.2f}',
        *(_megabytes(shipped[precision]) for precision in ('fp32', 'fp16', 'int8')),
        _megabytes(model['file_bytes']) if model['file_bytes'] else '',
        _megabytes(model['paper_bytes']),
    ]


def _megabytes(size: int) -> str:
    return f'{size / 1e6:.2f}' if size < 1e7 else f'{size / 1e6:.1f}'
