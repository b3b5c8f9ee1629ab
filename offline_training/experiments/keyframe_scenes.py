"""Where the keyframe modes are compared: given sequences, and a ladder of rendered drives.

The ladder varies one thing at a time around its middle: how fast the camera car goes, how many
road users there are, and how hard it turns and bounces.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
import shutil

from mot_compress_ros.console import ProgressLine
from offline_training import synthetic
from offline_training.datasets.mot_layout import read_sequence
from offline_training.datasets.records import LabelledSequence
from offline_training.experiments.tracking_code import source_hash
from offline_training.synthetic import generate, SceneConfig
from offline_training.synthetic.writers import WriteOptions, WRITERS

LADDER = 'ladder'
FIRST_SEED = 7300  # on which nothing was chosen or trained
# Step of the ladder: what it changes of the middle. A scene of 'drive' is at some 50 km/h.
STEPS: Mapping[str, Mapping[str, object]] = {
    'middle': {},
    'speed: standing': {'scenario': 'wait'},
    'speed: walking pace': {'scenario': 'walk'},
    'density: half': {'density': 0.5},
    'density: double': {'density': 2.0},
    'ego: city': {'ego': 'city'},
    'ego: rough': {'ego': 'rough'},
}


@dataclass(frozen=True, kw_only=True)
class Cell:
    """Sequences of one frame rate and origin, scored together.

    Attributes:
        name: in tables.
        group: cells of one group are averaged.
        sequences: at least one.
    """

    name: str
    group: str
    sequences: Sequence[LabelledSequence]

    @property
    def fps(self) -> float:
        """Of all of them."""
        return self.sequences[0].fps

    @property
    def seconds(self) -> float:
        """Of the shortest one."""
        return min(len(s) for s in self.sequences) / self.fps


def cells_of_data(sequences: Sequence[LabelledSequence]) -> list[Cell]:
    """The given sequences by origin and frame rate: budgets are by the second."""
    found: dict[tuple[str, float], list[LabelledSequence]] = {}
    for sequence in sequences:
        found.setdefault((sequence.origin, sequence.fps), []).append(sequence)
    return [
        Cell(name=f'{origin}, {fps:g} Hz', group=f'given, {origin}', sequences=mine)
        for (origin, fps), mine in found.items()
    ]


def cells_of_ladder(
    folder: Path, *, middle: SceneConfig, drives: int, steps: Sequence[str] = ()
) -> list[Cell]:
    """The rendered ladder; each drive is rendered once.

    Args:
        folder: of the drives.
        middle: what a step changes.
        drives: seeds of each step; the same ones in all.
        steps: these only.

    Raises:
        InputError: a drive cannot be written.
    """
    chosen = {name: STEPS[name] for name in steps or STEPS}
    with ProgressLine(len(chosen) * drives) as line:
        cells: list[Cell] = []
        for name, changes in chosen.items():
            sequences: list[LabelledSequence] = []
            for seed in range(FIRST_SEED, FIRST_SEED + drives):
                line.update(len(cells) * drives + len(sequences), lambda name=name: name)  # type: ignore[misc]
                config = replace(middle, seed=seed, **changes)  # type: ignore[arg-type]
                sequences.append(read_sequence(_rendered(folder, name, config)))
            cells.append(Cell(name=name, group=LADDER, sequences=sequences))
        line.update(len(chosen) * drives, lambda: 'rendered')
    return cells


def _rendered(folder: Path, step: str, config: SceneConfig) -> Path:
    """The folder of a drive."""
    size = 'x'.join(map(str, config.size_wh))
    version = f'{size}-{config.fps:g}-{config.frame_count}-{source_hash(synthetic)}'
    name = ''.join(letter if letter.isalnum() else '-' for letter in step)
    place = folder / version / f'{name}-{config.seed}'
    if not place.exists():
        part = place.with_name(f'{place.name}.part')
        shutil.rmtree(part, ignore_errors=True)
        write, _ = WRITERS['mot']
        write(iter(generate(config)), part / place.name, WriteOptions(fps=config.fps))
        (part / place.name).replace(place)
        part.rmdir()
    return place
