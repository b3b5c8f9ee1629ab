"""Quantize a bundle's network to int8, and show what that gains and costs."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
import importlib
from pathlib import Path
from typing import Any, TYPE_CHECKING

from mot_compress_ros.console import complain, say
from mot_compress_ros.errors import InputError, InvalidOptionError

if TYPE_CHECKING:
    from mot_compress_ros.inference import Detector
    from offline_training.quantization.config import QuantizeConfig
    from offline_training.quantization.work import Job, Outcome

N_COMPARED = 8  # samples on which the graph is compared with torch
HELP = 'quantize a bundle to int8, after training or by training on, within a bound'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    from offline_training.quantization import METHODS

    parser.add_argument('--model', required=True, help='bundle to quantize')
    parser.add_argument(
        '--output', type=Path, help='bundle to write (default: the graph joins those of --model)'
    )
    parser.add_argument('--method', default='ptq', choices=tuple(METHODS), help='how')
    parser.add_argument(
        '--calibration',
        nargs='+',
        type=Path,
        default=[],
        metavar='DATA',
        help='frames that calibrate: bags, videos, image folders, labelled sets, or training '
        'recipes, whose sources are below --data',
    )
    parser.add_argument('--data', type=Path, help='folder of the data sets of a recipe')
    parser.add_argument(
        '--validation', type=Path, metavar='SET', help='labelled set, for the scores ap50 and mota'
    )
    parser.add_argument(
        '--data-option',
        action='append',
        default=[],
        metavar='NAME=VALUE',
        help='of the labelled sets, such as layout=bdd100k or split=val',
    )
    parser.add_argument(
        '--input-size', metavar='WxH', help="input of the graph (default: the bundle's)"
    )
    parser.add_argument('--batch', type=int, default=1, help='images of the graph at a time')
    parser.add_argument(
        '--sparse-heads',
        default='on',
        choices=('on', 'off'),
        help='leave box and re-ID heads to be evaluated at the peaks, in float',
    )
    parser.add_argument(
        '--max-drop', type=float, help='as bound.max_drop: largest loss of the score'
    )
    parser.add_argument(
        '--teacher', help='qat: bundle that teaches heat map and boxes (default: the model itself)'
    )
    parser.add_argument('--threads', type=int, default=0, help="torch's CPU threads; 0 takes all")
    parser.add_argument(
        '--sensitivity',
        type=Path,
        metavar='FILE.svg',
        help='draw what each layer alone costs, and all but it',
    )
    parser.add_argument(
        '--set',
        action='append',
        default=[],
        metavar='KEY=VALUE',
        help='option of quantization, such as ptq.ranges=percentile or bound.score=ap50',
    )
    parser.add_argument('--json', type=Path, help='write all numbers here')
    parser.add_argument(
        '--update',
        type=Path,
        metavar='PAGE',
        help='write the table into this page, between its markers `quantize METHOD`',
    )


def run(args: argparse.Namespace) -> int:
    """Quantize, print the table, write the bundle."""
    from offline_training.environment import command_line, cpu_model
    from offline_training.marked_page import between_markers, read_page
    from offline_training.quantization import METHODS
    from offline_training.report_files import check_writable, write_report, write_text

    check_writable(args.json, args.sensitivity)
    part = f'quantize {args.method}'
    page = read_page(args.update, part) if args.update else ''
    if args.method == 'qat' and not args.output:
        raise InvalidOptionError('--output: needed with --method qat, which changes the weights')
    job = _job(args)
    report: dict[str, Any] = {}
    if args.sensitivity:
        report['sensitivity'] = _sensitivity(job, args.sensitivity)
    outcome = importlib.import_module(METHODS[args.method]).quantize(job)
    table = outcome_table(outcome, score=job.config.bound.score)
    say(table)
    output = args.output or job.bundle.path
    if outcome.model is None:
        complain(f'quantize: {args.method} leaves nothing that the node loads; see the table')
    else:
        report['graph'] = _write(job, outcome, output)
    if args.update:
        origin = f'Made by `{command_line()}` on {cpu_model()}.'
        write_text(args.update, between_markers(page, part, f'{origin}\n\n{table}'))
    if args.json:
        write_report(args.json, {**_report(args, job, outcome), **report})
    return 0


def _job(args: argparse.Namespace) -> Job:
    """All that is asked for, read and checked."""
    import torch

    from mot_compress_ros.inference import load_bundle
    from mot_compress_ros.inference.backends.torch_eager import load_network
    from offline_training.command_options import parse_settings, parse_size
    from offline_training.datasets.records import SourceConfig
    from offline_training.quantization.calibration import calibration_frames, calibration_samples
    from offline_training.quantization.maps_backend import of_network
    from offline_training.quantization.scores import read_truth, ScoreInput, SCORES
    from offline_training.quantization.work import Job

    config = _config(args)
    if args.threads:
        torch.set_num_threads(args.threads)
    if not args.calibration:
        raise InvalidOptionError('--calibration: needed: ranges are found on frames')
    bundle = load_bundle(args.model)
    size = bundle.manifest.input_size_wh
    if args.input_size:
        size = parse_size(args.input_size, multiple=32)
    network = load_network(bundle).eval()
    reference = of_network(network, network, name='torch float32')
    settings = parse_settings(SourceConfig, args.data_option, flag='--data-option')
    frames = calibration_frames(args.calibration, config.frames, data=args.data, settings=settings)
    samples = calibration_samples(frames, reference, input_size_wh=size)
    truth = read_truth(args.validation, settings) if args.validation else None
    blank = Job(
        bundle=bundle,
        network=network,
        samples=samples,
        score=_NoScore(),
        config=config,
        input_size_wh=size,
        batch=args.batch,
        sparse_heads=args.sparse_heads == 'on',
        teacher=load_network(load_bundle(args.teacher)).eval() if args.teacher else None,
    )
    given = ScoreInput(samples=samples, reference=blank.detector(reference), truth=truth)
    return replace(blank, score=SCORES[config.bound.score](given))


class _NoScore:
    """Stands where the score comes that needs the job's own detector."""

    def __len__(self) -> int:
        return 0

    def __call__(self, detector: Detector, items: Sequence[int]) -> tuple[float, list[float]]:
        raise InputError('no score: expected one of `SCORES`')


def _config(args: argparse.Namespace) -> QuantizeConfig:
    from mot_compress_ros.options import from_mapping
    from offline_training.command_options import parse_settings
    from offline_training.quantization.config import QuantizeConfig as Options

    values = parse_settings(Options, args.set)
    if args.max_drop is not None:
        values['bound.max_drop'] = args.max_drop
    if args.batch < 1:
        raise InvalidOptionError(f'--batch: got {args.batch}, expected 1 or more')
    return from_mapping(Options, values)


def _sensitivity(job: Job, path: Path) -> list[dict[str, Any]]:
    from offline_training.quantization.sensitivity import draw_sensitivity, layer_sensitivity

    layers = layer_sensitivity(job)
    draw_sensitivity(layers, path, score=job.config.bound.score)
    complain(f'wrote {path}')
    return [layer.as_json() for layer in layers]


def _write(job: Job, outcome: Outcome, output: Path) -> dict[str, Any]:
    """Write the bundle; returns how its graph differs from torch in float32."""
    import numpy as np

    from offline_training.export.table import verdict_json
    from offline_training.quantization.graph_files import write_int8

    verdict = write_int8(
        job.bundle,
        output,
        outcome.model,
        job.network,
        np.concatenate([sample.images_rgb for sample in job.samples[:N_COMPARED]]),
        input_size_wh=job.input_size_wh,
        batch=job.batch,
        sparse_heads=job.sparse_heads,
        tensors=outcome.tensors,
        measured={'score': job.config.bound.score, **outcome.facts, 'rows': dict(outcome.rows)},
    )
    complain(f'wrote {output}')
    if verdict.failures:
        complain(f'quantize: `verify` will refuse this graph: {"; ".join(verdict.failures)}')
    return verdict_json(verdict, sum(row['bytes'] for row in list(outcome.rows.values())[-1:]))


def _report(args: argparse.Namespace, job: Job, outcome: Outcome) -> dict[str, Any]:
    from mot_compress_ros.options import to_mapping
    from offline_training.environment import command_line, describe_environment

    return {
        'kind': 'quantize',
        'command': command_line(),
        'environment': describe_environment(),
        'model': job.bundle.manifest.name,
        'architecture': dict(job.bundle.manifest.architecture),
        'method': args.method,
        'options': to_mapping(job.config),
        'input_size_wh': list(job.input_size_wh),
        'batch': job.batch,
        'sparse_heads': job.sparse_heads,
        'samples': len(job.samples),
        'rows': dict(outcome.rows),
        'facts': dict(outcome.facts),
    }


def outcome_table(outcome: Outcome, *, score: str) -> str:
    """Bytes, milliseconds and score before and after, for people."""
    from offline_training.evaluation.tables import markdown_table

    rows = [
        [name, f'{row["bytes"] / 1e6:.3f}', f'{row["ms"]:.2f}', f'{row["score"]:.4f}']
        for name, row in outcome.rows.items()
    ]
    table = markdown_table(['network', 'MB', 'ms', score], rows)
    return '\n'.join([table, '', *_facts(outcome.facts)])


def _facts(facts: Mapping[str, Any]) -> list[str]:
    return [f'- {name}: {value}' for name, value in facts.items()]
