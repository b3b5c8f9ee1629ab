"""Measure speed: `benchmark pipeline`, `benchmark training`."""

from __future__ import annotations

import argparse
import importlib

from offline_training.benchmarks import MEMBERS

HELP = 'measure latency and frames per second'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the benchmarks and their options."""
    subjects = parser.add_subparsers(dest='subject', required=True, metavar='SUBJECT')
    for name, path in MEMBERS.items():
        module = importlib.import_module(path)
        module.add_arguments(
            subjects.add_parser(name, help=module.HELP, description=module.__doc__)
        )


def run(args: argparse.Namespace) -> int:
    """Run one benchmark; returns its exit code."""
    return int(importlib.import_module(MEMBERS[args.subject]).run(args))
