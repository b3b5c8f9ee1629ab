"""Keyframe modes at equal cost: offline and streaming scores, on sequences and a rendered ladder.

Every mode plays every cell (`keyframe_scenes`) in simulated time: offline, where each frame is
looked at and each output counts at its frame, and as a live node on machines of the given speeds.
Runtimes are constants, by default the medians that are measured when the experiment is started
first. Results are kept in the folder --run, and the same command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TYPE_CHECKING

from mot_compress_ros.console import say
from mot_compress_ros.errors import InvalidOptionError

if TYPE_CHECKING:
    from offline_training.experiments.keyframe_plan import Preset
    from offline_training.experiments.keyframe_scenes import Cell
    from offline_training.experiments.keyframe_work import Setting

HELP = 'keyframe modes at equal cost: offline and streaming scores, keyframes per second'
PART = 'keyframe modes'  # of the page


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('--model', default='road_student', help='bundle of the student')
    parser.add_argument('--teacher', default='road_teacher', help='bundle of the teacher')
    parser.add_argument(
        '--data', type=Path, nargs='+', default=[], help='sequence folders, or folders of such'
    )
    parser.add_argument(
        '--run',
        type=Path,
        default=Path('runs/keyframe'),
        help='folder of what is computed once (default: %(default)s)',
    )
    parser.add_argument('--preset', default='small', choices=('small', 'full'))
    parser.add_argument('--no-ladder', action='store_true', help='the sequences of --data only')
    parser.add_argument(
        '--steps', nargs='+', default=[], metavar='STEP', help='of the ladder, these only'
    )
    parser.add_argument('--intervals', type=int, nargs='+', default=[2, 4, 6, 12], metavar='K')
    parser.add_argument(
        '--drives', type=int, help="rendered drives of each step (default: the preset's)"
    )
    parser.add_argument(
        '--latency',
        default='measured',
        metavar='measured|MS,MS',
        help='runtimes of student and teacher (default: medians of this machine, measured once)',
    )
    parser.add_argument(
        '--speed-factor', type=float, nargs='+', default=[1.0], metavar='F', help='of machines'
    )
    parser.add_argument('--contention', type=float, default=1.0, metavar='F',
                        help='as of stream-evaluate')  # fmt: skip
    parser.add_argument(
        '--eta',
        type=float,
        default=-1.0,
        help='-1: an output is in time within the period of its frame; 0 counts every delay',
    )
    parser.add_argument(
        '--forecast', action='store_true', help='move the tracks to the time of use'
    )
    parser.add_argument('--threads', type=int, default=1, help='CPU threads')
    parser.add_argument(
        '--set', action='append', default=[], metavar='NAME=VALUE', help='a pipeline option'
    )
    parser.add_argument('--json', type=Path, help='write everything here')
    parser.add_argument(
        '--update', type=Path, metavar='PAGE', help='write the tables into this page'
    )


def run(args: argparse.Namespace) -> int:
    """Play and score what is not there yet, print and write; returns the exit code."""
    from mot_compress_ros.options import to_mapping
    from offline_training.environment import command_line, describe_environment
    from offline_training.experiments.keyframe_plan import PRESETS, rows_of
    from offline_training.experiments.keyframe_work import complete
    from offline_training.marked_page import between_markers, read_page
    from offline_training.report_files import check_writable, write_report, write_text

    check_writable(args.json)
    page = read_page(args.update, PART) if args.update else ''
    _check(args)
    preset = PRESETS[args.preset]
    cells = _cells(args, preset)
    setting = _setting(args, preset, cells)
    results = complete(setting, cells, rows_of(args.intervals))
    text, verdicts = _text(results, setting, args.intervals)
    say(text)
    if args.update:
        parts = f'{_origin_text(args, setting, cells)}\n\n{text}'
        write_text(args.update, between_markers(page, PART, parts))
    if args.json:
        report = {
            'kind': 'experiment_keyframe',
            'command': command_line(),
            'environment': describe_environment(),
            'preset': args.preset,
            'model': setting.student.name,
            'teacher': setting.teacher.name,
            'input_size_wh': list(preset.input_size_wh),
            'latency_ms': dict(setting.latency_ms),
            'options': {
                **to_mapping(setting.config),
                **to_mapping(setting.streaming, 'streaming.'),
            },
            'results': results,
            'claims': verdicts,
        }
        write_report(args.json, report)
    return 0


def _check(args: argparse.Namespace) -> None:
    from offline_training.experiments.keyframe_scenes import STEPS

    if args.no_ladder and not args.data:
        raise InvalidOptionError('--no-ladder: nothing is left to compare on; give --data')
    unknown = sorted(set(args.steps) - set(STEPS))
    if unknown:
        raise InvalidOptionError(
            f'--steps {", ".join(map(repr, unknown))}: legal: {", ".join(map(repr, STEPS))}'
        )
    ks = args.intervals
    if min(ks) < 2 or len(set(ks)) < len(ks):
        raise InvalidOptionError(f'--intervals {ks}: expected different values of 2 and above')
    factors = args.speed_factor
    if min(factors) <= 0 or len(set(factors)) < len(factors):
        raise InvalidOptionError(f'--speed-factor {factors}: expected different values above 0')


def _cells(args: argparse.Namespace, preset: Preset) -> list[Cell]:
    from offline_training.commands.evaluate import open_sequences
    from offline_training.experiments.keyframe_scenes import cells_of_data, cells_of_ladder

    cells = cells_of_data(open_sequences(args.data))
    if args.no_ladder:
        return cells
    drives = preset.drives if args.drives is None else args.drives
    return cells + cells_of_ladder(
        args.run / 'drives', middle=preset.scene, drives=max(1, drives), steps=args.steps
    )


def _setting(args: argparse.Namespace, preset: Preset, cells: Sequence[Cell]) -> Setting:
    from mot_compress_ros.options import from_mapping
    from mot_compress_ros.pipeline import PipelineConfig
    from offline_training.command_options import parse_settings
    from offline_training.evaluation.inference import open_detector
    from offline_training.evaluation.streaming_scores import StreamingConfig
    from offline_training.experiments.keyframe_work import Setting

    values = {**parse_settings(PipelineConfig, args.set), 'runtime.threads': args.threads}
    config = from_mapping(PipelineConfig, values)
    names = ('eta', 'forecast', 'contention')
    streaming = from_mapping(StreamingConfig, {name: getattr(args, name) for name in names})
    student, teacher = (
        open_detector(name, config, input_size_wh=preset.input_size_wh)
        for name in (args.model, args.teacher)
    )
    latency_ms = _latency_ms(args, cells[0], student=student, teacher=teacher)
    return Setting(
        student=student,
        teacher=teacher,
        config=replace(config),
        latency_ms=latency_ms,
        factors=args.speed_factor,
        streaming=streaming,
        folder=args.run,
    )


def _latency_ms(args: argparse.Namespace, cell: Cell, **networks: Any) -> Mapping[str, float]:
    from offline_training.evaluation.streaming_latency import (
        choose_latency,
        MEASURED,
        TimedNetwork,
    )
    from offline_training.experiments.keyframe_work import measured_latency

    if args.latency == MEASURED:
        return measured_latency(args.run, cell, **networks)
    timed = {
        role: TimedNetwork(name=d.name, input_size_wh=d.manifest.input_size_wh)
        for role, d in networks.items()
    }
    choice = choose_latency(args.latency, **timed)
    assert choice.samples_ms is not None, 'measured is asked for above'
    return {role: samples[0] for role, samples in choice.samples_ms.items()}


def _text(
    results: Sequence[Mapping[str, Any]], setting: Setting, intervals: Sequence[int]
) -> tuple[str, list[dict[str, Any]]]:
    """Tables and verdicts, and the verdicts for JSON."""
    from offline_training.experiments.keyframe_claims import judge, means
    from offline_training.experiments.keyframe_tables import (
        group_table,
        steps_table,
        verdict_lines,
    )

    parts, verdicts = [], []
    for group in dict.fromkeys(result['group'] for result in results):
        for factor in sorted(setting.factors):
            modes = means(results, group, factor)
            judged = judge(modes, intervals)
            parts += [f'### {group}, speed factor {factor:g}', group_table(modes)]
            parts += [steps_table(results, group, factor), verdict_lines(judged)]
            verdicts += [{'group': group, 'speed_factor': factor, **asdict(v)} for v in judged]
    return '\n\n'.join(part for part in parts if part), verdicts


def _origin_text(args: argparse.Namespace, setting: Setting, cells: Sequence[Cell]) -> str:
    from offline_training.environment import command_line, cpu_model

    size = 'x'.join(map(str, setting.student.manifest.input_size_wh))
    frames = sum(len(s) for cell in cells for s in cell.sequences)
    runtimes = ', '.join(f'{role} {ms:g} ms' for role, ms in setting.latency_ms.items())
    return (
        f'Made by `{command_line()}` on {cpu_model()}: {setting.student.name} and '
        f'{setting.teacher.name} at {size} on {len(cells)} cells, {frames} frames. Runtimes at '
        f'speed factor 1: {runtimes}; eta {args.eta:g}, forecast '
        f'{"on" if args.forecast else "off"}, contention {args.contention:g}. Scores are per '
        'cent, of all classes, means over the cells; frame times are the worst of the cells. '
        'A budget gives `adaptive K` and `async K` the teacher time of `fixed K`, `adaptive K, '
        '70%` that share of it; `async` takes what it can get. Keyframes per second are offline, '
        '`streamed` where frames are dropped.'
    )
