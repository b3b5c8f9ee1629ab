"""What was counted of a set, as text and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from offline_training.datasets.inspection import ClassCount, Inspection, PERCENTILES
from offline_training.datasets.records import LabelledSequence, LabelledSet
from offline_training.evaluation.tables import markdown_table

_MAX_LINES, _MAX_SIZES = 20, 8


def inspection_text(labelled: LabelledSet, found: Inspection) -> str:
    """Tables of the whole, the classes and the sequences, and a list of what is wrong."""
    parts = [
        f'{labelled.path}: layout {labelled.layout}',
        _totals(found),
        _classes(found.classes),
        _sequences(labelled.sequences, labelled.class_names),
        _listed(
            'Image sizes, and how many',
            [f'{size}  {n}' for size, n in found.image_sizes.items()],
            shown=_MAX_SIZES,
        ),
        _listed('Broken images', _lines(found.broken, labelled.path)),
        _listed('Images of the wrong size', _lines(found.wrong_size, labelled.path)),
        _listed(
            'Files with the same bytes',
            [' = '.join(_short(p, labelled.path) for p in group) for group in found.duplicates],
        ),
    ]
    return '\n\n'.join(part for part in parts if part)


def inspection_json(labelled: LabelledSet, found: Inspection) -> dict[str, object]:
    """The same numbers."""
    sequences = [
        {
            'name': s.name,
            'frames': len(s),
            'fps': s.fps,
            'size_wh': list(s.size_wh),
            'labelled_classes': [labelled.class_names[k] for k in s.labelled_class_ids],
            'has_images': bool(s.image_paths),
            'has_identities': s.has_identities,
            'origin': s.origin,
        }
        for s in labelled.sequences
    ]
    return {
        'path': str(labelled.path),
        'layout': labelled.layout,
        'percentiles': list(PERCENTILES),
        **asdict(found),
        'sequence_list': sequences,
    }


def _totals(found: Inspection) -> str:
    rows = [
        ('single images', found.images),
        ('sequences', found.sequences),
        ('frames', found.frames),
        ('images and frames without an object', found.without_boxes),
        ('boxes of objects', found.boxes),
        ('boxes to ignore', found.ignored),
        ('identities', found.identities),
        ('boxes that reach beyond the image', found.reaching_out),
        ('boxes wholly outside of it', found.outside),
        ('broken images', len(found.broken)),
        ('images of the wrong size', len(found.wrong_size)),
        ('images that are there before', sum(len(group) - 1 for group in found.duplicates)),
    ]
    return markdown_table(('', 'count'), [(name, str(count)) for name, count in rows])


def _classes(classes: Sequence[ClassCount]) -> str:
    spread = '/'.join(f'{p}' for p in PERCENTILES)
    header = (
        'class',
        'labelled in',
        'boxes',
        'to ignore',
        'identities',
        f'width px, {spread} %',
        f'height px, {spread} %',
    )
    rows = [
        (
            c.name,
            str(c.labelled_images),
            str(c.boxes),
            str(c.ignored),
            str(c.identities),
            _spread(c.width_px),
            _spread(c.height_px),
        )
        for c in classes
    ]
    return markdown_table(header, rows)


def _spread(values: Sequence[float]) -> str:
    return ' / '.join(f'{value:.0f}' for value in values) or '–'


def _sequences(sequences: Sequence[LabelledSequence], class_names: Sequence[str]) -> str:
    if not sequences:
        return ''
    header = ('sequence', 'frames', 'Hz', 'size', 'boxes', 'ids', 'labelled', 'images')
    rows = [_sequence_row(s, class_names) for s in sequences[:_MAX_LINES]]
    table = markdown_table(header, rows)
    return table + _more(len(sequences), 'sequences')


def _sequence_row(sequence: LabelledSequence, class_names: Sequence[str]) -> tuple[str, ...]:
    ids = {i for truth in sequence.truth for i in truth.ids[~truth.ignore].tolist()}
    return (
        sequence.name,
        str(len(sequence)),
        f'{sequence.fps:g}',
        '{}x{}'.format(*sequence.size_wh),
        str(sum(int((~truth.ignore).sum()) for truth in sequence.truth)),
        str(len(ids)) if sequence.has_identities else '–',
        ', '.join(class_names[k] for k in sequence.labelled_class_ids) or '–',
        sequence.origin if sequence.image_paths else 'none',
    )


def _lines(faults: dict[str, str], root: Path) -> list[str]:
    return [f'{_short(path, root)}: {fault}' for path, fault in faults.items()]


def _short(path: str, root: Path) -> str:
    return str(Path(path).relative_to(root)) if Path(path).is_relative_to(root) else path


def _listed(title: str, lines: Sequence[str], *, shown: int = _MAX_LINES) -> str:
    if not lines:
        return ''
    text = '\n'.join(f'  {line}' for line in lines[:shown])
    return f'{title}:\n{text}{_more(len(lines), "lines, see --json", shown=shown)}'


def _more(count: int, what: str, *, shown: int = _MAX_LINES) -> str:
    return f'\n  ... and {count - shown} more {what}' if count > shown else ''
