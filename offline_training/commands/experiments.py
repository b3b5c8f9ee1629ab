"""Train or evaluate several variants, and compare them: `experiments recipe` and `limits`."""

from __future__ import annotations

import argparse

from offline_training.commands.members import add_members, run_member
from offline_training.experiments import MEMBERS

HELP = 'train or evaluate several variants, and compare them'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the experiments and their options."""
    add_members(parser, MEMBERS)


def run(args: argparse.Namespace) -> int:
    """Run one experiment; returns its exit code."""
    return run_member(args, MEMBERS)
