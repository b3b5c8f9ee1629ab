"""What the options of `experiments atttrack` mean: data sets, trainings and pipelines."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from mot_compress_ros.errors import InvalidOptionError
from mot_compress_ros.options import describe
from mot_compress_ros.pipeline import PipelineConfig
from offline_training.command_options import parse_settings
from offline_training.experiments.atttrack_halves import cut_halves
from offline_training.experiments.atttrack_paper import SECOND_SET
from offline_training.experiments.atttrack_presets import NETWORKS, read_preset
from offline_training.experiments.atttrack_scoring import Judging
from offline_training.experiments.atttrack_training import Site
from offline_training.recipes import RecipeConfig


def sites_of(args: argparse.Namespace, tables: Sequence[str], *, n_class: int) -> dict[str, Site]:
    """The site of each table.

    Raises:
        InputError: data or preset cannot be used.
        InvalidOptionError: an option cannot.
    """
    first = [table for table in tables if not (args.data_mot15 and table in SECOND_SET)]
    second = [table for table in tables if table not in first]
    sites: dict[str, Site] = {}
    for of, paths in ((first, args.data), (second, args.data_mot15)):
        if of:
            sites |= dict.fromkeys(of, _site(args, paths, n_class=n_class))
    return {table: sites[table] for table in tables}


def _site(args: argparse.Namespace, paths: Sequence[Path], *, n_class: int) -> Site:
    if not args.share > 0:
        raise InvalidOptionError(f'--share {args.share}: expected more than 0')
    preset = read_preset(args.preset)
    count = preset.sequences if args.sequences is None else args.sequences
    return Site(
        run=args.run,
        halves=cut_halves(paths, args.run, sequences=count, n_class=n_class),
        preset=preset,
        n_class=n_class,
        share=args.share,
        settings=_settings(args)[0],
        init=_init(args.init),
        device=args.device,
        threads=args.threads,
        students=tuple(args.students),
    )


def judging_of(args: argparse.Namespace, sites: Mapping[str, Site]) -> Judging:
    """How all pipelines are scored.

    Raises:
        InvalidOptionError: an option cannot be used.
    """
    preset = next(iter(sites.values())).preset
    return Judging(
        protocol=args.protocol,
        pipeline={**preset.pipeline, **_settings(args)[1]},
        threads=args.threads,
        device=args.device,
    )


def _settings(args: argparse.Namespace) -> tuple[dict[str, object], dict[str, object]]:
    """What --set says of trainings and of pipelines, which have no name in common.

    Raises:
        InvalidOptionError: a name that neither knows, or a value that is not of its type.
    """
    both = (PipelineConfig, RecipeConfig)
    known = {info.name: config for config in both for info in describe(config)}
    unknown = [pair for pair in args.set if pair.partition('=')[0] not in known]
    if unknown:
        raise InvalidOptionError(
            f'--set {unknown[0]}: no option of a training or of a pipeline; docs/training.md and '
            'docs/node.md name them'
        )

    def of(config: type) -> dict[str, object]:
        mine = [pair for pair in args.set if known[pair.partition('=')[0]] is config]
        return parse_settings(config, mine)

    return of(RecipeConfig), of(PipelineConfig)


def _init(pairs: Sequence[str]) -> dict[str, str]:
    found = dict(pair.partition('=')[::2] for pair in pairs)
    wrong = [name for name, bundle in found.items() if name not in NETWORKS or not bundle]
    if wrong:
        raise InvalidOptionError(
            f'--init {wrong[0]}: expected NETWORK=BUNDLE, NETWORK one of {", ".join(NETWORKS)}'
        )
    return found
