"""Tables 1 to 3 of the paper on compression, on the data it is given, the paper's figures beside.

1. Three-class CIFAR: pruning, distillation and quantization of a small network (--data ARCHIVE, a
   folder, or `rendered`).
2. FairMOT with DLA-34, YOLOv5s and pruned YOLOv5s (--data SEQUENCE..., --dev SEQUENCE...).
3. VGG-16 to MobileNetV2-SSDLite (--data VOCFOLDER, any other set of boxes, or `rendered`).

Every training is done once and kept in the folder --run; the same command goes on where it was
stopped.
"""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path
from typing import Any, Protocol

from mot_compress_ros.console import complain, say
from mot_compress_ros.errors import InvalidOptionError

HELP = "the compression paper's tables 1 to 3, with its figures beside ours"

# Each has `open_table(args) -> Table`.
TABLES = {
    '1': 'offline_training.experiments.compression_table1',
    '2': 'offline_training.experiments.compression_table2',
    '3': 'offline_training.experiments.compression_table3',
}
PART = 'compression table {}'


class Table(Protocol):
    """One table of the paper."""

    def plan_text(self) -> str:
        """What is done, what would be, and how long that takes."""

    def complete(self) -> None:
        """Do what is not done yet."""

    def report(self) -> tuple[str, dict[str, Any]]:
        """The table as Markdown, and everything as plain values."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('--table', required=True, choices=tuple(TABLES))
    parser.add_argument('--data', nargs='+', required=True, help='see above; of table 2, to train')
    parser.add_argument('--dev', nargs='+', default=[], help='table 2: sequences to score on')
    parser.add_argument(
        '--run', type=Path, required=True, help='folder of the runs; a second start goes on'
    )
    parser.add_argument(
        '--preset', default='small', help='small (CPU), full (GPU), or a file of that form'
    )
    parser.add_argument(
        '--plan', action='store_true', help='say what would be done and how long it takes; no more'
    )
    parser.add_argument(
        '--only', nargs='+', default=[], metavar='NAME', help='these rows, and what they need'
    )
    parser.add_argument(
        '--seeds', type=int, default=1, help='trainings of each row; more give mean and spread'
    )
    parser.add_argument('--seed', type=int, default=317, help='the first of them')
    parser.add_argument('--device', default='cpu', choices=('cpu', 'cuda'), help='where to train')
    parser.add_argument('--threads', type=int, default=0, help='CPU threads; 0 takes all')
    parser.add_argument('--json', type=Path, help='write everything here')
    parser.add_argument(
        '--update', type=Path, metavar='PAGE', help='write the table between its markers'
    )


def run(args: argparse.Namespace) -> int:
    """Do what is not done yet, compare and write; returns the exit code."""
    import torch

    from offline_training.environment import command_line, cpu_model, describe_environment
    from offline_training.marked_page import between_markers, read_page
    from offline_training.report_files import check_writable, write_report, write_text
    from offline_training.training.interruption import TrainingInterruptedError

    check_writable(args.json)
    part = PART.format(args.table)
    page = read_page(args.update, part) if args.update else ''
    if args.seeds < 1:
        raise InvalidOptionError(f'--seeds {args.seeds}: expected 1 or more')
    if args.threads:
        torch.set_num_threads(args.threads)
    table: Table = importlib.import_module(TABLES[args.table]).open_table(args)
    say(table.plan_text())
    if args.plan:
        return 0
    try:
        table.complete()
    except TrainingInterruptedError as stop:
        complain(f'compression: {stop}')
        return stop.exit_code
    text, content = table.report()
    say(text)
    origin = f'Made by `{command_line()}` on {cpu_model()}.'
    if args.update:
        write_text(args.update, between_markers(page, part, f'{origin}\n\n{text}'))
    if args.json:
        head = {
            'kind': f'experiment_compression_table_{args.table}',
            'command': command_line(),
            'environment': describe_environment(),
        }
        write_report(args.json, {**head, **content})
    return 0
