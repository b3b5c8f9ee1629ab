"""Score the result files of any tracker, MOT or KITTI text, as TrackEval does."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TYPE_CHECKING

from mot_compress_ros.console import say
from mot_compress_ros.errors import InputError
from offline_training.commands.evaluate import (
    add_truth_arguments,
    bootstrap_config,
    set_settings,
)

if TYPE_CHECKING:
    from offline_training.evaluation.protocols.judge import FoundBoxes, SequenceJudge

HELP = 'score result files (MOT or KITTI text) with TrackEval, without running a model'
# Where a tracker's files lie below the folder that is given: as TrackEval has it, or right there.
_SUBFOLDERS = ('', 'data')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        '--truth',
        type=Path,
        required=True,
        help='MOTChallenge sequences, the folder of KITTI that holds label_02, or a set of any '
        'layout (product)',
    )
    parser.add_argument(
        '--results',
        type=Path,
        required=True,
        help='folder with SEQUENCE.txt or data/SEQUENCE.txt; a file where there is one sequence',
    )
    add_truth_arguments(parser)
    parser.add_argument('--sequences', nargs='+', default=[], help='score these only')
    parser.add_argument(
        '--skip-other-classes',
        action='store_true',
        help='leave out rows of classes that the protocol does not know, in place of an error',
    )
    parser.add_argument('--json', type=Path, help='write all scores here')


def run(args: argparse.Namespace) -> int:
    """Read, score, print and write; returns the exit code."""
    from offline_training.evaluation.tables import evaluation_table
    from offline_training.report_files import check_writable, write_report

    check_writable(args.json)
    report = score(args)
    say(evaluation_table(report))
    if args.json:
        write_report(args.json, report)
    return 0


def score(args: argparse.Namespace) -> dict[str, object]:
    """All scores, as they are written to JSON.

    Raises:
        InputError: ground truth or results are missing or cannot be read.
    """
    from mot_compress_ros.options import to_mapping
    from offline_training.environment import command_line, describe_environment
    from offline_training.evaluation.protocols.judge import open_protocol, TruthOptions
    from offline_training.evaluation.report import combined_json, sequence_json
    from offline_training.evaluation.text_files import read_results
    from offline_training.evaluation.tracking_scores import score_judged

    rules = open_protocol(args.protocol)
    bootstrap = bootstrap_config(args)
    options = TruthOptions(settings=set_settings(args), benchmark=args.benchmark)
    judges = _chosen(rules.read_truth(args.truth, options), args.sequences, args.truth)
    files = result_files(args.results, [judge.name for judge in judges])
    class_of = _class_of(rules, args.protocol, skip_others=args.skip_other_classes)
    per_sequence, raw = [], {}
    for judge in judges:
        found = _to_length(read_results(files[judge.name], class_of), judge)
        raw[judge.name] = {c: score_judged(judge, found, c) for c in judge.class_ids}
        head = {'name': judge.name, 'frames': len(found), 'origin': judge.origin}
        per_sequence.append(sequence_json(head, raw[judge.name], class_names=rules.CLASS_NAMES))
    return {
        'kind': 'score',
        'command': command_line(),
        'environment': describe_environment(),
        'protocol': args.protocol,
        'bootstrap': to_mapping(bootstrap) if bootstrap else None,
        'results': args.results.name,
        'sequences': per_sequence,
        'combined': combined_json(
            raw,
            {judge.name: judge.origin for judge in judges},
            class_names=rules.CLASS_NAMES,
            bootstrap=bootstrap,
        ),
    }


def result_files(path: Path, names: Sequence[str]) -> dict[str, Path]:
    """The result file of each sequence.

    Raises:
        InputError: there is none for one of them.
    """
    if path.is_file():
        if len(names) != 1:
            raise InputError(
                f'{path}: one file for {len(names)} sequences; name the one that it is of with '
                f'--sequences: {", ".join(names)}'
            )
        return {names[0]: path}
    for folder in (path / name for name in _SUBFOLDERS):
        missing = [name for name in names if not (folder / f'{name}.txt').is_file()]
        if len(missing) < len(names):
            break
    if missing:
        raise InputError(
            f'{path}: no result file {", ".join(f"{name}.txt" for name in missing)}; a sequence '
            'in which nothing was found needs an empty file, and --sequences scores some only'
        )
    return {name: folder / f'{name}.txt' for name in names}


def _chosen(
    judges: Sequence[SequenceJudge], names: Sequence[str], path: Path
) -> list[SequenceJudge]:
    known = [judge.name for judge in judges]
    doubles = sorted({name for name in known if known.count(name) > 1})
    if doubles:
        raise InputError(f'{path}: sequence {", ".join(doubles)} is there twice')
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise InputError(f'{path}: no sequence {", ".join(unknown)}; legal: {", ".join(known)}')
    return [judge for judge in judges if not names or judge.name in names]


def _class_of(rules: Any, protocol: str, *, skip_others: bool) -> Callable[[str], int]:
    """Class as a file writes it to the id of the protocol."""
    from offline_training.evaluation.protocols.judge import NOT_JUDGED

    classes: Mapping[str, int] = rules.CLASS_OF_FILE

    def class_of(name: str) -> int:
        if name not in classes and not skip_others:
            raise InputError(
                f'class {name!r}; {protocol} knows {", ".join(classes)}; remove the rows, or give '
                '--skip-other-classes'
            )
        return classes.get(name, NOT_JUDGED)

    return class_of


def _to_length(found: list[FoundBoxes], judge: SequenceJudge) -> list[FoundBoxes]:
    """One entry for each frame of the sequence.

    Raises:
        InputError: the results go on behind its end.
    """
    from offline_training.evaluation.protocols.judge import FoundBoxes

    if judge.length_is_known and len(found) > judge.n_frames:
        raise InputError(
            f'{judge.name}: the results go on to frame {len(found)}, counted from 1, but the '
            f'sequence has {judge.n_frames} frames'
        )
    return found + [FoundBoxes.empty()] * (judge.n_frames - len(found))
