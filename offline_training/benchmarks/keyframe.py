"""Frame times of every keyframe mode, in real time on this machine.

The frames of a clip come at the camera's rate to the pipeline of the live node: its teacher works
in a process of its own on a CPU, on a thread with a CUDA stream of its own on a GPU. Student and
teacher have a core each. The modes take turns with the same two networks; `off` is the student
alone. A step is what the node does between taking a frame and having its tracks.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
import itertools
import json
import os
from pathlib import Path
import shutil
import tempfile
from typing import Any, TYPE_CHECKING

from mot_compress_ros.console import ProgressLine, say
from mot_compress_ros.errors import InvalidOptionError
from mot_compress_ros.health import Health
from mot_compress_ros.options import to_mapping
from offline_training.benchmarks.keyframe_cores import choose_cores, Cores, OtherWork, pinned
from offline_training.command_options import parse_size
from offline_training.environment import command_line, describe_environment
from offline_training.report_files import check_writable, write_report, write_text

if TYPE_CHECKING:
    from mot_compress_ros.datatypes import Frame
    from mot_compress_ros.inference import Detector
    from mot_compress_ros.keyframe import Teacher
    from mot_compress_ros.pipeline import PipelineConfig

HELP = 'frame times of every keyframe mode, in real time'
MODES = ('off', 'fixed:6', 'deadline:6', 'adaptive:6', 'async')
PART = 'keyframe times'  # of the page


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('--model', default='road_student', help='bundle of the student')
    parser.add_argument('--teacher', default='road_teacher', help='bundle of the teacher')
    parser.add_argument('--modes', nargs='+', default=list(MODES), metavar='MODE[:K]')
    parser.add_argument('--size', default='416x256', help="the networks' input, WxH")
    parser.add_argument('--source-size', default='640x360', help='camera image, WxH')
    parser.add_argument('--input', type=Path, help='bag, video or sequence instead of the scene')
    parser.add_argument(
        '--fps', type=float, default=15.0, help="the camera's rate; 0: as fast as possible"
    )
    parser.add_argument('--frames', type=int, default=100, help='measured frames a turn')
    parser.add_argument('--warm-up', type=int, default=15, help='frames before, not measured')
    parser.add_argument('--repeats', type=int, default=3, help='turns of each mode')
    parser.add_argument('--student-cores', default='', help='CPU: the first one by default')
    parser.add_argument('--teacher-cores', default='', help='CPU: the second one by default')
    parser.add_argument('--threads', type=int, default=1, help='CPU threads of each network')
    parser.add_argument('--device', default='cpu', choices=('cpu', 'cuda'))
    parser.add_argument('--precision', default='auto', choices=('auto', 'fp32', 'bf16', 'fp16'))
    parser.add_argument('--seed', type=int, default=0, help='of the scene')
    parser.add_argument(
        '--set', action='append', default=[], metavar='NAME=VALUE', help='a pipeline option'
    )
    parser.add_argument('--json', type=Path, help='write all measurements here')
    parser.add_argument('--plot', type=Path, help='draw the histograms into this SVG or PNG')
    parser.add_argument(
        '--update', type=Path, metavar='PAGE', help='write tables and histograms into this page'
    )


def run(args: argparse.Namespace) -> int:
    """Measure, print, draw and write; returns the exit code."""
    from offline_training.benchmarks.keyframe_report import NAME, tables
    from offline_training.marked_page import between_markers, read_page

    check_writable(args.json, args.plot)
    page = read_page(args.update, PART) if args.update else ''
    _check(args)
    cores = choose_cores(args.student_cores, args.teacher_cores, device=args.device)
    environment = describe_environment()  # of the whole machine, so before this is pinned
    with pinned(cores.student):
        report = {**head(args, cores, environment), **measure(args, cores)}
    text = tables(report)
    say(text)
    if args.plot:
        _draw(report, args.plot)
    if args.update:
        image = args.update.parent / 'images' / f'{NAME}.svg'
        _draw(report, image)
        parts = [origin_text(report), text, f'![Time of a step](images/{image.name})']
        write_text(args.update, between_markers(page, PART, '\n\n'.join(parts)))
    if args.json:
        write_report(args.json, report)
    return 0


def _check(args: argparse.Namespace) -> None:
    if min(args.frames, args.repeats) < 1 or args.warm_up < 0 or not 0 <= args.fps <= 1000:
        raise InvalidOptionError(
            '--frames and --repeats: at least 1; --warm-up: at least 0; --fps: 0 to 1000'
        )
    if args.plot and args.plot.suffix not in ('.svg', '.png'):
        raise InvalidOptionError(f'--plot {args.plot}: expected a name that ends in .svg or .png')


def head(args: argparse.Namespace, cores: Cores, environment: dict[str, object]) -> dict[str, Any]:
    """What is known before the measurement."""
    load_before = os.getloadavg()[0]  # what else the machine was doing, before we load it
    return {
        'kind': 'benchmark keyframe',
        'command': command_line(),
        'environment': {**environment, 'load_average_before': load_before},
        'device': args.device,
        'cores': cores.to_json(),
        'threads': args.threads,
        'fps': args.fps,
        'frames': args.frames,
        'warm_up': args.warm_up,
        'repeats': args.repeats,
        'input': args.input.name if args.input else f'synthetic scene, seed {args.seed}',
    }


def measure(args: argparse.Namespace, cores: Cores) -> dict[str, Any]:
    """The networks and the modes, as they are written to JSON."""
    from offline_training.benchmarks.keyframe_report import contention, goals
    from offline_training.evaluation.streaming_modes import mode_configs

    config = _config(args, cores)
    modes = mode_configs(args.modes, config, has_teacher=True)
    frames = _frames(args)
    with tempfile.TemporaryDirectory() as folder:
        student, teacher = _open(args, config, Path(folder))
        with closing(teacher):
            others = OtherWork()
            found = _turns(args, modes, frames, student=student, teacher=teacher)
            others_share = others.share()
            networks = {
                'student': {'name': student.name, 'runtime': student.backend.name},
                'teacher': {'name': teacher.name, 'runtime': teacher.worker_name},
            }
    return {
        **networks,
        'size_wh': list(student.manifest.input_size_wh),
        'source_size_wh': list(frames[0].size_wh),
        'options': to_mapping(config),
        'others_share': others_share,
        'modes': found,
        'contention': contention(found),
        'goals': goals(found, device=args.device),
    }


def _config(args: argparse.Namespace, cores: Cores) -> PipelineConfig:
    from mot_compress_ros.options import from_mapping
    from mot_compress_ros.pipeline import PipelineConfig
    from offline_training.command_options import parse_settings

    values = parse_settings(PipelineConfig, args.set)
    values |= {
        'runtime.device': args.device,
        'runtime.precision': args.precision,
        'runtime.threads': args.threads,
        'keyframe.teacher_cores': cores.teacher_text,
    }
    return from_mapping(PipelineConfig, values)


def _frames(args: argparse.Namespace) -> list[Frame]:
    """The clip in memory, stamped at the rate at which it is played."""
    from offline_training.benchmarks.pipeline import FPS, source_frames

    fps = args.fps or FPS
    return [
        replace(frame, stamp_ns=round(index * 1e9 / fps), frame_index=index)
        for index, frame in enumerate(source_frames(args))
    ]


def _open(
    args: argparse.Namespace, config: PipelineConfig, folder: Path
) -> tuple[Detector, Teacher]:
    """Both networks, warm, as the live node opens them; their bundles have the input size."""
    from mot_compress_ros.inference import build_detector, load_bundle
    from mot_compress_ros.keyframe import build_teacher

    size_wh = parse_size(args.size, multiple=32)
    for name, role in ((args.model, 'student'), (args.teacher, 'teacher')):
        write_resized(load_bundle(name).path, folder / role, size_wh)
    student = build_detector(
        load_bundle(folder / 'student'), options=config.runtime, decode=config.decode
    )
    teacher = build_teacher(
        str(folder / 'teacher'),
        config=config.keyframe,
        runtime=config.runtime,
        decode=config.decode,
    )
    try:
        student.work_apart(urgent=True)
        student.warm_up()
        teacher.warm_up()
    except BaseException:
        teacher.close()
        raise
    return student, teacher


def write_resized(bundle: Path, folder: Path, size_wh: tuple[int, int]) -> None:
    """A copy of a bundle whose network takes images of `size_wh`; it is fully convolutional."""
    from mot_compress_ros.inference.checkpoint import MANIFEST_FILE

    shutil.copytree(bundle, folder)
    manifest = json.loads((folder / MANIFEST_FILE).read_text(encoding='utf-8'))
    manifest['input_size_wh'] = list(size_wh)
    (folder / MANIFEST_FILE).write_text(json.dumps(manifest), encoding='utf-8')


def _turns(
    args: argparse.Namespace,
    modes: dict[str, PipelineConfig],
    frames: Sequence[Frame],
    *,
    student: Detector,
    teacher: Teacher,
) -> dict[str, dict[str, Any]]:
    """The modes in turns, each time in another order."""
    from mot_compress_ros.pipeline import Pipeline
    from offline_training.benchmarks.keyframe_report import ALONE
    from offline_training.benchmarks.keyframe_turn import drain, median_turn, play_turn
    from offline_training.benchmarks.pipeline import CAMERA

    turns: dict[str, list[dict[str, Any]]] = {mode: [] for mode in modes}
    names = list(modes)
    order = [
        name
        for repeat in range(args.repeats)
        for name in itertools.islice(itertools.cycle(names), repeat, repeat + len(names))
    ]
    with ProgressLine(len(order)) as line:
        for done, mode in enumerate(order):
            line.update(done, lambda mode=mode: mode)  # type: ignore[misc]
            drain(teacher)
            pipeline = Pipeline(
                cameras=[CAMERA],
                student=student,
                teacher=None if modes[mode].keyframe.mode == ALONE else teacher,
                config=modes[mode],
                health=Health(window=len(frames)),
            )
            turns[mode].append(
                play_turn(pipeline, frames, camera=CAMERA, fps=args.fps, warm_up=args.warm_up)
            )
        line.update(len(order), lambda: 'done')
    return {mode: median_turn(of_mode) for mode, of_mode in turns.items()}


def _draw(report: dict[str, Any], path: Path) -> None:
    from offline_training.benchmarks.association_plot import standalone_svg
    from offline_training.benchmarks.keyframe_report import histogram_chart
    from offline_training.reports.figures import write_png

    chart = histogram_chart(report)
    if path.suffix == '.png':
        write_png(chart, path)
    else:
        write_text(path, standalone_svg(chart))


def origin_text(report: dict[str, Any]) -> str:
    """How it was measured, for the page."""
    size = 'x'.join(map(str, report['size_wh']))
    rate = f'{report["fps"]:g} frames per second' if report['fps'] else 'as fast as possible'
    student, teacher = (report[role]['name'] for role in ('student', 'teacher'))
    return (
        f'Made by `{report["command"]}` on {report["environment"]["cpu"]}: {student} '
        f'and {teacher} at {size}, {rate}, {report["repeats"]} turns of '
        f'{report["frames"]} frames for each mode, medians over the turns; others used '
        f'{report["others_share"]:.0%} of the machine in that time. Ratios are to the student '
        'alone (`off`). Late: from the step that gave a frame to the teacher to the step that '
        'used its result; taking in: correcting the tracks and renewing the prior.'
    )
