"""Score a model as a live node: every output counts from the time at which it is ready."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
import math
from pathlib import Path
from typing import TYPE_CHECKING

from mot_compress_ros.console import ProgressLine, say
from mot_compress_ros.errors import InputError, InvalidOptionError

if TYPE_CHECKING:
    from mot_compress_ros.inference import Detector
    from offline_training.datasets.records import LabelledSequence
    from offline_training.evaluation.bootstrap import BootstrapConfig
    from offline_training.evaluation.streaming_latency import LatencyChoice, TimedNetwork
    from offline_training.evaluation.streaming_run import StreamedSequence
    from offline_training.evaluation.streaming_scores import StreamingConfig

HELP = 'streaming scores: late outputs, dropped frames and stale tracks count'
SPEED_FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('--model', required=True, help='bundle, a folder or a name')
    parser.add_argument('--teacher', default='', help='bundle that sees the keyframes')
    parser.add_argument(
        '--keyframe-interval', type=int, help='frames from one teacher frame to the next'
    )
    parser.add_argument(
        '--data', type=Path, nargs='+', required=True, help='sequence folders, or folders of such'
    )
    parser.add_argument(
        '--latency',
        default='measured',
        metavar='measured|MS|MS,MS|FILE',
        help='runtime of a frame: measured here, a constant (of student,teacher), or drawn from '
        'a JSON file of `benchmark pipeline` (default: measured)',
    )
    parser.add_argument(
        '--speed-factor',
        type=float,
        nargs='+',
        default=list(SPEED_FACTORS),
        metavar='F',
        help='the ladder of machines: 2 is twice as fast (default: %(default)s)',
    )
    parser.add_argument(
        '--eta',
        type=float,
        default=0.0,
        help='0 counts every delay, -1 forgives one frame period (default: 0)',
    )
    parser.add_argument(
        '--forecast',
        action='store_true',
        help="move the tracks to the time of use at the tracker's velocities",
    )
    parser.add_argument(
        '--shrinking-tail',
        action='store_true',
        help='wait for the next frame where that gives fresher outputs',
    )
    parser.add_argument(
        '--resamples', type=int, default=1000, help='draws of the confidence intervals; 0: none'
    )
    parser.add_argument(
        '--seed', type=int, default=0, help='of the drawn runtimes and of the intervals'
    )
    parser.add_argument('--threads', type=int, default=0, help='CPU threads; 0: all')
    parser.add_argument(
        '--set', action='append', default=[], metavar='NAME=VALUE', help='a pipeline option'
    )
    parser.add_argument('--json', type=Path, help='write all scores here')
    parser.add_argument('--plot', type=Path, help='draw sHOTA over the ladder into this PNG')


def run(args: argparse.Namespace) -> int:
    """Run, score, print, draw and write; returns the exit code."""
    from offline_training.evaluation.streaming_tables import streaming_table
    from offline_training.report_files import check_writable, write_report

    check_writable(args.json, args.plot)
    report = stream_evaluate(args)
    say(streaming_table(report))
    if args.json:
        write_report(args.json, report)
    if args.plot:
        _plot(report, args.plot)
    return 0


def stream_evaluate(args: argparse.Namespace) -> dict[str, object]:
    """All scores, as they are written to JSON.

    Raises:
        InvalidOptionError: an option is out of its range.
        InputError: a sequence cannot be read.
    """
    from mot_compress_ros.options import from_mapping, to_mapping
    from offline_training.commands.evaluate import bootstrap_config, pipeline_config
    from offline_training.environment import command_line, describe_environment
    from offline_training.evaluation.inference import open_detector
    from offline_training.evaluation.streaming_latency import choose_latency
    from offline_training.evaluation.streaming_run import StreamedSequence
    from offline_training.evaluation.streaming_scores import StreamingConfig

    _check(args)
    config, bootstrap = pipeline_config(args), bootstrap_config(args)
    sequences = _open_sequences(args.data)
    streaming = from_mapping(
        StreamingConfig,
        {'eta': args.eta, 'forecast': args.forecast, 'shrinking_tail': args.shrinking_tail},
    )
    student = open_detector(args.model, config)
    teacher = open_detector(args.teacher, config) if args.teacher else None
    latency = choose_latency(
        args.latency, student=_timed(student), teacher=_timed(teacher) if teacher else None
    )
    streamed = [
        StreamedSequence(s, student=student, teacher=teacher, config=config) for s in sequences
    ]
    return {
        'kind': 'streaming',
        'command': command_line(),
        'environment': describe_environment(),
        'model': _model_json(student),
        'teacher': _model_json(teacher) if teacher else None,
        'options': {**to_mapping(config), **to_mapping(streaming, 'streaming.')},
        'latency': latency.description,
        'seed': args.seed,
        'bootstrap': to_mapping(bootstrap) if bootstrap else None,
        **_ladder(
            streamed,
            latency,
            streaming,
            factors=args.speed_factor,
            seed=args.seed,
            bootstrap=bootstrap,
        ),
    }


def _check(args: argparse.Namespace) -> None:
    if args.keyframe_interval is not None and not args.teacher:
        raise InvalidOptionError('--keyframe-interval: keyframes need a --teacher')
    factors = args.speed_factor
    if not all(math.isfinite(f) and f > 0 for f in factors) or len(set(factors)) < len(factors):
        raise InvalidOptionError(f'--speed-factor {factors}: expected different values above 0')
    if args.seed < 0:
        raise InvalidOptionError(f'--seed {args.seed}: expected 0 or more')


def _open_sequences(folders: list[Path]) -> list[LabelledSequence]:
    from offline_training.commands.evaluate import open_sequences

    sequences = open_sequences(folders)
    names = [sequence.name for sequence in sequences]
    doubles = sorted({name for name in names if names.count(name) > 1})
    if doubles:
        raise InputError(f'sequence {", ".join(doubles)} is given twice')
    without = [sequence.name for sequence in sequences if not sequence.has_identities]
    if without:
        raise InputError(
            f'{", ".join(without)}: identities mean nothing from frame to frame there, so tracks '
            'cannot be scored; `evaluate` scores the detections'
        )
    return sequences


def _ladder(
    streamed: Sequence[StreamedSequence],
    latency: LatencyChoice,
    streaming: StreamingConfig,
    *,
    factors: Sequence[float],
    seed: int,
    bootstrap: BootstrapConfig | None,
) -> dict[str, object]:
    """The offline scores, and a rung for each speed factor."""
    from offline_training.evaluation.streaming_scores import (
        score_offline,
        score_outputs,
        scores_json,
        with_loss,
    )

    sequences = [s.sequence for s in streamed]
    offline, rungs = [], []
    for s in streamed:
        with ProgressLine(len(s.sequence)) as line:
            name = s.sequence.name
            offline.append(score_offline(s, progress=_progress(line, f'{name}, offline')))
    offline_json = scores_json(sequences, offline, bootstrap=bootstrap)
    for factor in sorted(factors):
        scores = []
        with ProgressLine(sum(map(len, sequences))) as line:
            for number, s in enumerate(streamed):
                before = sum(map(len, sequences[:number]))
                outputs = s.play(
                    latency.source(speed_factor=factor, seed=seed + number),
                    shrinking_tail=streaming.shrinking_tail,
                    progress=_progress(line, f'speed factor {factor:g}', start=before),
                )
                known = s.known_classes
                scores.append(score_outputs(s.sequence, outputs, streaming, known_classes=known))
        found = scores_json(sequences, scores, bootstrap=bootstrap)
        rungs.append({'speed_factor': factor, **with_loss(found, offline_json)})
    return {'offline': offline_json, 'rungs': rungs}


def _progress(line: ProgressLine, label: str, *, start: int = 0) -> Callable[[int], None]:
    return lambda done: line.update(start + done, lambda: label)


def _timed(detector: Detector) -> TimedNetwork:
    from offline_training.evaluation.streaming_latency import TimedNetwork

    return TimedNetwork(name=detector.name, input_size_wh=detector.manifest.input_size_wh)


def _model_json(detector: Detector) -> dict[str, object]:
    return {
        'name': detector.name,
        'input_size_wh': list(detector.manifest.input_size_wh),
        'weights_sha256': detector.manifest.weights_sha256,
        'runtime': detector.backend.name,
    }


def _plot(report: dict[str, object], path: Path) -> None:
    from offline_training.reports.figures import write_png
    from offline_training.reports.runs import Run
    from offline_training.reports.sections.overview import model_name
    from offline_training.reports.sections.streaming import ladder_chart

    run = Run(label='', path=path, kind='streaming', content=report)
    write_png(ladder_chart([replace(run, label=model_name(run))]), path)
