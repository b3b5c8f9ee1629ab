"""What `experiments atttrack` leaves behind: a page, a figure and a file of everything."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mot_compress_ros.console import say
from offline_training.benchmarks.association_plot import standalone_svg
from offline_training.environment import command_line, cpu_model, describe_environment
from offline_training.experiments.atttrack_claims import claims_of, judge, Verdict
from offline_training.experiments.atttrack_figure import interval_chart, NAME
from offline_training.experiments.atttrack_paper import (
    Arm,
    FIGURE,
    INCONSISTENCIES,
    SECOND_SET,
    TABLES,
)
from offline_training.experiments.atttrack_plan import Training
from offline_training.experiments.atttrack_scoring import Result
from offline_training.experiments.atttrack_tables import all_tables
from offline_training.experiments.atttrack_training import seconds_of, Site
from offline_training.experiments.atttrack_work import all_to_train
from offline_training.marked_page import between_markers
from offline_training.report_files import write_report, write_text
from offline_training.reports.figures import write_png

PART = 'atttrack tables'


def write_results(
    args: argparse.Namespace,
    page: str,
    *,
    tables: Sequence[str],
    sites: Mapping[str, Site],
    results: Mapping[tuple[str, Arm], Result],
) -> None:
    """Print everything, and write what was asked for."""
    verdicts = judge(claims_of(tables), results, resamples=args.resamples)
    image = _draw(args, tables, results)
    text = all_tables(tables, results, verdicts, image=image)
    say(text)
    if args.update:
        whole = f'{_origin_text(args, sites)}\n\n{text}'
        write_text(args.update, between_markers(page, PART, whole))
    if args.json:
        write_report(args.json, _report(args, sites, results, verdicts))


def _draw(
    args: argparse.Namespace, tables: Sequence[str], results: Mapping[tuple[str, Arm], Result]
) -> str:
    """Figure 7 as SVG and PNG, beside the page or in the run; its path relative to the page."""
    if FIGURE not in tables:
        return ''
    folder = args.update.parent / 'images' if args.update else args.run
    chart = interval_chart(results)
    write_text(folder / f'{NAME}.svg', standalone_svg(chart))
    write_png(chart, folder / f'{NAME}.png')
    return f'images/{NAME}.svg'


def _report(
    args: argparse.Namespace,
    sites: Mapping[str, Site],
    results: Mapping[tuple[str, Arm], Result],
    verdicts: Sequence[Verdict],
) -> dict[str, object]:

    return {
        'kind': 'experiment_atttrack',
        'command': command_line(),
        'environment': describe_environment(),
        'preset': args.preset,
        'share': args.share,
        'protocol': args.protocol,
        'data': {
            table: {
                'names': list(s.halves.names),
                'images': s.halves.images,
                'frames': s.halves.frames,
                'identities': s.halves.identities,
            }
            for table, s in sites.items()
        },
        'trainings': [
            _training_json(site, training, seconds_of(site.folder(training)))
            for site, training in all_to_train(sites)
        ],
        'rows': [
            {
                'table': table,
                'family': arm.family,
                'scheme': arm.scheme,
                'interval': arm.interval,
                'paper': dict(TABLES.get(table, {}).get(arm, {})),
                **result.to_json(),
            }
            for (table, arm), result in results.items()
        ],
        'claims': [verdict.to_json() for verdict in verdicts],
        'inconsistencies': list(INCONSISTENCIES),
    }


def _training_json(site: Site, training: Training, seconds: float | None) -> dict[str, Any]:
    options = site.options(training)
    return {
        'name': training.name,
        'what': training.what,
        'starts_from': training.start,
        'teacher': training.teacher,
        'seconds': seconds,
        'options': {name: value for name, value in options.items() if value is not None},
    }


def _origin_text(args: argparse.Namespace, sites: Mapping[str, Site]) -> str:

    data = {site.halves.folder: site.halves for site in sites.values()}
    sets = '; '.join(
        f'{len(h.names)} {h.origin} sequences, {h.images} images to train on and {h.frames} to '
        f'score, {h.identities} identities'
        for h in data.values()
    )
    one_set = any(t in SECOND_SET for t in sites) and len(data) == 1
    note = ' Tables 7 and 8 are of the same data as the others.' if one_set else ''
    begun = sorted({(n, Path(b).name) for s in sites.values() for n, b in s.init.items()})
    if begun:
        names = ', '.join(f'{network} with {bundle}' for network, bundle in begun)
        note += f' Begun with other weights than random ones: {names}; the others were not.'
    return (
        f'Made by `{command_line()}` on {cpu_model()}: {sets}.{note} MOTA, IDF1 and HOTA are in '
        'per cent; FPS is of the whole pipeline, one frame at a time. A difference of MOTA is in '
        'points, one of FPS in per cent of the second; intervals of 95 % are over sequences.'
    )
