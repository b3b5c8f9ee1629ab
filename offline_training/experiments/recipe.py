"""FairMOT's recipe against what may improve on it: each change alone, then all that helped.

Every variant is trained from the same weights and seeds on the same data for the same number of
steps, and evaluated on the dev data. A change is kept where the mean of its differences to the
baseline in HOTA, IDF1, AP50 and re-ID (TPR at a false accept rate of 0.1) is above zero, with
several seeds above its standard error. MOTA is shown and has no vote: it has no lower end, so a
few false alarms of a weak model outweigh all else.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mot_compress_ros.console import say

if TYPE_CHECKING:
    from offline_training.experiments.comparison import Scores
    from offline_training.experiments.variants import Variant

HELP = "FairMOT's losses and recipe against what may improve on them"
BASE = Path('config/training/fairmot_road.yaml')
FIRST_SEED = 317  # FairMOT's

# Options of every run, by preset: `small` is for one CPU core, `full` is the recipe as it stands.
# What `small` can afford is too short from random weights: nothing would be found at the end, and
# no difference be seen. It starts from a shipped model, as FairMOT starts from COCO weights.
PRESETS: dict[str, dict[str, object]] = {
    'small': {
        'architecture.width': 0.125,
        'train.steps': 600,
        'train.batch_size': 8,
        'train.precision': 'bf16',
        'augment.width_px': 416,
        'augment.height_px': 256,
        'augment.min_full_width_px': 300.0,
        'augment.max_full_width_px': 700.0,
    },
    'full': {},
}
STARTS = {'small': 'road_student', 'full': ''}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    from offline_training.experiments.variants import VARIANTS

    parser.add_argument('--data', type=Path, required=True, help='folder of the data sets')
    parser.add_argument(
        '--output', type=Path, required=True, help='folder of the runs; a second start goes on'
    )
    parser.add_argument('--preset', default='small', choices=tuple(PRESETS), help='sizes')
    parser.add_argument('--recipe', type=Path, default=BASE, help=f'the baseline ({BASE})')
    parser.add_argument(
        '--init',
        help='bundle that every training starts from; "" for random weights (default: '
        f'{", ".join(f"{preset} {name or chr(34) * 2}" for preset, name in STARTS.items())})',
    )
    parser.add_argument('--seeds', type=int, default=1, help='trainings of each variant')
    parser.add_argument(
        '--only', nargs='+', default=[], choices=[v.name for v in VARIANTS], help='variants'
    )
    parser.add_argument(
        '--dev',
        nargs='+',
        default=['mot15/dev', 'synthetic/dev'],
        help='folders of sequences to evaluate on, relative to --data',
    )
    parser.add_argument(
        '--bdd', default='bdd100k', help='BDD100K folder for AP, relative to --data; "" for none'
    )
    parser.add_argument(
        '--set', action='append', default=[], metavar='KEY=VALUE', help='option of every run'
    )
    parser.add_argument('--device', default='cpu', choices=('cpu', 'cuda'), help='where to train')
    parser.add_argument('--threads', type=int, default=0, help='CPU threads; 0 takes all')
    parser.add_argument('--json', type=Path, help='write everything here')


def run(args: argparse.Namespace) -> int:
    """Train, evaluate, compare; returns the exit code."""
    from offline_training.environment import command_line, describe_environment
    from offline_training.experiments.comparison import compare, comparison_table, seed_spread
    from offline_training.experiments.variants import BASELINE, together, VARIANTS
    from offline_training.report_files import check_writable, write_report

    check_writable(args.json)
    chosen = [v for v in VARIANTS if not args.only or v.name in (BASELINE, *args.only)]
    scores = _all_scores(chosen, args)
    rows = compare(scores)
    gains = {row.name: row.gain for row in rows}
    rest = together([row.name for row in rows if row.kept], gains)
    if rest:
        chosen = [*chosen, rest]
        scores |= _all_scores([rest], args)
        rows = compare(scores)
    table = comparison_table(rows, {v.name: v.what for v in chosen})
    say(table)
    args.output.mkdir(parents=True, exist_ok=True)
    (args.output / 'comparison.md').write_text(table + '\n', encoding='utf-8')
    if args.json:
        report = {
            'kind': 'experiment_recipe',
            'command': command_line(),
            'environment': describe_environment(),
            'preset': args.preset,
            'settings': {name: str(value) for name, value in _settings(args).items()},
            'started_from': _start(args),
            'seeds': _seeds(args),
            'seed_spread': seed_spread(scores[BASELINE]),
            'rows': [row.to_json() for row in rows],
            'variants': {v.name: {'what': v.what, 'settings': dict(v.settings)} for v in chosen},
        }
        write_report(args.json, report)
    return 0


def _settings(args: argparse.Namespace) -> dict[str, object]:
    from offline_training.command_options import parse_settings
    from offline_training.recipes import RecipeConfig

    return {**PRESETS[args.preset], **parse_settings(RecipeConfig, args.set)}


def _start(args: argparse.Namespace) -> str:
    return STARTS[args.preset] if args.init is None else str(args.init)


def _seeds(args: argparse.Namespace) -> list[int]:
    return [FIRST_SEED + k for k in range(args.seeds)]


def _all_scores(
    variants: Sequence[Variant], args: argparse.Namespace
) -> dict[str, dict[int, Scores]]:
    """Scores by variant and seed; seed by seed, so that one of each is there early."""
    from offline_training.experiments.comparison import read_scores
    from offline_training.experiments.runs import announce, complete, RunPlan
    from offline_training.recipes import read_recipe

    settings = _settings(args)
    found: dict[str, dict[int, Scores]] = {variant.name: {} for variant in variants}
    runs = [(variant, seed) for seed in _seeds(args) for variant in variants]
    for done, (variant, seed) in enumerate(runs):
        announce(done, len(runs), f'{variant.name}, seed {seed}: {variant.what}')
        mine = {**settings, **variant.settings, 'train.seed': seed}
        plan = RunPlan(
            folder=args.output / f'{variant.name}-{seed}',
            recipe=args.recipe,
            data=args.data,
            settings=mine,
            init=_start(args),
            input_size_wh=read_recipe(args.recipe, mine).config.augment.size_wh,
            dev=[args.data / name for name in args.dev],
            bdd=args.data / args.bdd if args.bdd else None,
            device=args.device,
            threads=args.threads,
        )
        found[variant.name][seed] = read_scores(complete(plan))
    return found
