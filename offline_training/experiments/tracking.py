"""Presets of the tracker beside each other: HOTA, MOTA, IDF1, IDSW and time, on the same boxes.

A row is a kind of data and detections at one frame rate (see `tracking_cases`); scores are by the
rules of the data's protocol. Results are kept in the folder --output and computed again only where
the tracker, its options or the data changed; so are detections of our own networks.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from mot_compress_ros.console import say

HELP = 'presets of the tracker on oracle boxes, public detections and our own, at many frame rates'
PART = 'tracking tables'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('--data', type=Path, required=True, help='folder of the data sets')
    parser.add_argument(
        '--output',
        type=Path,
        default=Path('runs/tracking'),
        help='folder of what is computed once (default: %(default)s)',
    )
    parser.add_argument('--presets', nargs='+', default=[], help='these only')
    parser.add_argument(
        '--kinds',
        nargs='+',
        default=[],
        metavar='DATA/DETECTIONS[+MOTION]',
        help='these only, such as kitti/oracle, tud/public+image or synthetic/road_student',
    )
    parser.add_argument(
        '--rates',
        nargs='+',
        default=[],
        metavar='RATE',
        help='full, dropped, or frames per second (default: all of them)',
    )
    parser.add_argument(
        '--set',
        action='append',
        default=[],
        metavar='[PRESET.]OPTION=VALUE',
        help='option of the tracker, of all presets or of one',
    )
    parser.add_argument(
        '--ablate',
        action='store_true',
        help='measure each change of vehicle too, at every frame and at 5 FPS',
    )
    parser.add_argument(
        '--published-scores',
        action='store_true',
        help='score thresholds as published, not those of our detectors',
    )
    parser.add_argument('--workers', type=int, default=1, help='processes (of Ray beyond 1)')
    parser.add_argument('--threads', type=int, default=0, help='CPU threads of the networks')
    parser.add_argument('--json', type=Path, help='write everything here')
    parser.add_argument('--update', type=Path, help=f'Markdown page: rewrite its part `{PART}`')


def run(args: argparse.Namespace) -> int:
    """Make the cases, score the presets on them, print and write; returns the exit code."""
    from mot_compress_ros.options import to_mapping
    from offline_training.environment import command_line, describe_environment
    from offline_training.experiments.tracking_ablation import ABLATION_RATES
    from offline_training.experiments.tracking_cases import CaseOptions, KINDS, load_cases, RATES
    from offline_training.experiments.tracking_presets import CHANGED, preset_configs
    from offline_training.experiments.tracking_results import code_version, score_presets
    from offline_training.experiments.tracking_tables import all_tables
    from offline_training.marked_page import between_markers, read_page
    from offline_training.report_files import check_writable, write_report, write_text

    check_writable(args.json)
    page = read_page(args.update, PART) if args.update else ''
    configs = preset_configs(
        args.presets,
        settings=args.set,
        published_scores=args.published_scores,
        ablate=args.ablate,
    )
    cases = load_cases(
        args.data,
        args.kinds or KINDS,
        rates=args.rates or RATES,
        options=CaseOptions(cache=args.output, threads=args.threads),
    )
    changed = {name: config for name, config in configs.items() if name.startswith(CHANGED)}
    presets = {name: config for name, config in configs.items() if name not in changed}
    rows = score_presets(cases, presets, store=args.output / 'results', workers=args.workers)
    if changed:
        some = [case for case in cases if case.rate in ABLATION_RATES]
        rows += score_presets(some, changed, store=args.output / 'results', workers=args.workers)
    tables = all_tables(rows)
    say(tables)
    if args.update:
        write_text(args.update, between_markers(page, PART, f'{_origin_text()}\n\n{tables}'))
    if args.json:
        report = {
            'kind': 'experiment_tracking',
            'command': command_line(),
            'environment': describe_environment(),
            'tracker_code': {c.preset: code_version(c.preset) for c in configs.values()},
            'presets': {name: to_mapping(config) for name, config in configs.items()},
            'rows': [asdict(row) for row in rows],
        }
        write_report(args.json, report)
    return 0


def _origin_text() -> str:
    from offline_training.environment import command_line, cpu_model

    return (
        f'Made by `{command_line()}` on {cpu_model()}. Ratios are in per cent; ms is the median '
        'time of one `Tracker.update`. The best of each row, or of each measure of a group, is '
        'bold; every rate with all measures is in the file of `--json`. Motion from images or '
        'from a gyro: the tracker is told how the camera moved; it is told nothing elsewhere.'
    )
