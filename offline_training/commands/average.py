"""Average the weights of bundles of one network that began with the same weights.

Weights that were trained on from a common start lie close enough together for their mean to be a
network too. It often keeps what each has learned: where further training on some sets costs
accuracy on others, the mean of before and after loses little of either.
Source: Wortsman et al. 2022, "Model soups" (uniform soup) and "Robust fine-tuning of zero-shot
models" (WiSE-FT, two members).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.console import say
from mot_compress_ros.errors import InputError, InvalidOptionError

if TYPE_CHECKING:
    from mot_compress_ros.inference.checkpoint import Bundle

HELP = 'average the weights of bundles that began with the same weights'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('bundles', nargs='+', help='two or more bundles of one network')
    parser.add_argument('--output', type=Path, required=True, help='bundle to write')
    parser.add_argument(
        '--shares',
        type=float,
        nargs='+',
        metavar='SHARE',
        help='of each, in order; they are brought to a sum of 1 (default: equal)',
    )


def run(args: argparse.Namespace) -> int:
    """Read, average and write; returns the exit code."""
    from mot_compress_ros.inference.checkpoint import load_bundle, save_bundle
    from offline_training.environment import command_line

    bundles = [load_bundle(name) for name in args.bundles]
    if args.output.exists():
        raise InputError(f'{args.output}: is there already; remove it or give another folder')
    shares = shares_of(args.shares, n=len(bundles))
    tensors = average(bundles, shares)
    members = [
        {'name': b.manifest.name, 'weights_sha256': b.manifest.weights_sha256, 'share': share}
        for b, share in zip(bundles, shares, strict=True)
    ]
    last = bundles[-1].manifest
    manifest = replace(
        last,
        name=args.output.resolve().name,
        embedding_space='',
        calibrated_from='',
        teacher={},
        graphs=(),
        metrics={},
        training={
            'command': command_line(),
            'average_of': members,
            'last_of_them': dict(last.training),
            'data': last.training.get('data', {}),
        },
    )
    written = save_bundle(args.output, manifest, tensors)
    say(f'wrote {written.path}: the mean of {", ".join(args.bundles)}')
    return 0


def shares_of(given: Sequence[float] | None, *, n: int) -> list[float]:
    """The shares, with a sum of 1.

    Raises:
        InvalidOptionError: there are fewer than two bundles, or the shares do not fit.
    """
    if n < 2:
        raise InvalidOptionError(f'{n} bundle: expected two or more to average')
    shares = list(given) if given else [1.0] * n
    if len(shares) != n or not all(np.isfinite(shares)) or min(shares) < 0 or not sum(shares):
        raise InvalidOptionError(
            f'--shares {shares}: expected one for each of {n} bundles, not negative, not all 0'
        )
    return [share / sum(shares) for share in shares]


def average(bundles: Sequence[Bundle], shares: Sequence[float]) -> dict[str, NDArray[np.generic]]:
    """The mean of each tensor, in the type of the last bundle's.

    BatchNorm's statistics are averaged as the weights are; counters are the last bundle's.

    Raises:
        InputError: the bundles are not of one network.
    """
    last = bundles[-1]
    for bundle in bundles[:-1]:
        for what, wanted in _network_of(last).items():
            mine = _network_of(bundle)[what]
            if mine != wanted:
                raise InputError(
                    f'{bundle.path}: {what} is {mine}, that of {last.path} is {wanted}; expected '
                    'bundles of one network'
                )
    mean: dict[str, NDArray[np.generic]] = {}
    for key, tensor in last.tensors.items():
        if tensor.dtype.kind != 'f':
            mean[key] = tensor
            continue
        parts = zip((b.tensors[key] for b in bundles), shares, strict=True)
        total = sum(np.float64(share) * part.astype(np.float64) for part, share in parts)
        mean[key] = np.asarray(total).astype(tensor.dtype)
    return mean


def _network_of(bundle: Bundle) -> dict[str, object]:
    """What has to be the same; the published values stand in the place of zeros."""
    from mot_compress_ros.inference.backends.torch_eager import architecture_of
    from mot_compress_ros.networks import spelled_out

    return {
        'architecture': spelled_out(architecture_of(bundle)),
        'channels': dict(bundle.manifest.channels),
        'class_names': bundle.manifest.class_names,
        'input_size_wh': bundle.manifest.input_size_wh,
    }
