"""Cost and accuracy of the compensation of camera motion.

Three questions: what each stage of the image-based estimate costs on one core; how many pixels it
is off where a turn is known, with patches that move by themselves; and on rendered drives, how far
road users are from where the homography, and it with their own steady motion, expects them.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
import itertools
from pathlib import Path
import time
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.console import ProgressLine, say
from mot_compress_ros.errors import InvalidOptionError
from offline_training.command_options import parse_size
from offline_training.environment import command_line, describe_environment
from offline_training.report_files import check_writable, write_report

if TYPE_CHECKING:
    from mot_compress_ros.camera_motion import Homography
    from mot_compress_ros.datatypes import Frame
    from offline_training.benchmarks.camera_motion_cases import Drive, Seen
    from offline_training.benchmarks.camera_motion_contestants import Step
    from offline_training.synthetic import SceneConfig

HELP = 'cost and accuracy of the compensation of camera motion'
STAGES = ('look', 'corners', 'follow', 'fit', 'total')
_LEVELS = ('calm', 'city', 'rough')
_GRID = (9, 6)  # places over the picture at which a homography is compared
Numbers = dict[str, float]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('--size', default='1088x608', help='frames, WxH')
    parser.add_argument('--pairs', type=int, default=100, help='pairs of turned pictures')
    parser.add_argument('--repeats', type=int, default=3, help='turns of the stopwatch over them')
    parser.add_argument(
        '--pictures',
        type=Path,
        nargs='*',
        default=[],
        help='bags, videos or sequences to turn pictures of, beside rendered ones',
    )
    parser.add_argument('--scenes', type=int, default=6, help='rendered drives')
    parser.add_argument('--scene-size', default='640x360', help='their frames, WxH')
    parser.add_argument('--duration', type=float, default=6.0, help='their length, s')
    parser.add_argument(
        '--strides', type=int, nargs='+', default=[1, 2, 3], help='every n-th frame of 15 a second'
    )
    parser.add_argument('--threads', type=int, default=1, help="OpenCV's threads")
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--json', type=Path, help='write all measurements here')


def run(args: argparse.Namespace) -> int:
    """Measure, print and write; returns the exit code."""
    from offline_training.evaluation.results_sections.benchmark_camera_motion import (
        camera_motion_tables,
    )

    check_writable(args.json)
    report = measure(args)
    say(camera_motion_tables(report))
    if args.json:
        write_report(args.json, report)
    return 0


def measure(args: argparse.Namespace) -> dict[str, object]:
    """All measurements, as they are written to JSON."""
    import cv2

    if min(args.pairs, args.repeats, args.scenes, args.threads, *args.strides) < 1:
        raise InvalidOptionError(
            '--pairs, --repeats, --scenes, --threads and --strides: at least 1 each'
        )
    threads_before = cv2.getNumThreads()
    cv2.setNumThreads(args.threads)
    try:
        turned = list(_turned(args))
        report = {
            'kind': 'benchmark camera-motion',
            'command': command_line(),
            'environment': {**describe_environment(), 'threads': args.threads},
            'size_wh': list(parse_size(args.size)),
            'pairs': len(turned),
            'repeats': args.repeats,
            'stages': stage_times(turned, repeats=args.repeats),
            'turned_pictures': turn_errors([step for step, _ in turned]),
            'scene_size_wh': list(parse_size(args.scene_size)),
            'drives': {str(stride): drive_errors(args, stride) for stride in args.strides},
        }
    finally:
        cv2.setNumThreads(threads_before)
    return report


def _turned(args: argparse.Namespace) -> Iterator[tuple[Step, tuple[Frame, Frame]]]:
    from offline_training.benchmarks.camera_motion_cases import read_pictures, turned_pictures
    from offline_training.benchmarks.camera_motion_contestants import build
    from offline_training.synthetic import generate

    size_wh = parse_size(args.size)
    pictures = [
        next(iter(generate(scene))).image_bgr
        for scene in _scenes(args, count=min(8, args.pairs), size_wh=size_wh, duration_s=0.1)
    ]
    for path in args.pictures:
        pictures += read_pictures(path, count=8)
    yield from turned_pictures(
        pictures, build('image'), count=args.pairs, size_wh=size_wh, seed=args.seed
    )


def _scenes(
    args: argparse.Namespace, *, count: int, size_wh: tuple[int, int], duration_s: float
) -> Iterator[SceneConfig]:
    from offline_training.synthetic import SceneConfig

    for k in range(count):
        yield SceneConfig(
            size_wh=size_wh,
            duration_s=duration_s,
            seed=args.seed + k,
            scenario='drive',
            ego=_LEVELS[k % len(_LEVELS)],
        )


# --- what it costs


def stage_times(
    turned: Sequence[tuple[Step, tuple[Frame, Frame]]], *, repeats: int
) -> dict[str, Numbers]:
    """Percentiles per stage, milliseconds, over all pairs and repeats.

    `fit` is what the whole takes beyond the stages before it, so it holds what lies between too.
    """
    samples: dict[str, list[float]] = {stage: [] for stage in STAGES}
    with ProgressLine(repeats * len(turned)) as line:
        for done, (_, (step, frames)) in enumerate(itertools.product(range(repeats), turned)):
            line.update(done, lambda: 'stages')
            for stage, ms in _one_time(step, frames).items():
                samples[stage].append(ms)
        line.update(repeats * len(turned), lambda: 'stages')
    return {
        stage: {f'p{q}_ms': float(np.percentile(ms, q)) for q in (50, 95)}
        for stage, ms in samples.items()
    }


def _one_time(step: Step, frames: tuple[Frame, Frame]) -> Numbers:
    from mot_compress_ros.camera_motion import CameraMotionConfig
    from mot_compress_ros.camera_motion.image import corners, follow, free_area
    from offline_training.benchmarks.camera_motion_contestants import build, shrinkage

    motion, config = build('image'), CameraMotionConfig()
    before, after = step.previous.grey, step.current.grey
    assert before is not None
    assert after is not None
    watch = [time.perf_counter_ns()]
    view = motion.look(frames[1])
    watch.append(time.perf_counter_ns())
    motion.between(step.previous, view, moving_xyxy_px=step.moving_xyxy_px)
    watch.append(time.perf_counter_ns())
    free = free_area(
        before.shape, step.moving_xyxy_px, step=shrinkage(step), margin=config.mask_margin
    )
    points = corners(before, free, count=config.points)
    watch.append(time.perf_counter_ns())
    follow(before, after, points)
    watch.append(time.perf_counter_ns())
    look, between, corner, flow = np.diff(watch) / 1e6
    return {
        'look': look,
        'corners': corner,
        'follow': flow,
        'fit': max(between - corner - flow, 0.0),
        'total': look + between,
    }


# --- how well it does


def turn_errors(steps: Sequence[Step]) -> dict[str, Numbers]:
    """By contestant: distance to the true homography, and how often nothing was said."""
    from offline_training.benchmarks.camera_motion_contestants import CONTESTANTS

    result = {}
    for name, estimate in CONTESTANTS.items():
        found = [(estimate(step), step) for step in steps]
        errors = [distance_px(h, step.true_rotation, step) for h, step in found if h is not None]
        if errors:  # nobody measured angular velocities here
            result[name] = {**_spread(errors), 'unknown': sum(h is None for h, _ in found)}
    return result


def distance_px(found: Homography, true: Homography, step: Step) -> float:
    """Mean distance between where two homographies take places all over the picture."""
    width, height = step.current.size_wh
    x, y = np.meshgrid(np.linspace(0, width - 1, _GRID[0]), np.linspace(0, height - 1, _GRID[1]))
    places = np.stack([x.ravel(), y.ravel()], axis=1)
    return float(np.linalg.norm(moved(found, places) - moved(true, places), axis=1).mean())


def moved(homography: Homography, places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where a homography takes pixels (N, 2)."""
    mapped = np.c_[places, np.ones(len(places))] @ homography.T
    return np.asarray(mapped[:, :2] / mapped[:, 2:], np.float64)


def drive_errors(args: argparse.Namespace, stride: int) -> dict[str, dict[str, Numbers]]:
    """By contestant, over all drives.

    `rotation_px`: distance to the homography of the turn alone. `place`: distance of a road user
    from where the homography takes it, in its heights; `standing_place` of those that stand.
    `course`: the same where it also goes on as it did in the step before.
    """
    from offline_training.benchmarks.camera_motion_cases import drive
    from offline_training.benchmarks.camera_motion_contestants import build, CONTESTANTS

    size_wh = parse_size(args.scene_size)
    scenes = list(_scenes(args, count=args.scenes, size_wh=size_wh, duration_s=args.duration))
    found: dict[str, dict[str, list[float]]] = {name: {} for name in CONTESTANTS}
    with ProgressLine(len(scenes)) as line:
        for done, scene in enumerate(scenes):
            line.update(done, lambda: f'drives, every {stride}. frame')
            driven = drive(scene, build('image'), stride=stride)
            for name, estimate in CONTESTANTS.items():
                homographies = [estimate(step) for step in driven.steps]
                for key, values in residuals(driven, homographies):
                    found[name].setdefault(key, []).extend(values)
        line.update(len(scenes), lambda: f'drives, every {stride}. frame')
    return {
        name: {key: _spread(values) for key, values in of_name.items() if values}
        for name, of_name in found.items()
    }


def residuals(
    driven: Drive, found: Sequence[Homography | None]
) -> Iterator[tuple[str, list[float]]]:
    """Names and values of what `drive_errors` describes; unknown motion counts as none."""
    homographies = [np.eye(3) if h is None else h for h in found]
    yield 'unknown', [float(h is None) for h in found]
    yield (
        'rotation_px',
        [
            distance_px(h, step.true_rotation, step)
            for h, step in zip(homographies, driven.steps, strict=True)
        ],
    )
    rows = driven.objects
    yield 'place', list(_place(homographies, rows, standing_only=False))
    yield 'standing_place', list(_place(homographies, rows, standing_only=True))
    yield 'course', list(_course(homographies, rows))


def _place(
    homographies: Sequence[Homography], rows: Sequence[Mapping[int, Seen]], *, standing_only: bool
) -> Iterator[float]:
    for homography, before, after in zip(homographies, rows[:-1], rows[1:], strict=True):
        for key in sorted(before.keys() & after.keys()):
            if after[key][3] or not standing_only:
                expected = moved(homography, np.array([before[key][:2]]))[0]
                yield _heights(after[key], expected)


def _course(
    homographies: Sequence[Homography], rows: Sequence[Mapping[int, Seen]]
) -> Iterator[float]:
    both = itertools.pairwise(homographies)
    for (first, second), oldest, before, after in zip(
        both, rows[:-2], rows[1:-1], rows[2:], strict=True
    ):
        for key in sorted(oldest.keys() & before.keys() & after.keys()):
            here = np.array(before[key][:2])
            velocity = here - moved(first, np.array([oldest[key][:2]]))[0]
            yield _heights(after[key], moved(second, here[None])[0] + velocity)


def _heights(seen: Seen, expected: NDArray[np.float64]) -> float:
    return float(np.hypot(seen[0] - expected[0], seen[1] - expected[1]) / seen[2])


def _spread(values: Sequence[float]) -> Numbers:
    return {
        'mean': float(np.mean(values)),
        **{f'p{q}': float(np.percentile(values, q)) for q in (50, 95)},
        'n': len(values),
    }
