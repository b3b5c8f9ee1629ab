"""Turn a public FairMOT checkpoint into a model bundle."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import hashlib
from pathlib import Path
import re
import shutil
import tempfile
from typing import TYPE_CHECKING

from mot_compress_ros.console import say
from mot_compress_ros.errors import InputError, InvalidOptionError
from mot_compress_ros.inference.checkpoint import load_bundle, ModelManifest, save_bundle
from mot_compress_ros.options import to_mapping

if TYPE_CHECKING:
    from mot_compress_ros.inference.checkpoint import Bundle
    from offline_training.fairmot_weights import ImportedWeights

HELP = 'turn a public FairMOT checkpoint (.pth) into a model bundle'
DEFAULT_CLASSES = ('pedestrian',)  # FairMOT's public files have this one


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('file', type=Path, help='checkpoint: DLA-34, its variants, or light YOLO')
    parser.add_argument('output', type=Path, help='bundle to write; must not be there yet')
    parser.add_argument(
        '--classes',
        nargs='+',
        metavar='NAME',
        help='class names in order; default pedestrian, where the network has one class',
    )
    parser.add_argument(
        '--input-size',
        default='1088x608',
        metavar='WxH',
        help="input of the network, multiples of 32 (default: FairMOT's 1088x608)",
    )
    parser.add_argument('--name', help='name of the model (default: last part of OUTPUT)')


def run(args: argparse.Namespace) -> int:
    """Read, convert, write and report; returns the exit code."""
    from offline_training.command_options import parse_size
    from offline_training.fairmot_weights import import_weights
    from offline_training.fairmot_weights_file import read_checkpoint

    if args.output.exists():
        raise InputError(f'{args.output}: is there already; remove it or give another folder')
    size_wh = parse_size(args.input_size, multiple=32)
    checkpoint = read_checkpoint(args.file)
    weights = import_weights(checkpoint, file_name=args.file.name)
    classes = class_names(args.classes, weights.architecture.n_class)
    name = args.name or args.output.resolve().name
    bundle = write_bundle(
        weights, args.output, name=name, class_names=classes, input_size_wh=size_wh
    )
    say(report(weights, bundle, ignored=checkpoint.ignored))
    return 0


def class_names(given: Sequence[str] | None, n_class: int) -> tuple[str, ...]:
    """The names of the network's classes.

    Raises:
        InvalidOptionError: they are not as many as the network has, or one stands there twice.
    """
    names = tuple(given or DEFAULT_CLASSES)
    if len(names) != n_class or len(set(names)) != n_class:
        raise InvalidOptionError(
            f'--classes: the network has {n_class} classes, got {len(set(names))} names '
            f'({", ".join(names)}); give one name per class, in order'
        )
    return names


def write_bundle(
    weights: ImportedWeights,
    output: Path,
    *,
    name: str,
    class_names: tuple[str, ...],
    input_size_wh: tuple[int, int],
) -> Bundle:
    """Write the bundle beside its place, then move it there whole.

    Raises:
        InputError: it cannot be written.
    """
    from safetensors.torch import save as save_safetensors

    from offline_training.environment import command_line
    from offline_training.fairmot_weights import LEFTOVERS_FILE, ORIGIN

    leftovers = save_safetensors(dict(weights.leftovers)) if weights.leftovers else b''
    digest = hashlib.sha256(leftovers).hexdigest() if leftovers else ''
    manifest = ModelManifest(
        name=name,
        architecture=to_mapping(weights.architecture),
        class_names=class_names,
        input_size_wh=input_size_wh,
        embedding_dim=weights.architecture.embedding_dim,
        training={
            'command': command_line(),
            ORIGIN: {**weights.origin, 'leftovers_sha256': digest},
        },
    )
    tensors = {key: tensor.numpy() for key, tensor in weights.tensors.items()}
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(dir=output.parent, prefix=f'.{output.name}.'))
        try:
            part.chmod(0o755)  # mkdtemp makes it for its owner alone
            save_bundle(part, manifest, tensors)
            if leftovers:
                (part / LEFTOVERS_FILE).write_bytes(leftovers)
            part.rename(output)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    except OSError as error:
        raise InputError(f'{output}: cannot be written ({error.strerror})') from error
    return load_bundle(output)


def report(weights: ImportedWeights, bundle: Bundle, *, ignored: Sequence[str]) -> str:
    """What was found and what became of it, one line each."""
    from offline_training.fairmot_weights import LEFTOVERS_FILE

    origin, architecture = weights.origin, dict(bundle.manifest.architecture)
    buffers = ('running_mean', 'running_var', 'num_batches_tracked')
    parameters = sum(t.numel() for key, t in weights.tensors.items() if not key.endswith(buffers))
    size = 'x'.join(str(side) for side in bundle.manifest.input_size_wh)
    rows = [
        ('network', f'{architecture["name"]}, width {architecture["width"]:g}'),
        ('parameters', f'{parameters / 1e6:.3f} M in {len(weights.tensors)} tensors'),
        ('classes', ', '.join(bundle.manifest.class_names)),
        ('embedding', f'{architecture["embedding_dim"]} values'),
        ('heads', f'{architecture["head_channels"]} hidden channels'),
        ('boxes', _boxes(origin['wh_rows'])),
        ('input', size),
        ('epoch', 'not stated' if origin['epoch'] is None else str(origin['epoch'])),
        ('prefix', origin['key_prefix'] or 'none'),
    ]
    if not origin['batch_counters']:
        rows.append(('counters', 'BatchNorm did not count its batches; set to 0'))
    if weights.leftovers:
        groups = dict.fromkeys(re.sub(r'(\.\d+)?\.\w+$', '.*', key) for key in weights.leftovers)
        text = f'{len(weights.leftovers)} tensors that nothing reads, kept in {LEFTOVERS_FILE}'
        rows.append(('left over', f'{", ".join(groups)}: {text}'))
    if ignored:
        rows.append(('ignored', ', '.join(ignored)))
    rows.append(('written', str(bundle.path)))
    return '\n'.join(f'{label:<11} {text}' for label, text in rows)


def _boxes(wh_rows: int) -> str:
    if wh_rows == 2:
        return 'width and height, made left, top, right and bottom'
    return 'left, top, right and bottom'
