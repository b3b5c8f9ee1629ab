"""The data: first halves of the sequences to train on, second halves to score (section 5.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
import hashlib
from pathlib import Path

from mot_compress_ros.errors import InputError
from offline_training.datasets.collect import collect_sources
from offline_training.datasets.identities import number_identities
from offline_training.datasets.records import LabelledSequence, LabelledSet
from offline_training.datasets.splitting import write_split
from offline_training.datasets.writers.placing import appearing_folder
from offline_training.evaluation.truth_sets import read_set

SOURCES = ({'layout': 'mot', 'path': 'train'},)
MIN_IDENTITIES = 3  # pivots need as many


@dataclass(frozen=True, kw_only=True)
class Halves:
    """Both halves of some sequences.

    Attributes:
        folder: holds `train/` and `val/`.
        digest: of the labels and the names of the images.
        names: of the sequences.
        images: in the training halves.
        frames: in the test halves.
        identities: in the training halves, of the classes that are learned.
        origin: real or synthetic.
    """

    folder: Path
    digest: str
    names: tuple[str, ...]
    images: int
    frames: int
    identities: int
    origin: str

    @property
    def test(self) -> Path:
        """The second halves."""
        return self.folder / 'val'


def cut_halves(paths: Sequence[Path], run: Path, *, sequences: int, n_class: int) -> Halves:
    """Cut the sequences at `paths` and write both halves below `run`, where they are not yet.

    Args:
        paths: sequences in MOTChallenge layout, or folders of some.
        run: folder of the experiment.
        sequences: so many, by name; 0 for all.
        n_class: classes that are learned, from the first.

    Raises:
        InputError: there are none, they are damaged or too short, real and rendered ones are
            mixed, or too few objects are named.
    """
    whole = _read(paths, sequences)
    origins = {sequence.origin for sequence in whole.sequences}
    if len(origins) > 1:
        raise InputError(
            f'{", ".join(map(str, paths))}: real and rendered sequences, whose scores are never '
            'pooled; give those of one kind'
        )
    digest = _digest(whole.sequences)
    folder = run / f'halves-{digest[:8]}'
    if not folder.exists():
        with appearing_folder(folder) as part:
            write_split(whole, part)
    sources, identities = number_identities(collect_sources(SOURCES, folder, n_class=n_class))
    if identities < MIN_IDENTITIES:
        raise InputError(
            f'{", ".join(map(str, paths))}: {identities} objects in the first halves; expected at '
            f'least {MIN_IDENTITIES}'
        )
    images = sum(len(source.images) for source in sources)
    return Halves(
        folder=folder,
        digest=digest,
        names=tuple(sequence.name for sequence in whole.sequences),
        images=images,
        frames=sum(map(len, whole.sequences)) - images,
        identities=identities,
        origin=origins.pop(),
    )


def _read(paths: Sequence[Path], count: int) -> LabelledSet:
    sets = [read_set(path, {'layout': 'mot'}) for path in paths]
    found = sorted((s for one in sets for s in one.sequences), key=lambda s: s.name)
    names = [sequence.name for sequence in found]
    doubles = sorted({name for name in names if names.count(name) > 1})
    if doubles:
        raise InputError(f'two sequences are called {", ".join(doubles)}; give one of them')
    return replace(sets[0], sequences=tuple(found[:count] if count else found))


def _digest(sequences: Sequence[LabelledSequence]) -> str:
    digest = hashlib.sha256()
    for sequence in sequences:
        digest.update(f'{sequence.name} {sequence.fps} {sequence.origin}'.encode())
        for image, truth in zip(sequence.image_paths, sequence.truth, strict=True):
            digest.update(f'{image.name} {image.stat().st_size}'.encode())
            digest.update(truth.boxes_xyxy_px.tobytes() + truth.ids.tobytes())
            digest.update(truth.class_ids.tobytes() + truth.ignore.tobytes())
    return digest.hexdigest()
