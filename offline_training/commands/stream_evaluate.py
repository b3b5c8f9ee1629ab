"""Score a model as a live node: every output counts from the time at which it is ready."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
import math
from pathlib import Path
from typing import Any, TYPE_CHECKING

from mot_compress_ros.console import say
from mot_compress_ros.errors import InputError, InvalidOptionError

if TYPE_CHECKING:
    from mot_compress_ros.inference import Detector
    from mot_compress_ros.pipeline import PipelineConfig
    from offline_training.datasets.records import LabelledSequence
    from offline_training.evaluation.streaming_latency import TimedNetwork

HELP = 'streaming scores: late outputs, dropped frames and stale tracks count'
SPEED_FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
_ONLY = 'only'  # the mode of the options, where --modes names none


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('--model', required=True, help='bundle, a folder or a name')
    parser.add_argument('--teacher', default='', help='bundle that sees the keyframes')
    parser.add_argument(
        '--keyframe-interval', type=int, help='frames from one teacher frame to the next'
    )
    parser.add_argument(
        '--modes',
        nargs='+',
        metavar='MODE[:K]',
        help='several keyframe modes beside each other, such as fixed:6 adaptive async off',
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
        '--contention',
        type=float,
        default=1.0,
        metavar='F',
        help='how many times as slow the student is while a teacher works beside it, as '
        '`benchmark keyframe` measures (default: 1)',
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
    from offline_training.evaluation.streaming_tables import modes_table, streaming_table
    from offline_training.report_files import check_writable, write_report

    check_writable(args.json, args.plot)
    report = stream_evaluate(args)
    say(modes_table(report) if args.modes else streaming_table(report))
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
    from offline_training.evaluation.streaming_ladder import Ladder, play_ladder
    from offline_training.evaluation.streaming_latency import choose_latency
    from offline_training.evaluation.streaming_modes import mode_configs
    from offline_training.evaluation.streaming_scores import StreamingConfig

    _check(args)
    config, bootstrap = pipeline_config(args), bootstrap_config(args)
    modes = mode_configs(args.modes or (), config, has_teacher=bool(args.teacher))
    sequences = _open_sequences(args.data)
    names = ('eta', 'forecast', 'shrinking_tail', 'contention')
    streaming = from_mapping(StreamingConfig, {name: getattr(args, name) for name in names})
    student = open_detector(args.model, config)
    teacher = open_detector(args.teacher, config) if args.teacher else None
    latency = choose_latency(
        args.latency, student=_timed(student), teacher=_timed(teacher) if teacher else None
    )
    ladder = Ladder(
        modes=modes or {_ONLY: config},
        factors=args.speed_factor,
        latency=latency,
        streaming=streaming,
        seed=args.seed,
    )
    played = play_ladder(sequences, ladder, student=student, teacher=teacher, bootstrap=bootstrap)
    return {
        'kind': 'streaming_modes' if modes else 'streaming',
        'command': command_line(),
        'environment': describe_environment(),
        'model': _model_json(student),
        'teacher': _model_json(teacher) if teacher else None,
        'options': {**to_mapping(config), **to_mapping(streaming, 'streaming.')},
        'latency': latency.description,
        'seed': args.seed,
        'bootstrap': to_mapping(bootstrap) if bootstrap else None,
        **(_modes_json(modes, played) if modes else played[_ONLY]),
    }


def _modes_json(
    modes: Mapping[str, PipelineConfig], played: Mapping[str, Mapping[str, object]]
) -> dict[str, object]:
    from mot_compress_ros.options import to_mapping

    return {
        'modes': [
            {'mode': name, 'options': to_mapping(config.keyframe, 'keyframe.'), **played[name]}
            for name, config in modes.items()
        ]
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


def _plot(report: dict[str, Any], path: Path) -> None:
    from offline_training.reports.figures import write_png
    from offline_training.reports.runs import Run
    from offline_training.reports.sections.overview import model_name
    from offline_training.reports.sections.streaming import ladder_chart

    run = Run(label='', path=path, kind='streaming', content=report)
    runs = [
        replace(run, label=mode['mode'], content=mode, number=number)
        for number, mode in enumerate(report.get('modes', ()))
    ]
    write_png(ladder_chart(runs or [replace(run, label=model_name(run))]), path)
