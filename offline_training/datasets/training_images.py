"""From labelled sets to what training draws: images with identities of the whole run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.errors import InputError
from offline_training.datasets.classes import CLASS_NAMES
from offline_training.datasets.records import (
    FrameTruth,
    LabelledImage,
    LabelledSequence,
    LabelledSet,
    SourceConfig,
)


@dataclass(frozen=True, eq=False, kw_only=True)
class TrainingImage:
    """One labelled image.

    Attributes:
        path: image file.
        boxes_xyxy_px: (N, 4) float32, may reach beyond the image.
        class_ids: (N,) int64, index into the product's classes.
        identities: (N,) int64, unique over the whole training set: the same number means the same
            object. A box of a set without identities has a number of its own (FairMOT, sec. 4.1).
        ignore_xyxy_px: (M, 4) float32, regions in which one class is not learned.
        ignore_class_ids: (M,) int64, which class.
        labelled_classes: classes of which every object in the image is labelled; the others may
            be there without a box, so their absence is not learned.
        sequence: name of the sequence, '' for a single image.
        frame_index: place in the sequence.
        nameless_clip: number of a clip that shows its objects again but does not say which is
            which: two boxes of it may be one object under two identities. -1 for none.
        fps: frames per second of the sequence; 0 for a single image.
    """

    path: Path
    boxes_xyxy_px: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    identities: NDArray[np.int64]
    ignore_xyxy_px: NDArray[np.float32]
    ignore_class_ids: NDArray[np.int64]
    labelled_classes: tuple[int, ...]
    sequence: str = ''
    frame_index: int = 0
    nameless_clip: int = -1
    fps: float = 0.0


@dataclass(frozen=True, kw_only=True)
class TrainingSource:
    """A named set of images and the share of the samples drawn from it."""

    name: str
    images: tuple[TrainingImage, ...]
    weight: float


class IdentityCounter:
    """Hands out identity numbers that are unique over all sets of one run."""

    def __init__(self) -> None:
        self._next = 0

    def fresh(self, count: int) -> NDArray[np.int64]:
        """`count` numbers never given before."""
        start, self._next = self._next, self._next + count
        return np.arange(start, self._next, dtype=np.int64)


def training_images(
    labelled: LabelledSet, config: SourceConfig, counter: IdentityCounter
) -> list[TrainingImage]:
    """Every frame and image of a set.

    Raises:
        InputError: its classes are not the product's, or it comes without images.
    """
    if labelled.class_names != CLASS_NAMES:
        raise InputError(
            f'{labelled.path}: has the classes {", ".join(labelled.class_names)}; the tracker '
            f'learns {", ".join(CLASS_NAMES)}; classes=product maps them where it can be done'
        )
    numbers = _identity_numbers(labelled.images if config.identities else (), counter)
    images = [_single(image, numbers, counter) for image in labelled.images]
    for sequence in labelled.sequences:
        images += _frames(labelled.path, sequence, config, counter)
    return images


def _identity_numbers(images: Sequence[LabelledImage], counter: IdentityCounter) -> dict[int, int]:
    """Numbers of this run for the identities that a set names over its single images."""
    ids = [image.ids[image.ids >= 0] for image in images if image.ids is not None]
    known = np.unique(np.concatenate(ids)) if ids else np.zeros(0, np.int64)
    return dict(zip(known.tolist(), counter.fresh(len(known)).tolist(), strict=True))


def of_first_classes(image: TrainingImage, n_class: int) -> TrainingImage:
    """The same image without the boxes and regions of the classes from `n_class` on."""
    known, ignored = image.class_ids < n_class, image.ignore_class_ids < n_class
    return replace(
        image,
        boxes_xyxy_px=image.boxes_xyxy_px[known],
        class_ids=image.class_ids[known],
        identities=image.identities[known],
        ignore_xyxy_px=image.ignore_xyxy_px[ignored],
        ignore_class_ids=image.ignore_class_ids[ignored],
        labelled_classes=tuple(k for k in image.labelled_classes if k < n_class),
    )


def _single(
    image: LabelledImage, numbers: Mapping[int, int], counter: IdentityCounter
) -> TrainingImage:
    """Each of its objects is an identity of its own, but those that the set names."""
    keep = ~image.ignore
    identities = counter.fresh(int(keep.sum()))
    if numbers and image.ids is not None:
        named = zip(image.ids[keep].tolist(), identities.tolist(), strict=True)
        identities = np.array([numbers.get(i, own) for i, own in named], np.int64)
    return TrainingImage(
        path=image.path,
        boxes_xyxy_px=image.boxes_xyxy_px[keep].astype(np.float32),
        class_ids=image.class_ids[keep],
        identities=identities,
        ignore_xyxy_px=image.boxes_xyxy_px[~keep].astype(np.float32),
        ignore_class_ids=image.class_ids[~keep],
        labelled_classes=image.labelled_class_ids,
    )


def _frames(
    path: Path, sequence: LabelledSequence, config: SourceConfig, counter: IdentityCounter
) -> Iterator[TrainingImage]:
    if not sequence.image_paths:
        raise InputError(f'{path}: sequence {sequence.name} comes without images: not to train on')
    ids = np.unique(
        np.concatenate([truth.ids for truth in sequence.truth] or [np.zeros(0, np.int64)])
    )
    numbers = dict(zip(ids.tolist(), counter.fresh(len(ids)).tolist(), strict=True))
    named = config.identities and sequence.has_identities
    nameless_clip = -1 if named else int(counter.fresh(1)[0])

    def identities(truth: FrameTruth) -> NDArray[np.int64]:
        if named:
            return np.array([numbers[i] for i in truth.ids.tolist()], np.int64)
        return counter.fresh(len(truth))

    for index, (image, truth) in enumerate(zip(sequence.image_paths, sequence.truth, strict=True)):
        keep = ~truth.ignore
        boxes = truth.boxes_xyxy_px.astype(np.float32)  # (N, 4)
        yield TrainingImage(
            path=image,
            boxes_xyxy_px=boxes[keep],
            class_ids=truth.class_ids[keep],
            identities=identities(truth[keep]),
            ignore_xyxy_px=boxes[truth.ignore],
            ignore_class_ids=truth.class_ids[truth.ignore],
            labelled_classes=sequence.labelled_class_ids,
            sequence=sequence.name if named else '',
            frame_index=index,
            nameless_clip=nameless_clip,
            fps=sequence.fps,
        )
