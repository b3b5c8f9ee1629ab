"""Run a recipe of train, prune, distil, quantize, export and verify as one resumable pipeline."""

from __future__ import annotations

import argparse
from pathlib import Path

from mot_compress_ros.console import say

HELP = 'train, prune, distil, quantize, export and verify as one recipe says, and report'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('recipe', type=Path, help='YAML, such as config/compress/*.yaml')
    parser.add_argument('--data', type=Path, help='folder of the data sets; $DATA in the recipe')
    parser.add_argument(
        '--output', type=Path, required=True, help='bundle to write; its last part is its name'
    )
    parser.add_argument('--run', type=Path, help='folder of the steps (default runs/<name>)')
    parser.add_argument('--device', default='cpu', choices=('cpu', 'cuda'), help='where to train')
    parser.add_argument('--threads', type=int, default=0, help='CPU threads; 0: all')
    parser.add_argument(
        '--plan', action='store_true', help='say which steps are done and which are not; no more'
    )
    parser.add_argument('--json', type=Path, help='write all numbers here')
    parser.add_argument(
        '--update',
        type=Path,
        metavar='PAGE',
        help='write the tables into this page, between its markers `compress NAME`',
    )


def run(args: argparse.Namespace) -> int:
    """Do what is not done, judge, time, write the bundle and the report; returns the exit code."""
    from offline_training.compression.pipeline import Compression, Site
    from offline_training.compression.recipe import read_compress_recipe
    from offline_training.compression.report import report_of, tables
    from offline_training.compression.speed import times_of
    from offline_training.compression.steps import COMMANDS
    from offline_training.environment import command_line, cpu_model, describe_environment
    from offline_training.marked_page import between_markers, read_page
    from offline_training.report_files import check_writable, write_report, write_text

    recipe = read_compress_recipe(args.recipe, data=args.data, commands=tuple(COMMANDS))
    check_writable(args.json)
    name = args.output.resolve().name
    part = f'compress {name}'
    page = read_page(args.update, part) if args.update else ''
    site = Site(
        run=args.run or Path('runs') / name,
        name=name,
        data=args.data,
        threads=args.threads,
        device=args.device,
    )
    compression = Compression(recipe, site)
    if args.plan:
        say(compression.study.plan_text())
        return 0
    compression.study.complete()
    times = times_of(compression) if recipe.speed else {}
    rows = report_of(compression, times)
    compression.ship(args.output)
    text = tables(rows)
    origin = f'Made by `{command_line()}` on {cpu_model()}.'
    say(text)
    say(f'wrote {args.output}')
    write_text(site.run / 'report.md', f'# {name}\n\n{origin}\n\n{text}\n')
    if args.update:
        write_text(args.update, between_markers(page, part, f'{origin}\n\n{text}'))
    if args.json:
        content = {
            'kind': 'compress',
            'command': command_line(),
            'environment': describe_environment(),
            'speed': dict(recipe.speed),
            'steps': rows,
        }
        write_report(args.json, content)
    return 0
