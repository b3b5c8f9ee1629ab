"""The sequences of table 2: those to train on and those to score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import hashlib
from pathlib import Path
from typing import Any

import yaml

from mot_compress_ros.errors import InputError
from offline_training.datasets.records import LabelledSequence
from offline_training.evaluation.truth_sets import read_set
from offline_training.experiments.atttrack_halves import cut_halves, SOURCES
from offline_training.report_files import write_text


@dataclass(frozen=True, kw_only=True)
class Sequences:
    """What is trained on and what is scored.

    Attributes:
        folder: below which the sources are.
        sources: of the recipe.
        test: folders to score on.
        one: folder of a sequence, whose frames the speed is measured on.
        digest: of the labels and the images' names and sizes.
        what: for the reader.
        images: to train on.
        frames: to score.
    """

    folder: Path
    sources: Sequence[Mapping[str, object]]
    test: Sequence[Path]
    one: Path
    digest: str
    what: str
    images: int
    frames: int

    def to_json(self) -> dict[str, object]:
        """For the report."""
        return {'what': self.what, 'images': self.images, 'frames': self.frames}


def open_sequences_of(
    data: Sequence[Path], dev: Sequence[Path], *, run: Path, most: int
) -> Sequences:
    """Whole sequences of `data` and of `dev`, or the halves of `data` where there is no `dev`.

    Args:
        data: sequences in MOTChallenge layout, or folders of some.
        dev: the same.
        run: folder where halves are written.
        most: so many of `data`, by name, where it is cut; 0 for all.

    Raises:
        InputError: there are none, or one is in both.
    """
    if not dev:
        halves = cut_halves(data, run, sequences=most, n_class=1)
        return Sequences(
            folder=halves.folder,
            sources=SOURCES,
            test=[halves.test],
            one=halves.test / next(iter(sorted(p.name for p in halves.test.iterdir()))),
            digest=halves.digest,
            what=f'halves of {", ".join(halves.names)} ({halves.origin})',
            images=halves.images,
            frames=halves.frames,
        )
    train, test = _read(data), _read(dev)
    both = {s.name for s in train} & {s.name for s in test}
    if both:
        raise InputError(f'{", ".join(sorted(both))}: in --data and --dev; expected it in one')
    digest = _digest([*train, *test])
    folder = run / f'whole-{digest[:8]}'
    _link(train, folder / 'train')
    return Sequences(
        folder=folder,
        sources=SOURCES,
        test=dev,
        one=test[0].image_paths[0].parent.parent,
        digest=digest,
        what=f'{", ".join(s.name for s in train)}, scored on {", ".join(s.name for s in test)}',
        images=sum(map(len, train)),
        frames=sum(map(len, test)),
    )


def _link(sequences: Sequence[LabelledSequence], folder: Path) -> None:
    """One folder with all of them, as the recipe's source."""
    folder.mkdir(parents=True, exist_ok=True)
    for sequence in sequences:
        link = folder / sequence.name
        if not link.exists():
            link.symlink_to(sequence.image_paths[0].parent.parent.resolve())


def write_recipe(
    path: Path, options: Mapping[str, object], *, sources: Sequence[Mapping[str, object]]
) -> None:
    """A recipe of `train` with these options, by dotted name, and these sources."""
    nested: dict[str, Any] = {}
    for name, value in options.items():
        section, _, key = name.rpartition('.')
        (nested.setdefault(section, {}) if section else nested)[key] = value
    content = {**nested, 'sources': [dict(source) for source in sources]}
    write_text(path, yaml.safe_dump(content, sort_keys=True))


def _read(paths: Sequence[Path]) -> list[LabelledSequence]:
    found = [s for path in paths for s in read_set(path, {'layout': 'mot'}).sequences]
    if not found:
        raise InputError(f'{", ".join(map(str, paths))}: no sequence in MOTChallenge layout')
    return found


def _digest(sequences: Sequence[LabelledSequence]) -> str:
    content = hashlib.sha256()
    for sequence in sequences:
        content.update(f'{sequence.name} {sequence.fps}'.encode())
        for image, truth in zip(sequence.image_paths, sequence.truth, strict=True):
            content.update(f'{image.name} {image.stat().st_size}'.encode())
            content.update(truth.boxes_xyxy_px.tobytes() + truth.ids.tobytes())
    return content.hexdigest()
