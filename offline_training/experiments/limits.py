"""What limits a trained model: data, size, resolution or training time.

No training is done; each question is answered by evaluations that can be repeated by hand.

- Data: scores on what the model was trained on beside scores on the same kind of data it never
  saw. A wide gap says that more data would help; none, that the network or its training is short.
- Resolution: the same weights at other input sizes, and average precision by size of the objects.
- Size and training time: other bundles (a wider network, the same network trained for less) on
  the same dev data.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

from mot_compress_ros.console import say
from offline_training.evaluation.detection_scores import SIZES
from offline_training.experiments.comparison import MEASURES, read_scores
from offline_training.experiments.runs import announce, run_command

HELP = 'what limits a trained model: data, size, resolution or training time'
SEEN, UNSEEN = 'seen in training', 'never seen'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('--model', required=True, help='bundle, a folder or a name')
    parser.add_argument(
        '--seen', type=Path, nargs='+', required=True, help='sets that it was trained on'
    )
    parser.add_argument(
        '--unseen',
        type=Path,
        nargs='+',
        required=True,
        help='sets of the same kind that it was not',
    )
    parser.add_argument(
        '--sizes', nargs='+', default=[], metavar='WxH', help='input sizes to try on --unseen'
    )
    parser.add_argument(
        '--others', nargs='+', default=[], help='bundles to set beside it on --unseen'
    )
    parser.add_argument(
        '--bdd', type=Path, help='BDD100K folder: its split train was seen, dev was not'
    )
    parser.add_argument(
        '--output', type=Path, required=True, help='folder of the scores; a second start goes on'
    )
    parser.add_argument('--threads', type=int, default=0, help='CPU threads; 0: all')
    parser.add_argument('--json', type=Path, help='write everything here')


def run(args: argparse.Namespace) -> int:
    """Evaluate what is not evaluated yet, and print the table."""
    from offline_training.environment import command_line, describe_environment
    from offline_training.report_files import check_writable, write_report

    check_writable(args.json)
    rows, planned = [], plan(args)
    for done, (question, name, words) in enumerate(planned):
        announce(done, len(planned), f'{question}: {name}')
        report = _evaluated(args.output, words)
        rows.append(row_of(question, name, words, report))
    say(limits_table(rows))
    if args.json:
        content = {
            'kind': 'experiment_limits',
            'command': command_line(),
            'environment': describe_environment(),
            'model': args.model,
            'rows': rows,
        }
        write_report(args.json, content)
    return 0


def plan(args: argparse.Namespace) -> list[tuple[str, str, list[str]]]:
    """Question, name of the row and the words after `python -m offline_training`, in order."""

    def words(model: str, data: list[Path], split: str, *more: str) -> list[str]:
        bdd = ['--bdd', str(args.bdd), '--bdd-split', split] if args.bdd else []
        given = ['--data', *map(str, data), *bdd, '--threads', str(args.threads)]
        return ['evaluate', '--model', model, *given, '--resamples', '0', *more]

    rows = [
        ('data', SEEN, words(args.model, args.seen, 'train')),
        ('data', UNSEEN, words(args.model, args.unseen, 'dev')),
    ]
    rows += [
        ('resolution', size, words(args.model, args.unseen, 'dev', '--input-size', size))
        for size in args.sizes
    ]
    rows += [
        ('size and time', other, words(other, args.unseen, 'dev'))
        for other in (args.model, *args.others)
        if args.others
    ]
    return rows


def row_of(question: str, name: str, words: list[str], report: dict[str, Any]) -> dict[str, Any]:
    """The measures of one evaluation and average precision by size of the objects.

    Both are by the origin of the sequences, and by name of the sets of images.
    """
    scores = read_scores({**report, 'image_sets': []})
    for images in report['image_sets']:
        scores['ap50'][images['name']] = images['class_average']['ap50']
    return {
        'question': question,
        'name': name,
        'command': ' '.join(['python -m offline_training', *words]),
        'scores': scores,
        'ap_by_size': _by_size(report),
    }


def limits_table(rows: list[dict[str, Any]]) -> str:
    """Markdown: one row per evaluation and kind of data, ratios in per cent."""
    from offline_training.evaluation.tables import markdown_table

    header = ['question', 'row', 'on', *MEASURES.values(), *(f'AP {s}' for s in SIZES)]
    lines = []
    for row in rows:
        origins = sorted({o for values in row['scores'].values() for o in values})
        for origin in origins:
            values = [row['scores'].get(m, {}).get(origin) for m in MEASURES]
            values += [row['ap_by_size'].get(origin, {}).get(size) for size in SIZES]
            cells = ['–' if v is None else f'{100 * v:.1f}' for v in values]
            lines.append([row['question'], row['name'], origin, *cells])
    return markdown_table(header, lines)


def _by_size(report: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Mean over classes and sequences of COCO's average precision by size."""
    found: dict[str, dict[str, list[float]]] = {}
    sets = [(s['origin'], s['detection']) for s in report['sequences'] if 'detection' in s]
    sets += [(s['name'], s) for s in report['image_sets']]
    for origin, detection in sets:
        for scores in detection['classes'].values():
            for size in SIZES:
                value = scores.get(f'ap_{size}')
                if value is not None:
                    found.setdefault(origin, {}).setdefault(size, []).append(value)
    return {o: {s: sum(v) / len(v) for s, v in sizes.items()} for o, sizes in found.items()}


def _evaluated(folder: Path, words: list[str]) -> dict[str, Any]:
    """The report of `evaluate`, made where it is not there; its file is named by the command.

    Raises:
        RunFailedError: the command failed.
    """
    name = hashlib.sha256('\0'.join(words).encode()).hexdigest()[:16]
    path = folder / f'{name}.json'
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        run_command([*words, '--json', str(path)], folder / f'{name}.log')
    report: dict[str, Any] = json.loads(path.read_text(encoding='utf-8'))
    return report
