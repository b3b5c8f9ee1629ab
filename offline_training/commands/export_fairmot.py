"""Write a model bundle as a checkpoint in FairMOT's layout."""

from __future__ import annotations

import argparse
from pathlib import Path

from mot_compress_ros.console import say

HELP = "write a model bundle as a checkpoint (.pth) in FairMOT's layout"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('bundle', help='model bundle, a folder or a name')
    parser.add_argument('file', type=Path, help='checkpoint to write; must not be there yet')


def run(args: argparse.Namespace) -> int:
    """Convert, write and report; returns the exit code."""
    from mot_compress_ros.inference.checkpoint import load_bundle
    from offline_training.fairmot_weights_export import export_tensors, origin_of
    from offline_training.fairmot_weights_file import write_checkpoint

    bundle = load_bundle(args.bundle)
    tensors, missing = export_tensors(bundle)
    epoch = origin_of(bundle).get('epoch')
    epoch = epoch if isinstance(epoch, int) else 0  # of a bare state dict it is not known
    write_checkpoint(args.file, tensors, epoch=epoch)
    say(f'{args.file}: {len(tensors)} tensors, float32, epoch {epoch}')
    if missing:
        say(f'without {", ".join(missing)}: their file was removed; FairMOT runs without them')
    return 0
