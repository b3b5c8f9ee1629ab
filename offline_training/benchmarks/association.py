"""Time of the association per frame, and its accuracy, from 10 to 1000 objects.

Our presets beside trackers of others, in the same run on the same detections of a seeded crowd
(boxes, scores, embeddings; no images). Only the tracker's `update` is timed: every contestant is
given the detections in the type that its users hold anyhow, and what it reports is put into ours
after the clock has stopped. The contestants take turns. One that needs too long is cut short, and
has no scores there. Time is taken on the wall and as computing time of the process; comparisons
use the latter, as others on the machine delay long frames more than short ones.

Others are measured where they are installed: `make rivals`.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
import importlib
from importlib import metadata
import itertools
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import threadpoolctl

from mot_compress_ros.console import complain, ProgressLine, say
from mot_compress_ros.errors import InvalidOptionError
from mot_compress_ros.options import from_mapping
from offline_training.benchmarks.association_late import FRAMES_LATE, measure_late
from offline_training.benchmarks.association_rivals import MEMBERS
from offline_training.benchmarks.association_scene import (
    crowd_frames,
    CrowdConfig,
    CrowdFrame,
    SIZE_WH,
)
from offline_training.benchmarks.association_turn import one_turn, Turn
from offline_training.datasets.classes import VEHICLE
from offline_training.environment import command_line, describe_environment
from offline_training.report_files import check_writable, write_report, write_text

HELP = 'time of the tracker per frame and its accuracy, beside trackers of others'
OBJECTS = (10, 30, 100, 300, 1000)
REFERENCE = 'vehicle'
# What the tracking core is asked to need at most, by number of objects: less than a sixth of a
# tracker with one filter per track on the two cores that the figure was set for.
GOALS_MS: Mapping[int, float] = {100: 1.0, 300: 3.5}
PROFILED_LINES = 25


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        '--contestants', nargs='+', metavar='NAME', help='default: everybody who is installed'
    )
    parser.add_argument(
        '--objects', nargs='+', type=int, default=list(OBJECTS), metavar='N', help='in a frame'
    )
    parser.add_argument('--frames', type=int, default=150, help='measured frames a turn')
    parser.add_argument('--warm-up', type=int, default=20, help='frames before, not measured')
    parser.add_argument('--repeats', type=int, default=3, help='turns of each contestant')
    parser.add_argument('--fps', type=float, default=30.0, help='frame rate of the scene')
    parser.add_argument('--seed', type=int, default=0, help='of the scene')
    parser.add_argument(
        '--limit-s', type=float, default=20.0, help='a turn that takes longer is cut short'
    )
    parser.add_argument(
        '--score-up-to',
        type=int,
        default=300,
        metavar='N',
        help='objects; scoring more takes longer than tracking them',
    )
    parser.add_argument(
        '--late',
        nargs='*',
        type=int,
        default=list(FRAMES_LATE),
        metavar='FRAMES',
        help='how late results are of which `update_late` is timed; none: it is left out',
    )
    parser.add_argument('--threads', type=int, default=1, help='of linear algebra (BLAS)')
    parser.add_argument('--profile', metavar='NAME', help='only say where the time of one goes')
    parser.add_argument('--plot', type=Path, help='draw the times here: SVG or PNG')
    parser.add_argument('--json', type=Path, help='write all measurements here')


def run(args: argparse.Namespace) -> int:
    """Measure, print, draw and write; returns the exit code."""
    from offline_training.evaluation.results_sections.benchmark_association import (
        association_tables,
    )

    check_writable(args.json, args.plot)
    if args.plot and args.plot.suffix.lower() not in ('.svg', '.png'):
        raise InvalidOptionError(f'--plot {args.plot}: expected a name that ends in .svg or .png')
    if args.profile:
        _profile(args)
        return 0
    report = measure(args)
    say(association_tables(report))
    if args.json:
        write_report(args.json, report)
    if args.plot:
        _draw(report, args.plot)
    return 0


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """All measurements, as they are written to JSON.

    Raises:
        InvalidOptionError: an option is out of range, or names nobody who is installed.
    """
    load_before = os.getloadavg()[0]  # what else the machine was doing, before we load it
    if min(args.frames, args.repeats, args.threads) < 1 or args.warm_up < 0:
        raise InvalidOptionError(
            '--frames, --repeats and --threads: at least 1; --warm-up: at least 0'
        )
    if min(args.late, default=0) < 0:
        raise InvalidOptionError(f'--late {min(args.late)}: expected at least 0 frames')
    members, missing = _members(args.contestants)
    for name, module in members.items():
        module.make(name, fps=args.fps)  # loads its libraries, whose threads are limited then
    scenes: dict[str, Any] = {}
    results: dict[str, dict[str, Any]] = {name: {} for name in members}
    objects = sorted(set(args.objects))
    with threadpoolctl.threadpool_limits(limits=args.threads, user_api='blas'):
        blas = sorted({f'{p["internal_api"]} {p["version"]}' for p in _blas_pools()})
        with ProgressLine(len(objects) * args.repeats * len(members)) as line:
            for place, n in enumerate(objects):
                frames = _scene(n, args)
                scenes[str(n)] = _described(frames)
                done = place * args.repeats * len(members)
                turns = _turns(members, frames, args, line=line, done=done)
                for name, of_one in turns.items():
                    results[name][str(n)] = _summary(of_one, frames, scored=n <= args.score_up_to)
            line.update(len(objects) * args.repeats * len(members), lambda: 'done')
        late = _late(args) if args.late else None
    return {
        'kind': 'benchmark association',
        'command': command_line(),
        'environment': {
            **describe_environment(),
            'threads': args.threads,
            'blas': blas,
            'load_average_before': load_before,
        },
        'fps': args.fps,
        'size_wh': list(SIZE_WH),
        'frames': args.frames,
        'warm_up': args.warm_up,
        'repeats': args.repeats,
        'limit_s': args.limit_s,
        'seed': args.seed,
        'goals_ms': {str(n): ms for n, ms in GOALS_MS.items()},
        'reference': REFERENCE,
        'scenes': scenes,
        'missing': missing,
        'late': late,
        'contestants': {
            name: {'package': _with_version(module.package()), 'objects': results[name]}
            for name, module in members.items()
        },
    }


def _late(args: argparse.Namespace) -> dict[str, Any]:
    return measure_late(
        REFERENCE,
        sorted(set(args.late)),
        frames=args.frames,
        warm_up=args.warm_up,
        repeats=args.repeats,
        fps=args.fps,
        seed=args.seed,
    )


def _members(asked: Sequence[str] | None) -> tuple[dict[str, ModuleType], dict[str, str]]:
    """Module by contestant, and what to do about each package that is not installed."""
    members: dict[str, ModuleType] = {}
    missing: dict[str, str] = {}
    known: list[str] = []
    for label, path in MEMBERS.items():
        module = importlib.import_module(path)
        wanted = [name for name in module.names() if asked is None or name in asked]
        known += module.names()
        if wanted and (why := module.missing()):
            missing[label] = why
            complain(f'without {", ".join(wanted)}: {why}')
            continue
        members |= dict.fromkeys(wanted, module)
    unknown = sorted(set(asked or ()) - set(known))
    if unknown or not members:
        raise InvalidOptionError(
            f'--contestants {" ".join(unknown or asked or ())}: expected at least one that is '
            f'installed; legal: {", ".join(known)}'
        )
    return members, missing


def _blas_pools() -> list[dict[str, Any]]:
    return [pool for pool in threadpoolctl.threadpool_info() if pool['user_api'] == 'blas']


def _scene(n: int, args: argparse.Namespace) -> list[CrowdFrame]:
    config = from_mapping(
        CrowdConfig,
        {
            'objects': n,
            'frames': args.warm_up + args.frames,
            'fps': args.fps,
            'seed': args.seed,
        },
    )
    return list(crowd_frames(config))


def _described(frames: Sequence[CrowdFrame]) -> dict[str, float]:
    """How crowded a scene is."""
    truth = [frame.truth for frame in frames]
    area_px2 = [np.prod(t.boxes_xyxy_px[:, 2:] - t.boxes_xyxy_px[:, :2], axis=1) for t in truth]
    heights_px = np.concatenate([t.boxes_xyxy_px[:, 3] - t.boxes_xyxy_px[:, 1] for t in truth])
    return {
        'detections_per_frame': float(np.mean([len(frame.detections) for frame in frames])),
        'identities': len(np.unique(np.concatenate([t.ids for t in truth]))),
        'boxes_area_per_image_area': float(
            np.mean([a.sum() for a in area_px2]) / np.prod(SIZE_WH)
        ),
        'share_half_covered': float(np.mean([(t.visibility < 0.5).mean() for t in truth])),
        'median_height_px': float(np.median(heights_px)),
    }


def _turns(
    members: Mapping[str, ModuleType],
    frames: Sequence[CrowdFrame],
    args: argparse.Namespace,
    *,
    line: ProgressLine,
    done: int,
) -> dict[str, list[Turn]]:
    """All turns by contestant; one that was cut short gets no further turn."""
    turns: dict[str, list[Turn]] = {name: [] for name in members}
    order = itertools.product(range(args.repeats), members.items())
    for step, (_, (name, module)) in enumerate(order):
        n = len(frames[0].truth)
        line.update(done + step, lambda name=name, n=n: f'{name}, {n} objects')  # type: ignore[misc]
        if turns[name] and not turns[name][-1].whole:
            continue
        contestant = module.make(name, fps=args.fps)
        turns[name].append(
            one_turn(contestant, frames, warm_up=args.warm_up, limit_s=args.limit_s)
        )
    return turns


def _summary(
    turns: Sequence[Turn], frames: Sequence[CrowdFrame], *, scored: bool
) -> dict[str, Any]:
    """Medians over the turns, each turn's own numbers, and the scores of the first one."""
    of_turns = {
        'p50_ms': [_percentile(turn.samples_ms, 50) for turn in turns],
        'p95_ms': [_percentile(turn.samples_ms, 95) for turn in turns],
        'cpu_p50_ms': [_percentile(turn.cpu_ms, 50) for turn in turns],
    }
    first = turns[0]
    return {
        **{key: float(np.median(values)) for key, values in of_turns.items()},
        'turns': of_turns,
        'measured_frames': len(first.samples_ms),
        'wall_s': sum(sum(turn.samples_ms) for turn in turns) / 1e3,
        'cpu_s': sum(sum(turn.cpu_ms) for turn in turns) / 1e3,
        'whole': all(turn.whole for turn in turns),
        'tracks_per_frame': float(np.mean([len(found) for found in first.found])),
        'scores': _scores(first, frames) if scored and first.whole else None,
    }


def _percentile(samples_ms: Sequence[float], q: float) -> float:
    return round(float(np.percentile(samples_ms, q)), 4)


def _scores(turn: Turn, frames: Sequence[CrowdFrame]) -> dict[str, float]:
    """By TrackEval, of all frames."""
    from offline_training.evaluation.protocols.product import prepare
    from offline_training.evaluation.tracking_scores import score_prepared

    scores = score_prepared(prepare([f.truth for f in frames], turn.found, VEHICLE)).summary()
    return {
        'hota': scores.hota,
        'mota': scores.mota,
        'idf1': scores.idf1,
        'id_switches': scores.id_switches,
    }


def _with_version(package: str) -> str:
    try:
        return f'{package} {metadata.version(package)}'
    except metadata.PackageNotFoundError:
        return package


def _draw(report: Mapping[str, Any], path: Path) -> None:
    from offline_training.benchmarks.association_plot import standalone_svg, times_chart
    from offline_training.reports.figures import write_png

    chart = times_chart(report)
    if path.suffix.lower() == '.png':
        write_png(chart, path)
    else:
        write_text(path, standalone_svg(chart))


def _profile(args: argparse.Namespace) -> None:
    """Print the functions that take the time of one contestant, for each number of objects."""
    import cProfile
    import pstats

    members, _ = _members([args.profile])
    for n in sorted(set(args.objects)):
        frames = _scene(n, args)
        contestant = members[args.profile].make(args.profile, fps=args.fps)
        profile = cProfile.Profile()
        profile.enable()
        one_turn(contestant, frames, warm_up=args.warm_up, limit_s=args.limit_s)
        profile.disable()
        say(f'{args.profile}, {n} objects, {len(frames)} frames; the profiler slows calls down')
        pstats.Stats(profile).sort_stats('tottime').print_stats(PROFILED_LINES)
