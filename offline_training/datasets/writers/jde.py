"""Write the layout of JDE and FairMOT: `images/`, `labels_with_ids/`, a list of the images.

A line of a label file is `0 identity x y w h`: centre and size as a share of the image. The layout
knows one class, pedestrians; what else is labelled is left out. Identities count from 0 over the
whole set, because FairMOT's loader takes the largest of all files as their number; a box without
an identity gets one of its own, as in FairMOT's preparation of CrowdHuman. `images.train` names
the images, relative to the set.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.errors import InputError
from offline_training.datasets.image_files import image_size_wh
from offline_training.datasets.records import LabelledImage, LabelledSequence, LabelledSet
from offline_training.datasets.truth_rows import NOBODY
from offline_training.datasets.writers.placing import (
    image_names,
    place_image,
    sequence_names,
)

HELP = 'JDE and FairMOT: images, labels_with_ids, images.train; pedestrians only'
_PEOPLE = ('pedestrian', 'person')


def write(labelled: LabelledSet, folder: Path) -> list[str]:
    """All images and frames in which pedestrians are labelled; regions to ignore are left out.

    Raises:
        InputError: pedestrians are labelled nowhere, a sequence comes without images, or an image
            has no readable header.
    """
    people = [k for k, name in enumerate(labelled.class_names) if name in _PEOPLE]
    images = [i for i in labelled.images if set(people) & set(i.labelled_class_ids)]
    sequences = [s for s in labelled.sequences if set(people) & set(s.labelled_class_ids)]
    if len(people) != 1 or not (images or sequences):
        raise InputError(
            f'{labelled.path}: no image has the label {" or ".join(_PEOPLE)}, and the layout of '
            'JDE knows no other class; write it with --to coco'
        )
    writer = _Writer(folder, people[0])
    _add_images(writer, images)
    for name, sequence in zip(sequence_names(sequences), sequences, strict=True):
        _add_sequence(writer, name, sequence)
    (folder / 'images.train').write_text(''.join(writer.listing), encoding='utf-8')
    return _lost(labelled, writer)


class _Writer:
    """Images and label files, and the identities given so far."""

    def __init__(self, folder: Path, class_id: int) -> None:
        self.listing: list[str] = []
        self.n_boxes = 0
        self._folder = folder
        self._class_id = class_id
        self._n_identities = 0

    def add(
        self,
        source: Path,
        name: Path,
        *,
        size_wh: tuple[int, int],
        boxes_xyxy_px: NDArray[np.float64],
        people: NDArray[np.bool_],
        ids: NDArray[np.int64] | None,
        known: dict[int, int],
    ) -> None:
        """One image; `people` (N,) chooses rows, `known` maps ids to identities and gains new."""
        place_image(source, self._folder / 'images' / name)
        self.listing.append(f'{(Path("images") / name).as_posix()}\n')
        boxes = boxes_xyxy_px[people] / np.tile(size_wh, 2)  # (N, 4)
        shares = np.hstack([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]])
        nobody = np.full(len(boxes), NOBODY)
        identities = self._identities(nobody if ids is None else ids[people], known)
        lines = [
            f'0 {identity} {" ".join(f"{share:.6f}" for share in row)}\n'
            for identity, row in zip(identities, shares, strict=True)
        ]
        self.n_boxes += len(lines)
        path = self._folder / 'labels_with_ids' / name.with_suffix('.txt')
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(''.join(lines), encoding='ascii')

    def people(self, class_ids: NDArray[np.int64], ignore: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """The rows to write."""
        return (class_ids == self._class_id) & ~ignore

    def _identities(self, ids: NDArray[np.int64], known: dict[int, int]) -> list[int]:
        return [self._fresh() if i == NOBODY else self._known(i, known) for i in ids.tolist()]

    def _known(self, track_id: int, known: dict[int, int]) -> int:
        if track_id not in known:
            known[track_id] = self._fresh()
        return known[track_id]

    def _fresh(self) -> int:
        self._n_identities += 1
        return self._n_identities - 1


def _add_images(writer: _Writer, images: Sequence[LabelledImage]) -> None:
    known: dict[int, int] = {}
    for name, image in zip(image_names(images), images, strict=True):
        writer.add(
            image.path,
            name,
            size_wh=image_size_wh(image.path),
            boxes_xyxy_px=image.boxes_xyxy_px,
            people=writer.people(image.class_ids, image.ignore),
            ids=image.ids,
            known=known,
        )


def _add_sequence(writer: _Writer, name: str, sequence: LabelledSequence) -> None:
    if not sequence.image_paths:
        raise InputError(
            f'sequence {sequence.name} comes without images, which this layout needs; '
            'write it with --to mot or --to kitti_tracking'
        )
    known: dict[int, int] = {}
    for index, (image, truth) in enumerate(zip(sequence.image_paths, sequence.truth, strict=True)):
        writer.add(
            image,
            Path(name) / 'img1' / f'{index + 1:06d}{image.suffix.lower()}',
            size_wh=sequence.size_wh,
            boxes_xyxy_px=truth.boxes_xyxy_px,
            people=writer.people(truth.class_ids, truth.ignore),
            ids=truth.ids if sequence.has_identities else None,
            known=known,
        )


def _lost(labelled: LabelledSet, writer: _Writer) -> list[str]:
    n_boxes = sum(len(i) for i in labelled.images)
    n_boxes += sum(len(t) for s in labelled.sequences for t in s.truth)
    lost = []
    if len(writer.listing) < len(labelled):
        left = len(labelled) - len(writer.listing)
        lost.append(f'{left} images and frames in which pedestrians are not labelled')
    if writer.n_boxes < n_boxes:
        lost.append(f'{n_boxes - writer.n_boxes} boxes of other classes or to ignore')
    if labelled.sequences:
        lost.append('ids are numbered anew over the set; frame rate and visibility are not kept')
    return lost
