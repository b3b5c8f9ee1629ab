"""A command whose verb is followed by one of several subjects, each a module of a folder."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
import importlib


def add_members(parser: argparse.ArgumentParser, members: Mapping[str, str]) -> None:
    """Declare the subjects and their options.

    Args:
        parser: of the command.
        members: subject -> module with HELP, `add_arguments(parser)` and `run(args)`.
    """
    subjects = parser.add_subparsers(dest='subject', required=True, metavar='SUBJECT')
    for name, path in members.items():
        module = importlib.import_module(path)
        module.add_arguments(
            subjects.add_parser(name, help=module.HELP, description=module.__doc__)
        )


def run_member(args: argparse.Namespace, members: Mapping[str, str]) -> int:
    """Run the subject that was asked for; returns its exit code."""
    return int(importlib.import_module(members[args.subject]).run(args))
