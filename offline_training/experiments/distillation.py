"""Knowledge distillation: the losses of the thesis alone, in pairs and together, and rivals.

A teacher and a plain student are trained once; all students then begin with the plain one and are
trained for the same number of steps, each with other parts of the loss (`distillation_plan`).
Each training is a run of `train`, each score one of `evaluate`, done once and kept in the folder
--run; the same command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mot_compress_ros.console import complain, say
from mot_compress_ros.errors import InvalidOptionError
from offline_training.evaluation.protocols import PROTOCOLS

if TYPE_CHECKING:
    from offline_training.experiments.atttrack_scoring import Judging
    from offline_training.experiments.atttrack_training import Site
    from offline_training.experiments.distillation_tables import Difference
    from offline_training.experiments.distillation_work import Result

HELP = "the thesis' three distillation losses, each alone, in pairs and together, beside rivals"
# Of a page, by whether the networks have anchors (CSTrack) or heads.
PARTS = {False: 'distillation', True: 'distillation CSTrack'}
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
        '--run', type=Path, required=True, help='folder of the runs; a second start goes on'
    )
    parser.add_argument(
        '--preset',
        default='small',
        help='small (CPU), full (GPU), cstrack_small, cstrack_full, or a file of that form',
    )
    parser.add_argument(
        '--variants', nargs='+', default=[], help='these students only, beside the plain one'
    )
    parser.add_argument(
        '--plan', action='store_true', help='say what would be done and how long it takes; no more'
    )
    parser.add_argument('--classes', default='pedestrian', choices=tuple(CLASSES))
    parser.add_argument(
        '--sequences', type=int, help="so many of the data; 0 for all (default: the preset's)"
    )
    parser.add_argument(
        '--share', type=float, default=1.0, help="of the preset's steps, such as 0.1 for a trial"
    )
    parser.add_argument(
        '--init',
        action='append',
        default=[],
        metavar='NETWORK=BUNDLE',
        help='weights that the teacher or the student starts from, such as teacher=road_teacher',
    )
    parser.add_argument(
        '--set',
        action='append',
        default=[],
        metavar='NAME=VALUE',
        help='option of every training (train.learning_rate=1e-4)',
    )
    parser.add_argument(
        '--protocol', default='product', choices=tuple(PROTOCOLS), help='whose rules judge'
    )
    parser.add_argument('--device', default='cpu', choices=('cpu', 'cuda'))
    parser.add_argument('--threads', type=int, default=0, help='CPU threads; 0 takes all')
    parser.add_argument(
        '--resamples', type=int, default=1000, help='draws of the intervals; 0: none'
    )
    parser.add_argument('--json', type=Path, help='write everything here')
    parser.add_argument(
        '--update', type=Path, metavar='PAGE', help='write the tables between its markers'
    )


def run(args: argparse.Namespace) -> int:
    """Train, score, compare and write what is not there yet; returns the exit code."""
    from offline_training.experiments.atttrack_training import TrainingStoppedError
    from offline_training.experiments.distillation_presets import read_preset
    from offline_training.experiments.distillation_work import planned_text, score_all, train_all
    from offline_training.marked_page import read_page
    from offline_training.report_files import check_writable

    check_writable(args.json)
    part = PARTS[read_preset(args.preset).anchors]
    page = read_page(args.update, part) if args.update else ''
    site, judging = _site(args)
    say(planned_text(site))
    if args.plan:
        return 0
    try:
        train_all(site)
    except TrainingStoppedError as stop:
        complain(f'distillation: {stop}')
        return stop.exit_code
    _write(args, (page, part), site, score_all(site, judging))
    return 0


def _site(args: argparse.Namespace) -> tuple[Site, Judging]:
    from offline_training.command_options import parse_settings
    from offline_training.experiments.atttrack_halves import cut_halves
    from offline_training.experiments.atttrack_scoring import Judging
    from offline_training.experiments.atttrack_training import Site
    from offline_training.experiments.distillation_plan import trainings_of
    from offline_training.experiments.distillation_presets import read_preset
    from offline_training.recipes import RecipeConfig

    init = _init(args.init)
    if not args.share > 0:
        raise InvalidOptionError(f'--share {args.share}: expected more than 0')
    preset, n_class = read_preset(args.preset), CLASSES[args.classes]
    count = preset.sizes.sequences if args.sequences is None else args.sequences
    settings = parse_settings(RecipeConfig, args.set)
    site = Site(
        run=args.run,
        halves=cut_halves(args.data, args.run, sequences=count, n_class=n_class),
        preset=preset.sizes,
        n_class=n_class,
        share=args.share,
        settings=settings,
        init=init,
        device=args.device,
        threads=args.threads,
        known=trainings_of(
            preset.weights, _variants(args.variants, preset.anchors), anchors=preset.anchors
        ),
    )
    judging = Judging(
        protocol=args.protocol,
        pipeline=preset.sizes.pipeline,
        threads=args.threads,
        device=args.device,
    )
    return site, judging


def _variants(asked: Sequence[str], anchors: bool) -> tuple[str, ...]:
    from offline_training.experiments.distillation_plan import variants_of

    known = variants_of(anchors=anchors)
    unknown = [name for name in asked if name not in known]
    if unknown:
        raise InvalidOptionError(
            f'--variants {unknown[0]}: legal with these networks: {", ".join(known)}'
        )
    return tuple(asked or known)


def _init(pairs: Sequence[str]) -> dict[str, str]:
    from offline_training.experiments.distillation_plan import STUDENT, TEACHER

    found = dict(pair.partition('=')[::2] for pair in pairs)
    wrong = [
        name for name, bundle in found.items() if name not in (TEACHER, STUDENT) or not bundle
    ]
    if wrong:
        raise InvalidOptionError(
            f'--init {wrong[0]}: expected {TEACHER}=BUNDLE or {STUDENT}=BUNDLE'
        )
    return found


def _write(
    args: argparse.Namespace, page: tuple[str, str], site: Site, results: Mapping[str, Result]
) -> None:
    """Print the tables, and write what was asked for."""
    from offline_training.experiments.distillation_tables import all_tables, differences
    from offline_training.marked_page import between_markers
    from offline_training.report_files import write_report, write_text

    found = differences(results, resamples=args.resamples)
    text = all_tables(results, found)
    say(text)
    if args.update:
        whole = f'{_origin_text(args, site)}\n\n{text}'
        write_text(args.update, between_markers(*page, whole))
    if args.json:
        write_report(args.json, _report(args, site, results, found))


def _origin_text(args: argparse.Namespace, site: Site) -> str:
    from offline_training.environment import command_line, cpu_model

    halves, sizes = site.halves, site.preset
    steps = ', '.join(f'{site.steps(site.known[name])} ({name})' for name in list(site.known)[:3])
    begun = ', '.join(f'{network} with {Path(b).name}' for network, b in site.init.items())
    note = f' Begun with other weights than random ones: {begun}.' if begun else ''
    width, height = sizes.input_size_wh
    return (
        f'Made by `{command_line()}` on {cpu_model()}: {len(halves.names)} {halves.origin} '
        f'sequences, {halves.images} images to train on and {halves.frames} to score, '
        f'{halves.identities} identities, at {width} x {height}. Steps: {steps}; every student '
        f'has as many as the plain one and begins with the same weights.{note} All in per cent; '
        'MT: share of the objects that are found in at least 80 % of their frames. Differences '
        'are from the plain student, in points; intervals of 95 % are over sequences. Training '
        "is of one seed. The thesis' figures are of CSTrack with a YOLOv5-S student on other data."
    )


def _report(
    args: argparse.Namespace,
    site: Site,
    results: Mapping[str, Result],
    found: Sequence[Difference],
) -> dict[str, object]:
    from offline_training.environment import command_line, describe_environment
    from offline_training.experiments.atttrack_training import seconds_of
    from offline_training.experiments.distillation_plan import THESIS, VARIANTS

    halves = site.halves
    thesis = {VARIANTS[name].training: dict(figures) for name, figures in THESIS.items()}
    return {
        'kind': 'experiment_distillation',
        'command': command_line(),
        'environment': describe_environment(),
        'preset': args.preset,
        'share': args.share,
        'protocol': args.protocol,
        'data': {
            'names': list(halves.names),
            'origin': halves.origin,
            'images': halves.images,
            'frames': halves.frames,
            'identities': halves.identities,
        },
        'trainings': [
            {
                'name': training.name,
                'what': training.what,
                'starts_from': training.start,
                'teacher': training.teacher,
                'seconds': seconds_of(site.folder(training)),
                'options': site.options(training),
            }
            for training in site.known.values()
        ],
        'rows': [
            {'name': name, 'thesis': thesis.get(name, {}), **result.to_json()}
            for name, result in results.items()
        ],
        'differences': [difference.to_json() for difference in found],
    }
