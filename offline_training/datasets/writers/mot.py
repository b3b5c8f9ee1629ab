"""Write MOTChallenge sequences: `img1/000001.jpg`, `gt/gt.txt` (9 columns), `seqinfo.ini`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mot_compress_ros.errors import InputError
from offline_training.datasets.classes import CLASS_NAMES
from offline_training.datasets.label_files import text_lines
from offline_training.datasets.mot_writing import GroundTruthRow, seqinfo_text, write_ground_truth
from offline_training.datasets.records import FrameTruth, LabelledSequence, LabelledSet
from offline_training.datasets.writers.placing import (
    place_image,
    refuse_single_images,
    sequence_names,
)

HELP = 'MOTChallenge (9 columns), one folder per sequence; what `mot` reads'


def write(labelled: LabelledSet, folder: Path) -> list[str]:
    """One folder for each sequence; nothing but decimals beyond 0.01 px is lost.

    What was read from MOTChallenge keeps its own lines.

    Raises:
        InputError: single images, or classes that are not the product's.
    """
    check(labelled)
    names = sequence_names(labelled.sequences)
    for name, sequence in zip(names, labelled.sequences, strict=True):
        write_sequence(sequence, folder / name, name=name)
    return []


def check(labelled: LabelledSet) -> None:
    """Raise InputError where the layout cannot hold a set."""
    refuse_single_images(labelled, 'MOTChallenge')
    if labelled.class_names != CLASS_NAMES:
        raise InputError(
            f'{labelled.path}: has the classes {", ".join(labelled.class_names)}; this layout '
            f'numbers {", ".join(CLASS_NAMES)}: write it with --to coco'
        )


def write_sequence(sequence: LabelledSequence, folder: Path, *, name: str) -> None:
    """One sequence into a folder of its own."""
    (folder / 'gt').mkdir(parents=True)
    for number, image in enumerate(sequence.image_paths, start=1):
        place_image(image, folder / 'img1' / f'{number:06d}{image.suffix.lower()}')
    if sequence.truth_file is None:
        write_ground_truth(folder / 'gt' / 'gt.txt', _rows(sequence))
    else:
        lines = ''.join(_published_lines(sequence.truth_file, sequence))
        (folder / 'gt' / 'gt.txt').write_text(lines, encoding='utf-8')
    text = seqinfo_text(
        name=name,
        fps=sequence.fps,
        n_frames=len(sequence),
        size_wh=sequence.size_wh,
        suffixes={image.suffix.lower() for image in sequence.image_paths},
        labelled_classes=[CLASS_NAMES[class_id] for class_id in sequence.labelled_class_ids],
        origin=sequence.origin,
        has_identities=sequence.has_identities,
    )
    (folder / 'seqinfo.ini').write_text(text, encoding='utf-8')


def _published_lines(file: Path, sequence: LabelledSequence) -> Iterator[str]:
    """The lines of MOTChallenge itself, with frames counted from 1.

    TrackEval takes out what matches a distractor, and our classes do not tell distractors apart.
    """
    frames = range(sequence.first_frame, sequence.first_frame + len(sequence))
    for _, line in text_lines(file, 'ground truth of MOTChallenge'):
        number, _, rest = line.partition(',')
        if int(float(number)) in frames:
            yield f'{int(float(number)) - frames.start + 1},{rest.strip()}\n'


def _rows(sequence: LabelledSequence) -> list[GroundTruthRow]:
    rows: list[GroundTruthRow] = []
    for frame_index, truth in enumerate(sequence.truth):
        # An id must not stand twice in a frame, which ids without a meaning may.
        ids = truth.ids if sequence.has_identities else range(len(rows) + 1, 10**9)
        rows += [
            _row(truth, frame_index, row, int(track_id))
            for row, track_id in zip(range(len(truth)), ids, strict=False)
        ]
    return rows


def _row(truth: FrameTruth, frame_index: int, row: int, track_id: int) -> GroundTruthRow:
    return GroundTruthRow(
        frame_index=frame_index,
        track_id=track_id,
        xyxy_px=truth.boxes_xyxy_px[row],
        class_id=int(truth.class_ids[row]),
        active=not truth.ignore[row],
        visibility=float(truth.visibility[row]),
    )
