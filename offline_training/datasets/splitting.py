"""Cuts sequences into a first part to train on and a second part to score on.

MOTChallenge does not publish the truth of its test sequences, so papers cut each training sequence
into halves (AttTrack, sec. 5.1; CenterTrack's `convert_mot_to_coco.py`). As
CenterTrack does it, of n frames the first n // 2 + 1 go to the first half: the published second
half of MOT17-02, 600 frames, has 299.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mot_compress_ros.errors import InputError, InvalidOptionError
from offline_training.datasets.records import LabelledSequence, LabelledSet
from offline_training.datasets.writers import mot
from offline_training.datasets.writers.placing import sequence_names

HALF = 0.5
PARTS = ('train', 'val')


def cut(sequence: LabelledSequence, fraction: float = HALF) -> tuple[LabelledSequence, ...]:
    """The first int(n * fraction) + 1 frames, and the rest; ids keep their numbers.

    The parts are called `<name>_train` and `<name>_val`, so that one table can hold both.

    Raises:
        InvalidOptionError: the fraction is not between 0 and 1.
        InputError: the sequence is too short for two parts.
    """
    if not 0 < fraction < 1:
        raise InvalidOptionError(f'--fraction {fraction}: expected more than 0 and less than 1')
    first = int(len(sequence) * fraction) + 1
    if first >= len(sequence):
        raise InputError(
            f'sequence {sequence.name}: {len(sequence)} frames give no second part at a fraction '
            f'of {fraction:g}; leave it out or choose a smaller fraction'
        )
    return tuple(
        replace(
            sequence,
            name=f'{sequence.name}_{part}',
            image_paths=sequence.image_paths[rows],
            truth=sequence.truth[rows],
            first_frame=sequence.first_frame + rows.start,
        )
        for part, rows in zip(PARTS, (slice(0, first), slice(first, None)), strict=True)
    )


def write_split(
    labelled: LabelledSet, folder: Path, *, fraction: float = HALF
) -> dict[str, tuple[LabelledSequence, ...]]:
    """Both parts of every sequence, into `train/` and `val/` as MOTChallenge sequences.

    A part lies in a folder of the name of its whole.

    Returns:
        The sequences of each part.

    Raises:
        InputError: there are no sequences, or one is too short.
        InvalidOptionError: the fraction is not between 0 and 1.
    """
    if not labelled.sequences:
        raise InputError(
            f'{labelled.path}: holds single images; only sequences are cut. A detection set has '
            'splits of its own, or none'
        )
    mot.check(replace(labelled, images=()))
    cuts = [cut(sequence, fraction) for sequence in labelled.sequences]
    parts = dict(zip(PARTS, zip(*cuts, strict=True), strict=True))
    places = sequence_names(labelled.sequences)
    for part, sequences in parts.items():
        names = sequence_names(sequences)
        for place, name, sequence in zip(places, names, sequences, strict=True):
            mot.write_sequence(sequence, folder / part / place, name=name)
    return parts
