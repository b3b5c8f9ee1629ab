"""Compare any number of runs on one self-contained HTML page."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mot_compress_ros.console import say
from mot_compress_ros.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from offline_training.reports.content import Chart, Section

HELP = 'compare runs on one HTML page with tables and charts'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        'runs',
        type=Path,
        nargs='+',
        metavar='RUN',
        help='JSON file of evaluate, score, stream-evaluate, benchmark or another command, or the '
        'folder of a training run; differences are to the first',
    )
    parser.add_argument('--output', type=Path, required=True, help='HTML file to write')
    parser.add_argument('--png', type=Path, metavar='DIR', help='write each chart as PNG there')
    parser.add_argument('--title', default='Comparison of runs', help='heading of the page')


def run(args: argparse.Namespace) -> int:
    """Read, draw and write; returns the exit code."""
    from offline_training.report_files import check_writable, write_text
    from offline_training.reports.page import render_page, sections_of
    from offline_training.reports.runs import read_runs

    check_writable(args.output)
    if args.png:
        _make_folder(args.png)
    sections = sections_of(read_runs(args.runs))
    write_text(args.output, render_page(sections, title=args.title))
    say(f'wrote {args.output}')
    if args.png:
        _write_pngs(sections, args.png)
    return 0


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f'{folder}: cannot be written ({error.strerror})') from None


def _write_pngs(sections: Sequence[Section], folder: Path) -> None:
    from offline_training.reports.content import Chart
    from offline_training.reports.figures import write_png

    charts: list[Chart] = [
        part for section in sections for part in section.parts if isinstance(part, Chart)
    ]
    for chart in charts:
        write_png(chart, folder / f'{chart.name}.png')
    say(f'wrote {len(charts)} charts to {folder}')
