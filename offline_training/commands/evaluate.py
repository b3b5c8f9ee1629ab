"""Score a model, or a student with its teacher, on sequences and images with ground truth."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
import json
from pathlib import Path
from typing import TYPE_CHECKING

from mot_compress_ros.console import ProgressLine, say
from mot_compress_ros.errors import InputError, InvalidOptionError

if TYPE_CHECKING:
    from mot_compress_ros.inference import Detector
    from mot_compress_ros.pipeline import PipelineConfig
    from offline_training.datasets.records import LabelledSequence

HELP = 'score a model with TrackEval and COCO average precision'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('--model', required=True, help='bundle, a folder or a name')
    parser.add_argument('--teacher', default='', help='bundle that sees the keyframes')
    parser.add_argument(
        '--keyframe-interval', type=int, help='frames from one teacher frame to the next'
    )
    parser.add_argument(
        '--data', type=Path, nargs='+', default=[], help='sequence folders, or folders of such'
    )
    parser.add_argument(
        '--partly-labelled',
        type=Path,
        nargs='+',
        default=[],
        help='sequences of which only some objects are labelled: recall and identity only',
    )
    parser.add_argument('--bdd', type=Path, help='BDD100K folder, for detection')
    parser.add_argument('--bdd-split', default='dev')
    parser.add_argument('--threads', type=int, default=0, help='CPU threads; 0: all')
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


def run(args: argparse.Namespace) -> int:
    """Run, score, print and write; returns the exit code."""
    from offline_training.evaluation.tables import evaluation_table

    if not (args.data or args.partly_labelled or args.bdd):
        raise InputError('nothing to evaluate on: give --data, --partly-labelled or --bdd')
    if args.update_manifest and args.teacher:
        raise InputError('--update-manifest: scores of a pair belong to neither bundle')
    if args.keyframe_interval is not None and not args.teacher:
        raise InvalidOptionError('--keyframe-interval: keyframes need a --teacher')
    report = evaluate(args)
    say(evaluation_table(report))
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(report, indent=2) + '\n', encoding='utf-8')
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


def evaluate(args: argparse.Namespace) -> dict[str, object]:
    """All scores, as they are written to JSON."""
    from mot_compress_ros.options import to_mapping
    from offline_training.environment import command_line, describe_environment
    from offline_training.evaluation.inference import open_detector

    config = pipeline_config(args)
    sequences = [(s, False) for s in open_sequences(args.data)]
    sequences += [(s, True) for s in open_sequences(args.partly_labelled)]
    _check_names([s.name for s, _ in sequences])
    student = open_detector(args.model, config)
    teacher = open_detector(args.teacher, config) if args.teacher else None
    return {
        'kind': 'evaluation',
        'command': command_line(),
        'environment': describe_environment(),
        'model': _model_json(student),
        'teacher': _model_json(teacher) if teacher else None,
        'options': dict(to_mapping(config)),
        **_score_sequences(sequences, student, teacher, config),
        'image_sets': _score_images(args.bdd, args.bdd_split, student, teacher),
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


def open_sequences(folders: list[Path]) -> list[LabelledSequence]:
    """The sequences in `folders`; a folder that is not one itself holds sequences.

    Raises:
        InputError: there is none, or one cannot be read.
    """
    from offline_training.datasets.mot_layout import read_sequence, sequence_folders

    return [read_sequence(found) for folder in folders for found in sequence_folders(folder)]


def _progress(line: ProgressLine, label: str) -> Callable[[int], None]:
    return lambda done: line.update(done, lambda: label)


def _check_names(names: list[str]) -> None:
    doubles = sorted({name for name in names if names.count(name) > 1})
    if doubles:
        raise InputError(f'sequence {", ".join(doubles)} is given twice')


def _model_json(detector: Detector) -> dict[str, object]:
    manifest = detector.manifest
    return {
        'name': manifest.name,
        'architecture': dict(manifest.architecture),
        'input_size_wh': list(manifest.input_size_wh),
        'weights_sha256': manifest.weights_sha256,
        'runtime': detector.backend.name,
    }


def _score_sequences(
    sequences: list[tuple[LabelledSequence, bool]],
    student: Detector,
    teacher: Detector | None,
    config: PipelineConfig,
) -> dict[str, object]:
    from offline_training.evaluation.inference import run_sequence
    from offline_training.evaluation.report import combined_json, score_sequence, sequence_json

    per_sequence, pooled = [], {}
    origins = {sequence.name: sequence.origin for sequence, _ in sequences}
    for sequence, partly in sequences:
        with ProgressLine(len(sequence)) as line:
            result = run_sequence(
                sequence,
                student=student,
                teacher=teacher,
                config=config,
                progress=_progress(line, sequence.name),
            )
        raw, detection = score_sequence(sequence, result)
        per_sequence.append(sequence_json(sequence, raw, detection, partly_labelled=partly))
        if not partly:
            pooled[sequence.name] = raw
    return {'sequences': per_sequence, 'combined': combined_json(pooled, origins)}


def _score_images(
    folder: Path | None, split: str, student: Detector, teacher: Detector | None
) -> list[dict[str, object]]:
    if folder is None:
        return []
    from offline_training.datasets.bdd100k import read_bdd100k
    from offline_training.evaluation.inference import detect_images
    from offline_training.evaluation.report import image_set_json

    images = read_bdd100k(folder, split)
    scored = []
    for detector in (student, teacher):
        if detector is None:
            continue
        with ProgressLine(len(images)) as line:
            found = detect_images(
                [image.path for image in images],
                detector,
                progress=_progress(line, f'{folder.name} {split}'),
            )
        scored.append(
            {
                'model': detector.name,
                **image_set_json(f'{folder.name} {split}', images, found),
            }
        )
    return scored
