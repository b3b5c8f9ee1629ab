"""How fast the vehicle's pipeline is with what each step left behind, all in turns in one run."""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path
from typing import Any

from mot_compress_ros.console import ProgressLine
from offline_training.benchmarks import pipeline as benchmark
from offline_training.command_options import parse_size
from offline_training.compression.pipeline import Compression


def times_of(compression: Compression) -> dict[str, dict[str, Any]]:
    """By step: runtime, milliseconds of a frame and of its network, frames per second.

    Ratios of steps mean something, as their turns alternate. Nothing is kept: the machine may be
    another one at the next start.
    """
    said = compression.recipe.speed
    words = [f'--{key}={said[key]}' for key in ('size', 'frames', 'repeats')]
    parser = argparse.ArgumentParser()
    benchmark.add_arguments(parser)
    args = parser.parse_args([*words, f'--threads={compression.site.threads}'])
    size_wh = parse_size(args.size, multiple=32)
    pipelines = {
        name: benchmark.open_pipeline(_contestant(compression, name), size_wh=size_wh, args=args)
        for name in compression.names
    }
    frames = benchmark.source_frames(args)
    turns: dict[str, list[dict[str, object]]] = {name: [] for name in pipelines}
    order = list(itertools.product(range(args.repeats), pipelines))
    with ProgressLine(len(order)) as line:
        for done, (_, name) in enumerate(order):
            line.update(done, lambda name=name: f'time {name}')  # type: ignore[misc]
            turn = benchmark.one_turn(pipelines[name], frames, warm_up=args.warm_up)
            turns[name].append(turn)
        line.update(len(order), lambda: 'timed')
    return {
        name: {
            'runtime': pipelines[name].student.backend.name,
            **benchmark.median_turn(of_one),
        }
        for name, of_one in turns.items()
    }


def _contestant(compression: Compression, name: str) -> benchmark.Contestant:
    runtime = compression.runtime(name)
    return benchmark.Contestant(
        student=str(Path(compression.bundle(name))),
        backend=str(runtime.get('backend', '')),
        precision=str(runtime.get('precision', '')),
    )
