"""Throughput of training: images per second, and where the time of a step goes.

Contestants are all combinations of the recipes, network widths, precisions and cache settings
asked for. They take turns; a turn builds everything anew, so that its peak of memory is its own.
Without --data, road scenes are rendered into a temporary folder, so that everybody can run it.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
import itertools
import json
import os
from pathlib import Path
import tempfile
from typing import Any, TYPE_CHECKING

import numpy as np

from mot_compress_ros.console import ProgressLine, say
from mot_compress_ros.errors import InvalidOptionError
from mot_compress_ros.options import to_mapping
from offline_training.command_options import parse_settings, parse_size
from offline_training.environment import command_line, describe_environment
from offline_training.evaluation.results_sections.benchmark_training import training_tables
from offline_training.report_files import check_writable, write_report

if TYPE_CHECKING:
    from offline_training.datasets.training_images import TrainingSource
    from offline_training.recipes import Recipe

HELP = 'images per second, time per step and memory of training'
FPS = 10.0
OWN = {'layout': 'mot', 'path': 'scene', 'weight': 1.0}  # what is rendered without --data
DEFAULTS = 'defaults'  # the recipe that names nothing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        '--recipes', nargs='+', type=Path, metavar='YAML', help='default: the options in the code'
    )
    parser.add_argument('--data', type=Path, help="folder of the recipes' data sets")
    parser.add_argument(
        '--widths', nargs='+', type=float, metavar='W', help="instead of the recipes' widths"
    )
    parser.add_argument(
        '--precisions', nargs='+', default=['fp32', 'bf16'], choices=('fp32', 'bf16', 'fp16')
    )
    parser.add_argument(
        '--cache', nargs='+', default=['off', 'on'], choices=('off', 'on'), help='decoded frames'
    )
    parser.add_argument('--steps', type=int, default=5, help='measured steps a turn')
    parser.add_argument('--warm-up', type=int, default=2, help='steps before, not measured')
    parser.add_argument('--repeats', type=int, default=3, help='turns of each contestant')
    parser.add_argument('--threads', type=int, default=0, help='CPU threads; 0: all')
    parser.add_argument('--workers', type=int, default=1, help='threads that make batches')
    parser.add_argument('--device', default='cpu', choices=('cpu', 'cuda'))
    parser.add_argument('--source-size', default='1280x720', help='of the rendered images, WxH')
    parser.add_argument('--images', type=int, default=24, help='how many are rendered')
    parser.add_argument('--seed', type=int, default=0, help='of the rendered scene')
    parser.add_argument(
        '--set', action='append', default=[], metavar='KEY=VALUE', help='override a recipe value'
    )
    parser.add_argument('--json', type=Path, help='write all measurements here')


def run(args: argparse.Namespace) -> int:
    """Measure, print and write; returns the exit code."""
    check_writable(args.json)
    report = measure(args)
    say(training_tables(report))
    if args.json:
        write_report(args.json, report)
    return 0


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """One combination of what is compared."""

    recipe: str
    width: float
    precision: str
    cached: bool

    @property
    def label(self) -> str:
        """As it stands in the tables."""
        cache = ', cached frames' if self.cached else ''
        return f'{self.recipe}, width {self.width:g}, {self.precision}{cache}'


def measure(args: argparse.Namespace) -> dict[str, object]:
    """All measurements, as they are written to JSON."""
    load_before = os.getloadavg()[0]  # what else the machine was doing, before we load it
    if min(args.steps, args.repeats, args.images, args.workers) < 1 or args.warm_up < 0:
        raise InvalidOptionError(
            '--steps, --repeats, --images and --workers: at least 1; --warm-up: at least 0'
        )
    import torch

    from offline_training.benchmarks.training_turn import one_turn
    from offline_training.training.trainer import check_precision

    for precision in args.precisions:
        check_precision(precision, args.device)
    if args.threads:
        torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory() as folder:
        recipes, sources = _load(args, Path(folder))
        contestants = _contestants(args, recipes)
        turns: dict[str, list[dict[str, float]]] = {c.label: [] for c in contestants}
        order = list(itertools.product(range(args.repeats), contestants))
        with ProgressLine(len(order)) as line:
            for done, (_, contestant) in enumerate(order):
                label = contestant.label
                line.update(done, lambda label=label: label)  # type: ignore[misc]
                turn = one_turn(
                    config=_variant(recipes[contestant.recipe], contestant),
                    sources=sources[contestant.recipe],
                    cache=Path(folder) / 'cache' if contestant.cached else None,
                    steps=args.steps,
                    warm_up=args.warm_up,
                    workers=args.workers,
                    device=args.device,
                )
                turns[label].append(turn)
            line.update(len(order), lambda: 'done')
    return {
        'kind': 'benchmark training',
        'command': command_line(),
        'environment': {
            **describe_environment(),
            'threads': torch.get_num_threads(),
            'device': torch.cuda.get_device_name() if args.device == 'cuda' else 'cpu',
            'load_average_before': load_before,
        },
        'input': _input_name(args),
        **{name: getattr(args, name) for name in ('steps', 'warm_up', 'repeats', 'workers')},
        'contestants': [
            {
                'name': c.label,
                **vars(c),
                **_shape(recipes[c.recipe]),
                **_medians(turns[c.label]),
                'turns': turns[c.label],
            }
            for c in contestants
        ],
        'ratios': _ratios(contestants, turns),
    }


def _load(
    args: argparse.Namespace, folder: Path
) -> tuple[dict[str, Recipe], dict[str, list[TrainingSource]]]:
    """The recipes and the images of each, by the recipe's name."""
    from offline_training.datasets.collect import collect_sources
    from offline_training.recipes import read_recipe, RecipeConfig

    own = folder / f'{DEFAULTS}.yaml'
    own.write_text(json.dumps({'sources': [OWN]}))  # JSON is YAML
    settings = parse_settings(RecipeConfig, args.set)
    recipes = {path.stem: read_recipe(path, settings) for path in args.recipes or [own]}
    if not args.data:
        _render(args, folder / str(OWN['path']))
    return recipes, {
        name: collect_sources(
            recipe.sources if args.data else [OWN],
            args.data or folder,
            n_class=len(recipe.config.class_names),
        )
        for name, recipe in recipes.items()
    }


def _render(args: argparse.Namespace, folder: Path) -> None:
    from offline_training.synthetic import generate, SceneConfig
    from offline_training.synthetic.writers import WRITERS
    from offline_training.synthetic.writers.options import WriteOptions

    scene = SceneConfig(
        size_wh=parse_size(args.source_size),
        fps=FPS,
        duration_s=args.images / FPS,
        seed=args.seed,
        light='day',
    )
    with ProgressLine(args.images) as line:

        def shown() -> Iterator[Any]:
            for index, frame in enumerate(generate(scene)):
                line.update(index + 1, lambda: 'render images')
                yield frame

        WRITERS['mot'][0](shown(), folder, WriteOptions(fps=FPS))


def _contestants(args: argparse.Namespace, recipes: Mapping[str, Recipe]) -> list[Contestant]:
    return [
        Contestant(recipe=name, width=width, precision=precision, cached=cache == 'on')
        for name, recipe in recipes.items()
        for width in args.widths or [recipe.config.architecture.width]
        for precision in args.precisions
        for cache in args.cache
    ]


def _variant(recipe: Recipe, contestant: Contestant) -> Any:
    """The recipe's options with what the contestant changes."""
    from mot_compress_ros.options import from_mapping

    changes = {
        'architecture.width': contestant.width,
        'train.precision': contestant.precision,
        'train.shards': 1,
    }
    return from_mapping(type(recipe.config), {**to_mapping(recipe.config), **changes})


def _shape(recipe: Recipe) -> dict[str, object]:
    config = recipe.config
    return {'batch_size': config.train.batch_size, 'window_wh': list(config.augment.size_wh)}


def _input_name(args: argparse.Namespace) -> str:
    if args.data:
        return "the recipes' data sets"
    return f'{args.images} rendered images of {args.source_size}, seed {args.seed}'


def _medians(turns: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: float(np.median([turn[name] for turn in turns])) for name in turns[0]}


def _ratios(
    contestants: Sequence[Contestant], turns: Mapping[str, Sequence[Mapping[str, float]]]
) -> list[dict[str, object]]:
    """Images per second over those of the contestant that differs in one thing.

    It is the median over the rounds, in which both were measured one after the other.
    """

    def plain(contestant: Contestant) -> list[Contestant]:
        changes: list[dict[str, Any]] = [{'precision': 'fp32'}, {'cached': False}]
        others = [Contestant(**{**vars(contestant), **change}) for change in changes]
        return [other for other in others if other != contestant and other in contestants]

    return [
        {
            'name': one.label,
            'to': other.label,
            'images_per_s': _ratio(turns[one.label], turns[other.label]),
        }
        for one in contestants
        for other in plain(one)
    ]


def _ratio(one: Sequence[Mapping[str, float]], other: Sequence[Mapping[str, float]]) -> float:
    pairs = zip(one, other, strict=True)
    return float(np.median([a['images_per_s'] / b['images_per_s'] for a, b in pairs]))
