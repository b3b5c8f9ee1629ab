"""Replay many bags, videos or sequences, one folder of results each."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TYPE_CHECKING

from mot_compress_ros.command_line import add_common_arguments, EXIT_INCOMPLETE, number
from mot_compress_ros.console import complain, ProgressLine, say
from mot_compress_ros.errors import InputError
from offline_training.parallel import add_parallel_arguments

if TYPE_CHECKING:
    from mot_compress_ros.pipeline import PipelineConfig
    from mot_compress_ros.recording.summary import Summary
    from mot_compress_ros.replay import ReplayOptions
    from offline_training.parallel import Outcome, Task

HELP = 'replay many bags, videos or sequences, one after the other or on Ray'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        'inputs', nargs='+', type=Path, metavar='INPUT', help='bag, video or folder of images'
    )
    add_common_arguments(parser)
    parser.add_argument(
        '--threads', type=number(int, 0, 1024), default=0, help='CPU threads of each; 0: all'
    )
    add_parallel_arguments(parser, what='inputs')
    parser.add_argument('--json', type=Path, help='write the summaries of all here')


def run(args: argparse.Namespace) -> int:
    """Replay all, print and write; exit code 1 where one failed or ended early."""
    from offline_training.environment import command_line, describe_environment
    from offline_training.parallel import failures, run_all
    from offline_training.report_files import check_writable, write_report

    check_writable(args.json)
    tasks = replay_tasks(args)
    function = partial(replay_one, config=build_config(args))
    with ProgressLine(len(tasks)) as line:
        outcomes = run_all(
            tasks,
            function,
            workers=args.workers,
            address=args.ray,
            progress=lambda done, name: line.update(done, lambda: name),
        )
    say(replays_table(outcomes))
    if args.json:
        content = {
            'kind': 'replays',
            'command': command_line(),
            'environment': describe_environment(),
            'replays': [{'name': o.name, 'error': o.error, 'summary': o.result} for o in outcomes],
        }
        write_report(args.json, content)
    early = [
        f'{o.name}: {o.result["reason"] or "ended early"}'
        for o in outcomes
        if o.result and (o.result['reason'] or not o.result['complete'])
    ]
    for failure in [*failures(outcomes), *early]:
        complain(f'error: {failure}')
    return EXIT_INCOMPLETE if failures(outcomes) or early else 0


def build_config(args: argparse.Namespace) -> PipelineConfig:
    """The options of the pipeline, with the threads that the command line names."""
    from mot_compress_ros.command_line import chosen_options
    from mot_compress_ros.options import from_mapping
    from mot_compress_ros.pipeline import PipelineConfig

    values = chosen_options(args)
    if args.threads:
        values['runtime.threads'] = args.threads
    return from_mapping(PipelineConfig, values)


def replay_tasks(args: argparse.Namespace) -> list[Task[ReplayOptions]]:
    """One task per input; its results go to a folder of its name in the output folder.

    Raises:
        InputError: two inputs would write to one folder.
    """
    from mot_compress_ros.replay import ReplayOptions, VIDEO_AND_IMAGES
    from offline_training.parallel import Task

    names = output_names(args.inputs)
    return [
        Task(
            name=name,
            value=ReplayOptions(
                input=path,
                output=args.output / name,
                model=args.model,
                teacher=args.teacher,
                topic=args.topic,
                fps_hz=args.fps,
                limit=args.limit,
                skip=VIDEO_AND_IMAGES if args.no_video else (),
            ),
        )
        for name, path in zip(names, args.inputs, strict=True)
    ]


def output_names(inputs: Sequence[Path]) -> list[str]:
    """The name of each input without its suffix, after its folder's where two are the same.

    Raises:
        InputError: they are still the same.
    """
    paths = [path.expanduser().resolve() for path in inputs]
    short = [path.name if path.is_dir() else path.stem for path in paths]
    names = [
        f'{path.parent.name}_{name}' if short.count(name) > 1 else name
        for path, name in zip(paths, short, strict=True)
    ]
    doubles = sorted({name for name in names if names.count(name) > 1})
    if doubles:
        raise InputError(
            f'two inputs would write to the folder {", ".join(doubles)}; replay them apart'
        )
    return names


def replay_one(options: ReplayOptions, *, config: PipelineConfig) -> Summary:
    """Replay one input; in a process of its own, if Ray runs it."""
    from mot_compress_ros.replay import replay

    summary, _ = replay(options, config, quiet=True)
    return summary


def replays_table(outcomes: Sequence[Outcome[Summary]]) -> str:
    """One row per input."""
    from offline_training.evaluation.tables import markdown_table

    header = ['input', 'frames', 'tracks', 'frames/s', 'state']
    rows = [
        _row(o.name, o.result) if o.result else [o.name, '', '', '', 'failed'] for o in outcomes
    ]
    return markdown_table(header, rows)


def _row(name: str, summary: Mapping[str, Any]) -> list[str]:
    whole = summary['complete'] and not summary['reason']
    return [
        name,
        str(summary['frames']['processed']),
        str(summary['tracks']['total']),
        f'{summary["throughput_fps"]:.1f}',
        'complete' if whole else 'ended early',
    ]
