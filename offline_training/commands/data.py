"""Look at labelled sets, write them in other layouts, cut them into halves: `data inspect` ..."""

from __future__ import annotations

import argparse
from collections.abc import Callable
import importlib
import os
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from mot_compress_ros.console import complain, ProgressLine, say
from mot_compress_ros.errors import InputError, InvalidOptionError
from mot_compress_ros.options import from_mapping
from offline_training.datasets import LAYOUTS
from offline_training.datasets.writers import WRITERS

if TYPE_CHECKING:
    from offline_training.datasets.inspection import Inspection
    from offline_training.datasets.records import LabelledSet

HELP = 'look at labelled sets, write them in other layouts, cut sequences into halves'
BROKEN_FILES = 1
_MAX_THREADS = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the sub-verbs and their options."""
    tasks = parser.add_subparsers(dest='task', required=True, metavar='TASK')
    for name, (help_text, declare, _) in TASKS.items():
        task = tasks.add_parser(name, help=help_text, description=help_text)
        declare(task)
        _add_reading_arguments(task)


def run(args: argparse.Namespace) -> int:
    """Run one sub-verb; returns its exit code."""
    return TASKS[args.task][2](args)


def _add_reading_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--layout', choices=tuple(LAYOUTS), help='default: what PATH looks like')
    parser.add_argument('--split', help='sets that come in splits: which one')
    parser.add_argument('--topic', help='bag: image topic')
    parser.add_argument('--tracks', type=Path, help='bag: track file; default: beside the bag')
    parser.add_argument(
        '--set',
        action='append',
        default=[],
        metavar='NAME=VALUE',
        help='an option of the layout, as in a training recipe, for instance detector_copies=true',
    )


def _declare_inspect(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('path', type=Path, help='folder or file of the set')
    parser.add_argument(
        '--output', type=Path, help='folder for the pictures; default: out/inspect/NAME'
    )
    parser.add_argument('--json', type=Path, help='write the numbers here')
    parser.add_argument('--images', type=int, default=12, help='on the contact sheet')
    parser.add_argument('--columns', type=int, default=4, help='of the contact sheet')
    parser.add_argument('--threads', type=int, help='that decode; default: cores, at most 8')


def _declare_convert(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('path', type=Path, help='folder or file of the set')
    parser.add_argument('output', type=Path, help='folder to write')
    parser.add_argument('--to', required=True, choices=tuple(WRITERS), help='layout to write')
    written = (f'  {name}: {_writer(name).HELP}' for name in WRITERS)
    parser.epilog = 'Images are linked, not coded again. --to takes:\n' + '\n'.join(written)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter


def _declare_split(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('path', type=Path, help='folder or file of the set')
    parser.add_argument('output', type=Path, help='folder to write; gets train/ and val/')
    parser.add_argument(
        '--fraction', type=float, default=0.5, help='share of each sequence for train/'
    )


def _inspect(args: argparse.Namespace) -> int:
    """Print the table, write the pictures and the JSON; 1 where files are broken."""
    from offline_training.datasets.contact_sheet import (
        SheetConfig,
        write_contact_sheet,
        write_size_histogram,
    )
    from offline_training.datasets.inspection import image_count, inspect
    from offline_training.datasets.inspection_table import inspection_text
    from offline_training.datasets.opening import open_set
    from offline_training.report_files import check_writable, write_report

    check_writable(args.json)
    threads = args.threads or min(_MAX_THREADS, len(os.sched_getaffinity(0)))
    if threads < 1:
        raise InvalidOptionError(f'--threads {threads}: expected at least 1')
    sheet = from_mapping(SheetConfig, {'images': args.images, 'columns': args.columns})
    labelled = open_set(args.path, _settings(args))
    with ProgressLine(image_count(labelled)) as line:
        line.update(0, lambda: 'decoding')
        found = inspect(
            labelled, threads=threads, progress=lambda done: line.update(done, lambda: 'decoding')
        )
    say(inspection_text(labelled, found))
    output = args.output or Path('out') / 'inspect' / args.path.resolve().name
    try:
        output.mkdir(parents=True, exist_ok=True)
        write_contact_sheet(output / 'contact_sheet.png', labelled, sheet)
        write_size_histogram(output / 'sizes.png', labelled)
    except OSError as error:
        raise InputError(f'{output}: cannot be written ({error})') from error
    if args.json:
        write_report(args.json, _report(labelled, found))
    say(f'\nPictures: {output / "contact_sheet.png"}, {output / "sizes.png"}')
    if found.faults:
        complain(f'{args.path}: {len(found.faults)} images are damaged: listed above')
        return BROKEN_FILES
    return 0


def _convert(args: argparse.Namespace) -> int:
    """Write the set in another layout and say what that cannot hold."""
    from offline_training.datasets.opening import open_set
    from offline_training.datasets.writers.placing import appearing_folder

    labelled = open_set(args.path, _settings(args))
    with appearing_folder(args.output) as folder:
        lost = _writer(args.to).write(labelled, folder)
    say(
        f'{args.output}: {len(labelled)} images and frames, {len(labelled.sequences)} sequences, '
        f'from {labelled.layout} to {args.to}'
    )
    for sentence in lost:
        complain(f'not kept: {sentence}')
    return 0


def _writer(name: str) -> ModuleType:
    return importlib.import_module(WRITERS[name])


def _split(args: argparse.Namespace) -> int:
    """Cut every sequence in two."""
    from offline_training.datasets.opening import open_set
    from offline_training.datasets.splitting import write_split
    from offline_training.datasets.writers.placing import appearing_folder
    from offline_training.evaluation.tables import markdown_table

    labelled = open_set(args.path, _settings(args))
    with appearing_folder(args.output) as folder:
        parts = write_split(labelled, folder, fraction=args.fraction)
    columns = zip(labelled.sequences, *parts.values(), strict=True)
    rows = [(whole.name, *(str(len(part)) for part in pair)) for whole, *pair in columns]
    say(markdown_table(('sequence', *(f'{name} frames' for name in parts)), rows))
    return 0


def _settings(args: argparse.Namespace) -> dict[str, object]:
    """The options of the set that were given."""
    from offline_training.command_options import parse_settings
    from offline_training.datasets.records import SourceConfig

    settings = parse_settings(SourceConfig, args.set)
    given = {
        'layout': args.layout,
        'split': args.split,
        'topic': args.topic,
        'tracks': str(args.tracks.resolve()) if args.tracks else None,
    }
    return settings | {name: value for name, value in given.items() if value is not None}


def _report(labelled: LabelledSet, found: Inspection) -> dict[str, object]:
    from offline_training.datasets.inspection_table import inspection_json
    from offline_training.environment import command_line, describe_environment

    return {
        'kind': 'data_inspection',
        'command': command_line(),
        'environment': describe_environment(),
        **inspection_json(labelled, found),
    }


# Name of the sub-verb: help, what declares its arguments, what runs it.
TASKS: dict[
    str,
    tuple[
        str,
        Callable[[argparse.ArgumentParser], None],
        Callable[[argparse.Namespace], int],
    ],
] = {
    'inspect': ('count what is in a set, find broken files, draw it', _declare_inspect, _inspect),
    'convert': ('write a set in another layout', _declare_convert, _convert),
    'split': (
        'cut each sequence into a part to train on and one to score',
        _declare_split,
        _split,
    ),
}
