"""Score a model, or a student with its teacher, on sequences and images with ground truth."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TYPE_CHECKING

from mot_compress_ros.console import complain, say
from mot_compress_ros.errors import InputError, InvalidOptionError
from offline_training.evaluation.protocols import PROTOCOLS
from offline_training.parallel import add_parallel_arguments

if TYPE_CHECKING:
    from mot_compress_ros.inference import Detector
    from mot_compress_ros.pipeline import PipelineConfig
    from offline_training.datasets.records import LabelledImage, LabelledSequence, LabelledSet
    from offline_training.evaluation.bootstrap import BootstrapConfig
    from offline_training.evaluation.protocols.judge import SequenceJudge
    from offline_training.evaluation.sequence_scorer import (
        SequenceJob,
        SequenceOutcome,
    )

HELP = 'score a model with TrackEval and COCO average precision'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('--model', required=True, help='bundle, a folder or a name')
    parser.add_argument('--teacher', default='', help='bundle that sees the keyframes')
    parser.add_argument(
        '--keyframe-interval', type=int, help='frames from one teacher frame to the next'
    )
    parser.add_argument(
        '--data',
        type=Path,
        nargs='+',
        default=[],
        help='sets of any layout: sequences are tracked, single images only detected',
    )
    parser.add_argument(
        '--partly-labelled',
        type=Path,
        nargs='+',
        default=[],
        help='sequences of which only some objects are labelled: recall and identity only',
    )
    add_truth_arguments(parser)
    parser.add_argument('--bdd', type=Path, help='BDD100K folder, for detection')
    parser.add_argument('--bdd-split', default='dev')
    parser.add_argument(
        '--input-size', metavar='WxH', help="input of the networks (default: the bundles' own)"
    )
    parser.add_argument('--threads', type=int, default=0, help='CPU threads; 0: all')
    add_parallel_arguments(parser, what='sequences')
    parser.add_argument(
        '--set',
        action='append',
        default=[],
        metavar='NAME=VALUE',
        help='an option of the pipeline, such as tracker.new_track_score=0.5',
    )
    parser.add_argument(
        '--update-manifest',
        action='store_true',
        help="write the main scores into the bundle's model.json (without a teacher only)",
    )
    parser.add_argument('--json', type=Path, help='write all scores here')


def add_truth_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare how ground truth is read, whose rules judge, and how intervals are made."""
    parser.add_argument(
        '--protocol',
        default='product',
        choices=tuple(PROTOCOLS),
        help="whose rules judge the tracks; product: every class, TrackEval's metrics",
    )
    add_set_arguments(parser)
    parser.add_argument(
        '--benchmark',
        default='',
        help='mot_challenge: MOT15, MOT16, MOT17 or MOT20 (default: by looking)',
    )
    parser.add_argument(
        '--resamples', type=int, default=1000, help='draws of the confidence intervals; 0: none'
    )
    parser.add_argument('--seed', type=int, default=0, help='of the confidence intervals')


def add_set_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare how labelled sets are read."""
    parser.add_argument('--layout', help='layout of the sets (default: by looking)')
    parser.add_argument('--split', help='sets that come in splits: which one')
    parser.add_argument(
        '--data-option',
        action='append',
        default=[],
        metavar='NAME=VALUE',
        help='an option of the layout, as in a training recipe',
    )


def run(args: argparse.Namespace) -> int:
    """Run, score, print and write; returns the exit code."""
    from offline_training.evaluation.tables import evaluation_table
    from offline_training.report_files import check_writable, write_report

    check_writable(args.json)
    if not (args.data or args.partly_labelled or args.bdd):
        raise InputError('nothing to evaluate on: give --data, --partly-labelled or --bdd')
    if args.update_manifest and args.teacher:
        raise InputError('--update-manifest: scores of a pair belong to neither bundle')
    if args.update_manifest and args.protocol != 'product':
        raise InputError('--update-manifest: a bundle carries scores of the product protocol')
    if args.update_manifest and args.input_size:
        raise InputError('--update-manifest: a bundle carries scores of its own input size')
    if args.keyframe_interval is not None and not args.teacher:
        raise InvalidOptionError('--keyframe-interval: keyframes need a --teacher')
    report = evaluate(args)
    say(evaluation_table(report))
    if args.json:
        write_report(args.json, report)
    if report['failed']:
        for name, error in report['failed'].items():
            complain(f'error: {name}: {error}')
        return 1  # the scores are not of all that was asked for
    if args.update_manifest:
        update_manifest(args.model, report)
    return 0


def update_manifest(model: str, report: dict[str, object]) -> None:
    """Write the main scores into the bundle; its weights stay as they are."""
    from mot_compress_ros.inference import load_bundle
    from mot_compress_ros.inference.checkpoint import save_bundle
    from offline_training.evaluation.report import manifest_metrics

    bundle = load_bundle(model)
    manifest = replace(bundle.manifest, metrics=manifest_metrics(report))
    save_bundle(bundle.path, manifest, bundle.tensors)


def evaluate(args: argparse.Namespace) -> dict[str, Any]:
    """All scores, as they are written to JSON."""
    from mot_compress_ros.options import to_mapping
    from offline_training.environment import command_line, describe_environment
    from offline_training.evaluation.image_sets import score_image_sets
    from offline_training.evaluation.scoring_many import score_sequences
    from offline_training.evaluation.sequence_scorer import SequenceScorer

    config = pipeline_config(args)
    bootstrap = bootstrap_config(args)
    sets = open_sets(args.data, set_settings(args))
    jobs = [
        *sequence_jobs(sets, args),
        *sequence_jobs(open_sets(args.partly_labelled), args, partly_labelled=True),
    ]
    _check_names([job.sequence.name for job in jobs])
    scorer = SequenceScorer(
        model=args.model,
        teacher=args.teacher,
        config=config,
        protocol=args.protocol,
        input_size_wh=input_size(args),
    )
    student, teacher = scorer.student_detector, scorer.teacher_detector
    outcomes = score_sequences(jobs, scorer, workers=args.workers, address=args.ray)
    image_sets, failed_sets = score_image_sets(_image_sets(sets, args), student, teacher)
    return {
        'kind': 'evaluation',
        'command': command_line(),
        'environment': describe_environment(),
        'protocol': args.protocol,
        'bootstrap': to_mapping(bootstrap) if bootstrap else None,
        'model': _model_json(student),
        'teacher': _model_json(teacher) if teacher else None,
        'sizes': _sizes_json(student, teacher),
        'options': dict(to_mapping(config)),
        **_scores_json([o.result for o in outcomes if o.result], args.protocol, bootstrap),
        'failed': {o.name: o.error for o in outcomes if o.error} | failed_sets,
        'image_sets': image_sets,
    }


def pipeline_config(args: argparse.Namespace) -> PipelineConfig:
    """Options of the pipeline from the command line.

    Raises:
        InvalidOptionError: an unknown name or a value out of range.
    """
    from mot_compress_ros.options import from_mapping
    from mot_compress_ros.pipeline import PipelineConfig
    from offline_training.command_options import parse_settings

    values = parse_settings(PipelineConfig, args.set)
    if args.threads:
        values['runtime.threads'] = args.threads
    if args.keyframe_interval is not None:
        values['keyframe.interval'] = args.keyframe_interval
    return from_mapping(PipelineConfig, values)


def input_size(args: argparse.Namespace) -> tuple[int, int] | None:
    """The input size that was asked for, None for the bundles' own.

    Raises:
        InvalidOptionError: it is not of the form 1088x608, or no multiple of 32.
    """
    from offline_training.command_options import parse_size

    return parse_size(args.input_size, multiple=32) if args.input_size else None


def bootstrap_config(args: argparse.Namespace) -> BootstrapConfig | None:
    """How intervals are made; None where they are not wanted.

    Raises:
        InvalidOptionError: a value out of range.
    """
    from mot_compress_ros.options import from_mapping
    from offline_training.evaluation.bootstrap import BootstrapConfig

    if not args.resamples:
        return None
    return from_mapping(BootstrapConfig, {'resamples': args.resamples, 'seed': args.seed})


def set_settings(args: argparse.Namespace) -> dict[str, object]:
    """The options of the sets that were given.

    Raises:
        InvalidOptionError: one is not NAME=VALUE.
    """
    from offline_training.command_options import parse_settings
    from offline_training.datasets.records import SourceConfig

    given = {'layout': args.layout, 'split': args.split}
    settings = parse_settings(SourceConfig, args.data_option, flag='--data-option')
    return settings | {name: value for name, value in given.items() if value is not None}


def open_sets(
    paths: Sequence[Path], settings: Mapping[str, object] | None = None
) -> list[tuple[Path, LabelledSet]]:
    """The labelled sets at `paths`, with their paths.

    Raises:
        InputError: one is of no known layout, or damaged.
    """
    from offline_training.evaluation.truth_sets import read_set

    return [(path, read_set(path, settings or {})) for path in paths]


def open_sequences(folders: Sequence[Path]) -> list[LabelledSequence]:
    """The sequences in `folders`, of any layout.

    Raises:
        InputError: there is none, or one cannot be read.
    """
    return [sequence for _, labelled in open_sets(folders) for sequence in labelled.sequences]


def sequence_jobs(
    sets: Sequence[tuple[Path, LabelledSet]],
    args: argparse.Namespace,
    *,
    partly_labelled: bool = False,
) -> list[SequenceJob]:
    """What is to be run and scored, with the judges of the protocol.

    Raises:
        InputError: the protocol finds no ground truth for a sequence.
    """
    from offline_training.evaluation.sequence_scorer import SequenceJob

    jobs = []
    for path, labelled in sets:
        judges = _judges(path, labelled, args) if labelled.sequences else {}
        for sequence in labelled.sequences:
            if sequence.name not in judges:
                raise InputError(
                    f'{path}: {args.protocol} has no ground truth of {sequence.name}, only of '
                    f'{", ".join(judges)}'
                )
            jobs.append(
                SequenceJob(
                    sequence=sequence,
                    judge=judges[sequence.name],
                    partly_labelled=partly_labelled,
                )
            )
    return jobs


def _judges(
    path: Path, labelled: LabelledSet, args: argparse.Namespace
) -> dict[str, SequenceJudge]:
    """The ground truth of each sequence by name; the product's is what has been read."""
    from offline_training.evaluation.protocols.judge import open_protocol, TruthOptions
    from offline_training.evaluation.protocols.product import ProductJudge

    if args.protocol == 'product':
        return {sequence.name: ProductJudge(sequence) for sequence in labelled.sequences}
    truth = open_protocol(args.protocol).read_truth(path, TruthOptions(benchmark=args.benchmark))
    return {judge.name: judge for judge in truth}


def _check_names(names: list[str]) -> None:
    doubles = sorted({name for name in names if names.count(name) > 1})
    if doubles:
        raise InputError(f'sequence {", ".join(doubles)} is given twice')


def _sizes_json(student: Detector, teacher: Detector | None) -> dict[str, object]:
    """Sizes of the networks both ways, and of all that ship together; MB are 10^6 bytes."""
    from offline_training.evaluation.sizes import sizes_json

    models = {'student': student, **({'teacher': teacher} if teacher else {})}
    sizes = {role: sizes_json(detector.manifest) for role, detector in models.items()}
    known = [s['shipped_mb']['fp32'] for s in sizes.values() if s]
    return {**sizes, 'shipped_mb': sum(known) if len(known) == len(models) else None}


def _model_json(detector: Detector) -> dict[str, object]:
    manifest = detector.manifest
    return {
        'name': manifest.name,
        'class_names': list(manifest.class_names),
        'architecture': dict(manifest.architecture),
        'input_size_wh': list(manifest.input_size_wh),
        'weights_sha256': manifest.weights_sha256,
        'runtime': detector.backend.name,
    }


def _scores_json(
    outcomes: Sequence[SequenceOutcome], protocol: str, bootstrap: BootstrapConfig | None
) -> dict[str, object]:
    from offline_training.evaluation.protocols.judge import open_protocol
    from offline_training.evaluation.reid_scores import combined_reid_json
    from offline_training.evaluation.report import combined_detection_json, combined_json

    origins = {outcome.name: outcome.origin for outcome in outcomes}
    return {
        'sequences': [outcome.json for outcome in outcomes],
        'combined': combined_json(
            {outcome.name: outcome.raw for outcome in outcomes},
            origins,
            class_names=open_protocol(protocol).CLASS_NAMES,
            bootstrap=bootstrap,
        ),
        'combined_detection': combined_detection_json(
            [(o.name, o.origin, o.detection) for o in outcomes if o.detection]
        ),
        'combined_reid': combined_reid_json([(o.origin, o.reid) for o in outcomes]),
    }


def _image_sets(
    sets: Sequence[tuple[Path, LabelledSet]], args: argparse.Namespace
) -> list[tuple[str, tuple[LabelledImage, ...]]]:
    """Names and images of what is only detected on."""
    found = [(path.name, labelled.images) for path, labelled in sets if labelled.images]
    if args.bdd:
        from offline_training.evaluation.truth_sets import read_set

        settings = {'layout': 'bdd100k', 'split': args.bdd_split}
        images = read_set(args.bdd, settings).images
        found.append((f'{args.bdd.name} {args.bdd_split}', images))
    return found
