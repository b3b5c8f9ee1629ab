"""Measure speed: `benchmark pipeline`, `benchmark training`."""

from __future__ import annotations

import argparse

from offline_training.benchmarks import MEMBERS
from offline_training.commands.members import add_members, run_member

HELP = 'measure latency and frames per second'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the benchmarks and their options."""
    add_members(parser, MEMBERS)


def run(args: argparse.Namespace) -> int:
    """Run one benchmark; returns its exit code."""
    return run_member(args, MEMBERS)
