"""Write docs/results.md from the JSON files of `evaluate` and `benchmark`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
import sys

from mot_compress_ros.errors import InputError

HELP = 'write a page of results from the JSON files that the commands wrote'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        '--json', type=Path, nargs='+', required=True, help='files of evaluate and benchmark'
    )
    parser.add_argument(
        '--compare',
        type=Path,
        nargs=2,
        action='append',
        default=[],
        metavar=('BEFORE', 'AFTER'),
        help='two files of evaluate beside each other; may be given several times',
    )
    parser.add_argument('--output', type=Path, help='Markdown file; default: standard output')


def run(args: argparse.Namespace) -> int:
    """Read, render and write; returns the exit code."""
    from offline_training.evaluation.results_page import results_page
    from offline_training.report_files import check_writable, write_text

    check_writable(args.output)
    pairs = [(read_report(before), read_report(after)) for before, after in args.compare]
    page = results_page([read_report(path) for path in args.json], compared=pairs)
    if args.output:
        write_text(args.output, page)
    else:
        sys.stdout.write(page)
    return 0


def read_report(path: Path) -> dict[str, object]:
    """One JSON file.

    Raises:
        InputError: it is missing, or was not written by one of our commands.
    """
    try:
        report = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise InputError(f'{path}: not a readable JSON file ({error})') from None
    if not isinstance(report, dict) or not {'kind', 'command', 'environment'} <= set(report):
        raise InputError(f'{path}: not written by `evaluate --json` or `benchmark --json`')
    return report
