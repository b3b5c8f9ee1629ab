"""End-to-end latency of the pipeline per stage, and frames per second.

One camera, batch 1, every frame through `Pipeline.step`: letterbox, network, decode and tracker;
no image decoding and no ROS. Frames are rendered before the clock starts. A contestant is a model
alone, or `STUDENT+TEACHER@K`: the teacher on every K-th frame, the student on the others. The
student may name its runtime and number format: `STUDENT:openvino:int8`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
import itertools
import os
from pathlib import Path
import time
from typing import TYPE_CHECKING

import numpy as np

from mot_compress_ros.console import ProgressLine, say
from mot_compress_ros.errors import InvalidOptionError
from mot_compress_ros.health import Health
from offline_training.command_options import parse_size
from offline_training.environment import command_line, describe_environment
from offline_training.evaluation.tables import benchmark_table
from offline_training.report_files import check_writable, write_report

if TYPE_CHECKING:
    from mot_compress_ros.datatypes import Frame
    from mot_compress_ros.inference import Detector
    from mot_compress_ros.pipeline import Pipeline

HELP = 'latency per stage and frames per second of the whole pipeline'
STAGES = ('preprocess', 'infer', 'decode', 'track', 'total')
PERCENTILES = (50, 95, 99)
SAMPLES = 'samples_ms'  # of each frame, whole; what `stream-evaluate --latency FILE` draws from
FPS = 15.0
CAMERA = 'camera'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        '--models',
        nargs='+',
        metavar='MODEL',
        help='contestants: a bundle, or STUDENT+TEACHER@K (default: every bundle in models/); the '
        'student may be STUDENT:RUNTIME or STUDENT:RUNTIME:PRECISION',
    )
    parser.add_argument('--size', default='1088x608', help="the networks' input, WxH")
    parser.add_argument('--source-size', default='1280x720', help='camera image, WxH')
    parser.add_argument('--input', type=Path, help='bag, video or sequence instead of the scene')
    parser.add_argument('--frames', type=int, default=100, help='measured frames a turn')
    parser.add_argument('--warm-up', type=int, default=10, help='frames before, not measured')
    parser.add_argument('--repeats', type=int, default=3, help='turns of each contestant')
    parser.add_argument('--threads', type=int, default=0, help='CPU threads; 0: all')
    parser.add_argument('--device', default='cpu', choices=('cpu', 'cuda'))
    parser.add_argument('--precision', default='auto', choices=('auto', 'fp32', 'bf16', 'fp16'))
    parser.add_argument('--seed', type=int, default=0, help='of the scene')
    parser.add_argument('--json', type=Path, help='write all measurements here')


def run(args: argparse.Namespace) -> int:
    """Measure, print and write; returns the exit code."""
    check_writable(args.json)
    report = measure(args)
    say(benchmark_table(report))
    if args.json:
        write_report(args.json, report)
    return 0


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """`interval` is 0 where there is no teacher; '' is the runtime, or precision, of all."""

    student: str
    teacher: str = ''
    interval: int = 0
    backend: str = ''
    precision: str = ''

    @property
    def label(self) -> str:
        """Names without folders."""
        words = (Path(self.student).name, self.backend, self.precision)
        student = ':'.join(word for word in words if word)
        return f'{student}+{Path(self.teacher).name}@{self.interval}' if self.teacher else student


def parse_contestant(text: str) -> Contestant:
    """`student`, or `student+teacher@6`; the student with its runtime as `student:openvino:int8`.

    Raises:
        InvalidOptionError: it is neither.
    """
    first, plus, rest = text.partition('+')
    student, *runtime = first.split(':')
    teacher, at, interval = rest.rpartition('@')
    whole = teacher and at and interval.isdigit() and int(interval) > 0
    if not student or len(runtime) > 2 or (plus and not whole):
        raise InvalidOptionError(
            f'--models {text}: expected MODEL or STUDENT+TEACHER@K, where the first may be '
            'MODEL:RUNTIME:PRECISION'
        )
    backend, precision = [*runtime, '', ''][:2]
    return Contestant(
        student=student,
        teacher=teacher,
        interval=int(interval) if plus else 0,
        backend=backend,
        precision=precision,
    )


def measure(args: argparse.Namespace) -> dict[str, object]:
    """All measurements, as they are written to JSON."""
    load_before = os.getloadavg()[0]  # what else the machine was doing, before we load it
    if min(args.frames, args.repeats) < 1 or args.warm_up < 0:
        raise InvalidOptionError('--frames and --repeats: at least 1; --warm-up: at least 0')
    contestants = [parse_contestant(text) for text in args.models or known_models()]
    size_wh = parse_size(args.size, multiple=32)
    pipelines = {c.label: open_pipeline(c, size_wh=size_wh, args=args) for c in contestants}
    frames = source_frames(args)
    turns: dict[str, list[dict[str, object]]] = {label: [] for label in pipelines}
    order = list(itertools.product(range(args.repeats), pipelines))
    with ProgressLine(len(order)) as line:
        for done, (_, name) in enumerate(order):
            line.update(done, lambda name=name: name)  # type: ignore[misc]
            turns[name].append(one_turn(pipelines[name], frames, warm_up=args.warm_up))
        line.update(len(order), lambda: 'done')
    return {
        'kind': 'benchmark pipeline',
        'command': command_line(),
        'environment': {
            **describe_environment(),
            'threads': _threads(args.threads),
            'load_average_before': load_before,
        },
        'size_wh': list(size_wh),
        'source_size_wh': list(frames[0].size_wh),
        'input': args.input.name if args.input else f'synthetic scene, seed {args.seed}',
        'frames': args.frames,
        'warm_up': args.warm_up,
        'repeats': args.repeats,
        'models': {
            name: {'runtime': pipelines[name].student.backend.name, **median_turn(of_model)}
            for name, of_model in turns.items()
        },
    }


def known_models() -> list[str]:
    """Names of the bundles that ship.

    Raises:
        InvalidOptionError: there is none.
    """
    from mot_compress_ros.inference.checkpoint import MANIFEST_FILE, model_roots

    names = {p.parent.name for root in model_roots() for p in root.glob(f'*/{MANIFEST_FILE}')}
    if not names:
        raise InvalidOptionError('no bundle in models/; name one with --models')
    return sorted(names)


def open_pipeline(
    contestant: Contestant, *, size_wh: tuple[int, int], args: argparse.Namespace
) -> Pipeline:
    """A pipeline whose networks take images of `size_wh`; they are fully convolutional."""
    from mot_compress_ros.assembly import simulated_teacher
    from mot_compress_ros.inference import BackendOptions, build_detector, load_bundle
    from mot_compress_ros.keyframe import KeyframeConfig
    from mot_compress_ros.pipeline import Pipeline, PipelineConfig

    runtime = BackendOptions(device=args.device, precision=args.precision, threads=args.threads)
    config = PipelineConfig(
        runtime=runtime, keyframe=KeyframeConfig(interval=max(contestant.interval, 1))
    )

    own = replace(
        runtime,
        backend=contestant.backend or runtime.backend,
        precision=contestant.precision or runtime.precision,
    )

    def detector(name: str, options: BackendOptions) -> Detector:
        bundle = load_bundle(name)
        manifest = replace(bundle.manifest, input_size_wh=size_wh)
        return build_detector(
            replace(bundle, manifest=manifest), options=options, decode=config.decode
        )

    teacher = detector(contestant.teacher, runtime) if contestant.teacher else None
    pipeline = Pipeline(
        cameras=[CAMERA],
        student=detector(contestant.student, own),
        teacher=simulated_teacher(teacher, config.keyframe) if teacher else None,
        config=config,
        health=Health(window=args.frames),
    )
    pipeline.warm_up()
    return pipeline


def source_frames(args: argparse.Namespace) -> list[Frame]:
    """Warm-up and measured frames, in memory.

    Raises:
        InvalidOptionError: the input has fewer frames.
    """
    n = args.warm_up + args.frames
    frames = (
        list(itertools.islice(_input_frames(args.input), n)) if args.input else _scene(args, n)
    )
    if len(frames) < n:
        raise InvalidOptionError(
            f'{args.input}: {len(frames)} frames, fewer than --frames and --warm-up: {n}'
        )
    return frames


def _input_frames(path: Path) -> Iterator[Frame]:
    from mot_compress_ros.sources import open_source

    yield from open_source(path, camera=CAMERA)


def _scene(args: argparse.Namespace, n: int) -> list[Frame]:
    from mot_compress_ros.datatypes import Frame
    from offline_training.synthetic import generate, SceneConfig

    scene = SceneConfig(
        size_wh=parse_size(args.source_size),
        fps=FPS,
        duration_s=n / FPS,
        seed=args.seed,
        light='day',
        scenario='drive',
        surroundings='city',
    )
    with ProgressLine(n) as line:
        frames = []
        for index, rendered in enumerate(itertools.islice(generate(scene), n)):
            line.update(index + 1, lambda: 'render the scene')
            frames.append(
                Frame(
                    image=rendered.image_bgr,
                    stamp_ns=round(index * 1e9 / FPS),
                    camera=CAMERA,
                    frame_index=index,
                )
            )
    return frames


def one_turn(pipeline: Pipeline, frames: Sequence[Frame], *, warm_up: int) -> dict[str, object]:
    """All frames once: percentiles per stage and all totals in ms, frames per second, tracks."""
    pipeline.reset(CAMERA)
    for frame in frames[:warm_up]:
        pipeline.step([frame])
    pipeline.health.clear()
    measured, tracks = frames[warm_up:], 0
    start_ns = time.perf_counter_ns()
    for frame in measured:
        tracks += len(pipeline.step([frame])[0] or ())
    seconds = (time.perf_counter_ns() - start_ns) / 1e9
    stages = {
        stage: {f'p{q}_ms': float(np.percentile(samples, q)) for q in PERCENTILES}
        for stage in STAGES
        if (samples := pipeline.health.samples_ms(stage))
    }
    return {
        'stages': stages,
        'frames_per_s': len(measured) / seconds,
        'tracks_per_frame': tracks / len(measured),
        SAMPLES: [round(ms, 3) for ms in pipeline.health.samples_ms('total')],
    }


def median_turn(turns: Sequence[dict[str, object]]) -> dict[str, object]:
    """The median of each number over the turns; the turns themselves stay with it."""

    def middle(values: Sequence[object]) -> object:
        first = values[0]
        if isinstance(first, dict):
            return {key: middle([v[key] for v in values]) for key in first}  # type: ignore[index]
        return float(np.median(np.array(values, np.float64)))

    median = middle([{k: v for k, v in turn.items() if k != SAMPLES} for turn in turns])
    assert isinstance(median, dict)
    return {**median, 'turns': list(turns)}


def _threads(asked: int) -> int:
    if asked:
        return asked
    import torch

    return int(torch.get_num_threads())
