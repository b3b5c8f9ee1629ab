"""Train and evaluate several variants, and compare them: `experiments recipe`."""

from __future__ import annotations

import argparse
import importlib

from offline_training.experiments import MEMBERS

HELP = 'train and evaluate several variants, and compare them'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the experiments and their options."""
    subjects = parser.add_subparsers(dest='subject', required=True, metavar='SUBJECT')
    for name, path in MEMBERS.items():
        module = importlib.import_module(path)
        module.add_arguments(
            subjects.add_parser(name, help=module.HELP, description=module.__doc__)
        )


def run(args: argparse.Namespace) -> int:
    """Run one experiment; returns its exit code."""
    return int(importlib.import_module(MEMBERS[args.subject]).run(args))
