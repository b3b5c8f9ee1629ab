"""Prune a bundle's network, train it on where there is a recipe, and show what that does."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, TYPE_CHECKING

from mot_compress_ros.console import complain, say
from mot_compress_ros.errors import InvalidOptionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mot_compress_ros.inference import Bundle
    from mot_compress_ros.networks import JointDetector
    from offline_training.pruning.contract import Method
    from offline_training.pruning.judging import Judge
    from offline_training.pruning.latency import LatencyOptions
    from offline_training.pruning.work import Step, Tuning

HELP = 'take channels out of a network, or set weights to zero, with training between the steps'
# Options of the methods; what is not given is left to their defaults.
SETTINGS = ('importance', 'scope', 'steps', 'round_to', 'most', 'keep', 'schedule', 'seed')
POOR = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    from offline_training.pruning import METHODS

    parser.add_argument('--model', required=True, help='bundle to prune')
    parser.add_argument('--output', type=Path, help='bundle to write; its last part is its name')
    parser.add_argument(
        '--method',
        default='structured',
        choices=tuple(METHODS),
        help='structured: channels go, and the network is smaller and faster; unstructured: '
        'weights become zero, and nothing is smaller but an archive of the file',
    )
    parser.add_argument(
        '--target',
        metavar='NAME=NUMBER',
        help='structured: macs=, parameters= or time= a share of the whole, or ms= milliseconds '
        'of the forward pass; unstructured: sparsity= a share',
    )
    _add_settings(parser)
    _add_training(parser)
    _add_measuring(parser)


def _add_settings(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group('what goes')
    group.add_argument('--importance', help='l1, l2, bn_scale, taylor (with --recipe) or random')
    group.add_argument('--scope', help='global (default) or uniform')
    group.add_argument('--steps', type=int, help='in how many steps (default 1)')
    group.add_argument('--round-to', type=int, help='what stays is a multiple of this (default 8)')
    group.add_argument('--most', type=float, help='largest share of a group (default 0.9)')
    group.add_argument('--keep', nargs='+', metavar='LAYER', help='layers that stay, by beginning')
    group.add_argument('--schedule', help='unstructured: rounds (default), gradual or repeated')
    group.add_argument('--seed', type=int, help='of the importance random')
    group.add_argument(
        '--batches', type=int, default=8, help='batches whose gradients taylor reads (default 8)'
    )


def _add_training(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group('training after each step, as `train` has it')
    group.add_argument('--recipe', type=Path, help="recipe of the network's architecture")
    group.add_argument('--data', type=Path, help='folder of the data sets')
    group.add_argument('--teacher', help='bundle of the teacher, where the recipe asks one')
    group.add_argument('--run', type=Path, help='folder of the steps (default runs/<name>)')
    group.add_argument('--set', action='append', default=[], metavar='KEY=VALUE')
    group.add_argument('--device', default='cpu', choices=('cpu', 'cuda'), help='where to train')
    group.add_argument('--threads', type=int, default=0, help='CPU threads; 0 takes all')
    group.add_argument('--workers', type=int, default=1, help='threads that make batches')
    group.add_argument('--cache', type=Path, metavar='FOLDER', help='keep decoded frames here')
    group.add_argument('--cache-width', type=int, default=0, metavar='PX')


def _add_measuring(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group('what is measured')
    group.add_argument('--input-size', metavar='WxH', help="input (default: the bundle's)")
    group.add_argument(
        '--latency', default='torch_eager', help='runtime that is timed: torch_eager or openvino'
    )
    group.add_argument('--precision', default='fp32', help='of that: fp32 or bf16')
    group.add_argument(
        '--frames',
        nargs='+',
        type=Path,
        default=[],
        metavar='DATA',
        help='bags, videos, image folders, labelled sets or recipes, on whose frames the networks '
        'are compared (default: those of --recipe)',
    )
    group.add_argument('--frame-count', type=int, default=32, help='how many (default 32)')
    group.add_argument('--score', default='peaks', help='peaks, ap50 or mota')
    group.add_argument('--validation', type=Path, metavar='SET', help='for ap50 and mota')
    group.add_argument(
        '--recalibrate',
        action='store_true',
        help='measure the statistics of BatchNorm again on the frames, after each step',
    )
    group.add_argument(
        '--sensitivity',
        type=Path,
        metavar='FILE.svg',
        help='prune each group or layer alone, draw what the score loses, and prune nothing else',
    )
    group.add_argument('--json', type=Path, help='write all numbers here')


def run(args: argparse.Namespace) -> int:
    """Prune, or look at what pruning would cost; 130 or 143 where a signal has stopped it."""
    import torch

    from mot_compress_ros.inference import load_bundle
    from offline_training.command_options import parse_size
    from offline_training.pruning.latency import LATENCIES, LatencyOptions
    from offline_training.report_files import check_writable
    from offline_training.training.interruption import TrainingInterruptedError

    _check(args, tuple(LATENCIES))
    check_writable(args.json, args.sensitivity)
    if args.threads:
        torch.set_num_threads(args.threads)
    bundle = load_bundle(args.model)
    size_wh = (
        parse_size(args.input_size, multiple=32)
        if args.input_size
        else bundle.manifest.input_size_wh
    )
    timing = LatencyOptions(input_size_wh=size_wh, precision=args.precision, threads=args.threads)
    if args.sensitivity:
        return _look(args, bundle, size_wh)
    try:
        return _prune(args, bundle, timing)
    except TrainingInterruptedError as stop:
        complain(f'prune: {stop}')
        return stop.exit_code


def _check(args: argparse.Namespace, latencies: tuple[str, ...]) -> None:
    if not args.sensitivity and not (args.output and args.target):
        raise InvalidOptionError('--output, --target: needed, unless --sensitivity is asked for')
    if args.recipe and not args.data:
        raise InvalidOptionError('--data: needed with --recipe, whose sources are relative to it')
    if args.latency not in latencies:
        raise InvalidOptionError(
            f'--latency: got {args.latency}, expected one of {", ".join(latencies)}'
        )


def _prune(args: argparse.Namespace, bundle: Bundle, timing: LatencyOptions) -> int:
    from offline_training.pruning.work import prune_in_steps, write_pruned

    method = _method(args, bundle, timing)
    settings = _settings(args)
    work = {
        'method': args.method,
        'target': args.target,
        'settings': settings,
        'input_size_wh': list(timing.input_size_wh),
        'timed': [args.latency, timing.precision, timing.threads],
        'batches': args.batches,
        'recalibrated_on': [str(path) for path in _frames(args)] if args.recalibrate else [],
    }
    judge = _judge(args, bundle, timing.input_size_wh)
    run_folder = args.run or Path('runs') / args.output.name
    tuning = _tuning(args, timing.input_size_wh)
    mend = _mend(args, judge)
    steps = prune_in_steps(bundle, method, run_folder, work=work, tuning=tuning, mend=mend)
    history = {
        'method': args.method,
        'target': args.target,
        'settings': settings,
        'goals': [step.goal for step in steps],
        'recalibrated': args.recalibrate,
        'trained_by': args.recipe.name if args.recipe else '',
    }
    output = write_pruned(bundle, steps, args.output, history)
    _tell(args, bundle, output, steps, method, judge, timing)
    return 0


def _method(args: argparse.Namespace, bundle: Bundle, timing: LatencyOptions) -> Method:
    from mot_compress_ros.inference.backends.torch_eager import load_network
    from offline_training.pruning import METHODS
    from offline_training.pruning.contract import MethodOptions
    from offline_training.pruning.latency import latency_of, share_of
    from offline_training.pruning.measures import parse_target

    target = parse_target(args.target)
    latency = latency_of(args.latency, timing)
    if target[0] == 'time':
        latency = share_of(args.latency, timing, whole=load_network(bundle).eval())
    return METHODS[args.method]()(
        MethodOptions(
            target=target,
            settings=_settings(args),
            input_size_wh=timing.input_size_wh,
            latency=latency,
            losses=_losses(args),
        )
    )


def _settings(args: argparse.Namespace) -> dict[str, object]:
    return {name: value for name in SETTINGS if (value := getattr(args, name)) is not None}


def _losses(args: argparse.Namespace) -> Any:
    """Of the recipe's batches, where a network is to be asked for gradients."""
    from offline_training.command_options import parse_settings
    from offline_training.pruning.training_losses import recipe_losses
    from offline_training.recipes import read_recipe, RecipeConfig

    if not args.recipe or args.importance != 'taylor':
        return None
    recipe = read_recipe(args.recipe, parse_settings(RecipeConfig, args.set))
    return recipe_losses(recipe, args.data, batches=args.batches)


def _tuning(args: argparse.Namespace, size_wh: tuple[int, int]) -> Tuning | None:
    from offline_training.pruning.work import as_words, Tuning

    if not args.recipe:
        return None
    beside = ('data', 'device', 'threads', 'workers', 'cache', 'cache_width')
    size = f'{size_wh[0]}x{size_wh[1]}'
    return Tuning(
        recipe=args.recipe,
        words=as_words({'teacher': args.teacher, 'set': args.set, 'input-size': size}),
        beside=as_words({name.replace('_', '-'): getattr(args, name) for name in beside}),
    )


def _frames(args: argparse.Namespace) -> list[Path]:
    return args.frames or ([args.recipe] if args.recipe else [])


def _mend(
    args: argparse.Namespace, judge: Judge | None
) -> Callable[[JointDetector], JointDetector]:
    from functools import partial

    from offline_training.pruning.recalibration import recalibrated

    if not args.recalibrate:
        return lambda network: network
    if judge is None or not (batches := judge.batches()):
        raise InvalidOptionError('--recalibrate: needs --frames, or a --recipe whose frames it is')
    return partial(recalibrated, inputs=batches)


def _judge(args: argparse.Namespace, bundle: Bundle, size_wh: tuple[int, int]) -> Judge | None:
    from offline_training.pruning.judging import Judge, JudgeOptions

    frames = _frames(args)
    if not frames and not args.validation:
        return None
    options = JudgeOptions(
        score=args.score,
        frames=tuple(frames),
        count=args.frame_count,
        data=args.data,
        validation=args.validation,
    )
    return Judge(bundle, options, input_size_wh=size_wh)


def _tell(
    args: argparse.Namespace,
    whole: Bundle,
    output: Bundle,
    steps: list[Step],
    method: Method,
    judge: Judge | None,
    timing: LatencyOptions,
) -> None:
    """Measure both networks, print the tables and write the report."""
    from mot_compress_ros.inference.backends.torch_eager import load_network
    from offline_training.environment import command_line, describe_environment
    from offline_training.pruning.latency import forward_ms
    from offline_training.pruning.report import (
        facts_of,
        facts_table,
        step_facts,
        steps_table,
    )
    from offline_training.report_files import write_report

    size_wh = timing.input_size_wh
    both = {'before': whole, 'after': output}
    networks = {name: load_network(bundle) for name, bundle in both.items()}
    times_ms = forward_ms(networks, args.latency, timing)
    facts = {
        name: facts_of(
            bundle,
            input_size_wh=size_wh,
            forward_ms=times_ms[name],
            score=judge(networks[name]) if judge else None,
        )
        for name, bundle in both.items()
    }
    rows = [step_facts(step, judge, input_size_wh=size_wh) for step in steps]
    forward = f'{args.latency} {timing.precision}'
    say(steps_table(rows, measure=method.measure, score=args.score))
    say('')
    say(facts_table(facts['before'], facts['after'], score=args.score, forward=forward))
    for line in _remarks(args, judge, facts['after'].score):
        say(line)
    if args.json:
        write_report(
            args.json,
            {
                'kind': 'prune',
                'command': command_line(),
                'environment': describe_environment(),
                'model': whole.manifest.name,
                'output': output.manifest.name,
                'method': args.method,
                'target': args.target,
                'settings': _settings(args),
                'input_size_wh': list(size_wh),
                'forward': forward,
                'score': args.score if judge else None,
                'channels': dict(output.manifest.channels),
                'steps': rows,
                **{name: fact.as_json() for name, fact in facts.items()},
            },
        )


def _remarks(args: argparse.Namespace, judge: Judge | None, score: float | None) -> list[str]:
    """What a reader of the table must not overlook."""
    lines = []
    if args.method == 'unstructured':
        lines.append(
            'Zeros are stored and multiplied like other numbers: file, memory and time stay; only '
            'an archive is smaller. --method structured makes networks smaller and faster.'
        )
    if judge is None:
        lines.append('Nobody has looked at what it finds: pass --frames, or run `evaluate` on it.')
    elif score is not None and score < POOR:
        lines.append(
            f'It finds little ({args.score} {score:.3f}): train it on with --recipe and --data, '
            'in several --steps, with a --teacher.'
        )
    return lines


def _look(args: argparse.Namespace, bundle: Bundle, size_wh: tuple[int, int]) -> int:
    """Prune each part alone."""
    from dataclasses import asdict

    from mot_compress_ros.console import ProgressLine
    from mot_compress_ros.inference.backends.torch_eager import load_network
    from offline_training.benchmarks.association_plot import standalone_svg
    from offline_training.environment import command_line, describe_environment
    from offline_training.pruning.sensitivity import (
        sensitivities,
        sensitivity_chart,
        structured_candidates,
        unstructured_candidates,
    )
    from offline_training.report_files import write_report, write_text

    judge = _judge(args, bundle, size_wh)
    if judge is None:
        raise InvalidOptionError('--sensitivity: needs --frames, --validation or --recipe')
    network = load_network(bundle).eval()
    candidates = (
        structured_candidates(network, importance=args.importance or 'l2', losses=_losses(args))
        if args.method == 'structured'
        else unstructured_candidates(network)
    )
    with ProgressLine(0) as line:
        rows = sensitivities(
            network,
            candidates,
            judge,
            progress=lambda done, name: line.update(done, lambda: name),
        )
    write_text(args.sensitivity, standalone_svg(sensitivity_chart(rows, score=args.score)))
    say(f'wrote {args.sensitivity}: {len(rows)} parts pruned alone')
    if args.json:
        content = {
            'kind': 'prune-sensitivity',
            'command': command_line(),
            'environment': describe_environment(),
            'model': bundle.manifest.name,
            'method': args.method,
            'score': args.score,
            'rows': [asdict(row) for row in rows],
        }
        write_report(args.json, content)
    return 0
