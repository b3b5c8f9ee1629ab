"""Command line: `python -m offline_training <command>`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import importlib
import sys

from mot_compress_ros.errors import MotCompressError

# Name of the verb -> module with HELP, add_arguments(parser) and run(args) -> exit code.
COMMANDS = {
    'data': 'offline_training.commands.data',
    'train': 'offline_training.commands.train',
    'evaluate': 'offline_training.commands.evaluate',
    'score': 'offline_training.commands.score',
    'stream-evaluate': 'offline_training.commands.stream_evaluate',
    'benchmark': 'offline_training.commands.benchmark',
    'experiments': 'offline_training.commands.experiments',
    'synthesize': 'offline_training.commands.synthesize',
    'pseudo-label': 'offline_training.commands.pseudo_label',
    'import-fairmot': 'offline_training.commands.import_fairmot',
    'export': 'offline_training.commands.export',
    'verify': 'offline_training.commands.verify',
    'export-fairmot': 'offline_training.commands.export_fairmot',
    'average': 'offline_training.commands.average',
    'calibrate': 'offline_training.commands.calibrate',
    'sizes': 'offline_training.commands.sizes',
    'prune': 'offline_training.commands.prune',
    'compress': 'offline_training.commands.compress',
    'quantize': 'offline_training.commands.quantize',
    'replay': 'offline_training.commands.replay_many',
    'results': 'offline_training.commands.results',
    'report': 'offline_training.commands.report',
}


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(prog='python -m offline_training', description=__doc__)
    verbs = parser.add_subparsers(dest='command', required=True, metavar='COMMAND')
    for name, path in COMMANDS.items():
        module = importlib.import_module(path)
        module.add_arguments(verbs.add_parser(name, help=module.HELP, description=module.HELP))
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; exit code 2 and one line on an error of the user's."""
    args = build_parser().parse_args(argv)
    try:
        return int(importlib.import_module(COMMANDS[args.command]).run(args))
    except MotCompressError as error:
        sys.stderr.write(f'{args.command}: {error}\n')
        return 2


if __name__ == '__main__':
    sys.exit(main())
