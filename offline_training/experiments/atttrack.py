"""AttTrack: tables 1 to 8 and figure 7 of the paper, and our parts, on the data it is given.

The plan (`atttrack_plan`): teachers, plain students, and variants that all begin with the plain
student. Each training is a run of `train`, each score one of `evaluate`, done once and kept in
the folder --run; the same command goes on where it was stopped. The result is each table of the
paper with ours beside it, and every difference that the paper claims with its sign and size.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from mot_compress_ros.console import complain, say
from mot_compress_ros.errors import InvalidOptionError
from offline_training.evaluation.protocols import PROTOCOLS
from offline_training.experiments.atttrack_paper import FAMILIES

HELP = "AttTrack's tables 1 to 8 and figure 7, with the paper's figures beside ours"


CLASSES = {'pedestrian': 1, 'all': 3}  # the first so many of the product's


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        '--data',
        type=Path,
        nargs='+',
        required=True,
        help='sequences in MOTChallenge layout, each cut into halves',
    )
    parser.add_argument(
        '--data-mot15',
        type=Path,
        nargs='+',
        default=[],
        help='the same for tables 7 and 8 (default: they are of --data too)',
    )
    parser.add_argument(
        '--run', type=Path, required=True, help='folder of the runs; a second start goes on'
    )
    parser.add_argument(
        '--preset', default='small', help='small (CPU), full (GPU), or a file of that form'
    )
    parser.add_argument(
        '--tables',
        nargs='+',
        default=[],
        help='these only: 1 to 8, 7f for figure 7, beyond for our own',
    )
    parser.add_argument(
        '--plan', action='store_true', help='say what would be done and how long it takes; no more'
    )
    parser.add_argument(
        '--students', nargs='+', default=FAMILIES, choices=FAMILIES, help='rows of these only'
    )
    parser.add_argument('--classes', default='pedestrian', choices=tuple(CLASSES))
    parser.add_argument(
        '--sequences', type=int, help="so many of each set; 0 for all (default: the preset's)"
    )
    parser.add_argument(
        '--share', type=float, default=1.0, help="of the preset's steps, such as 0.1 for a trial"
    )
    parser.add_argument(
        '--init',
        action='append',
        default=[],
        metavar='NETWORK=BUNDLE',
        help='weights that a network starts from, such as yolov5=road_teacher',
    )
    parser.add_argument(
        '--set',
        action='append',
        default=[],
        metavar='NAME=VALUE',
        help='option of every training (train.learning_rate=1e-4) or of every pipeline '
        '(tracker.preset=vehicle)',
    )
    parser.add_argument(
        '--protocol', default='product', choices=tuple(PROTOCOLS), help='whose rules judge'
    )
    parser.add_argument('--device', default='cpu', choices=('cpu', 'cuda'))
    parser.add_argument('--threads', type=int, default=0, help='CPU threads; 0 takes all')
    parser.add_argument(
        '--resamples', type=int, default=200, help='draws of the intervals; 0: none'
    )
    parser.add_argument('--json', type=Path, help='write everything here')
    parser.add_argument(
        '--update',
        type=Path,
        metavar='PAGE',
        help='write the tables between its markers, and the figure into images/ beside it',
    )


def run(args: argparse.Namespace) -> int:
    """Train, score, compare and write what is not there yet; returns the exit code."""
    from offline_training.experiments.atttrack_options import judging_of, sites_of
    from offline_training.experiments.atttrack_report import PART, write_results
    from offline_training.experiments.atttrack_training import TrainingStoppedError
    from offline_training.experiments.atttrack_work import planned_text, score_all, train_all
    from offline_training.marked_page import read_page
    from offline_training.report_files import check_writable

    check_writable(args.json)
    page = read_page(args.update, PART) if args.update else ''
    tables = chosen_tables(args.tables)
    sites = sites_of(args, tables, n_class=CLASSES[args.classes])
    judging = judging_of(args, sites)
    say(planned_text(sites))
    if args.plan:
        return 0
    try:
        train_all(sites)
    except TrainingStoppedError as stop:
        complain(f'atttrack: {stop}')
        return stop.exit_code
    results = score_all(sites, judging)
    write_results(args, page, tables=tables, sites=sites, results=results)
    return 0


def chosen_tables(asked: Sequence[str]) -> list[str]:
    """The tables that were asked for, in order; all where none was.

    Raises:
        InvalidOptionError: there is no such table.
    """
    from offline_training.experiments.atttrack_paper import CAPTIONS

    unknown = [table for table in asked if table not in CAPTIONS]
    if unknown:
        raise InvalidOptionError(
            f'--tables {" ".join(unknown)}: legal: {" ".join(CAPTIONS)} (7f is figure 7)'
        )
    return [table for table in CAPTIONS if not asked or table in asked]
