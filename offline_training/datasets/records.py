"""What every labelled set is read into: sequences of frames and single images, with their boxes.

Evaluation, inspection and conversion use these records as they are; `training_images` makes from
them what the sampler draws.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.options import option
from offline_training.datasets import LAYOUTS
from offline_training.datasets.classes import CLASS_NAMES

ORIGINS = ('real', 'synthetic')
IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png')


@dataclass(frozen=True, kw_only=True)
class SourceConfig:
    """One entry of `sources` in a training recipe, and the options of `data` commands."""

    layout: str = option('mot', 'layout of the set', choices=tuple(LAYOUTS))
    path: str = option('', 'folder or file, relative to --data')
    weight: float = option(1.0, 'share of the samples drawn from it', minimum=0.0)
    split: str = option('train', 'sets that come in splits: which one')
    origin_px: float = option(
        0.0,
        "mot: coordinate of the image's corner in the labels; MOTChallenge counts from 1",
        unit='px',
    )
    detector_copies: bool = option(
        False, 'mot: whether to read all three copies of a MOT17 sequence (-DPM, -FRCNN, -SDP)'
    )
    identities: bool = option(
        True, 'sequences: whether ids mean the same object over frames; false: boxes only'
    )
    classes: str = option(
        'own',
        "sets with other classes: as they are, or mapped to the product's, to train the tracker",
        choices=('own', 'product'),
    )
    topic: str = option('', 'bag: image topic; needed where there are several')
    tracks: str = option('', "bag: track file, relative to the bag's folder; default: beside it")


@dataclass(frozen=True, eq=False, kw_only=True)
class FrameTruth:
    """What is in one frame, N rows; zero rows is legal.

    Attributes:
        boxes_xyxy_px: (N, 4) float64, source pixels, may reach beyond the image.
        ids: (N,) int64, identity within the sequence.
        class_ids: (N,) int64, index into the classes of the set.
        ignore: (N,) bool, True for a region to ignore for that class.
        visibility: (N,) float64 in 0..1, 1 where the file does not say.
    """

    boxes_xyxy_px: NDArray[np.float64]
    ids: NDArray[np.int64]
    class_ids: NDArray[np.int64]
    ignore: NDArray[np.bool_]
    visibility: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.ids)

    def of_class(self, class_id: int) -> FrameTruth:
        """The rows of one class, regions to ignore included."""
        return self[self.class_ids == class_id]

    def __getitem__(self, rows: NDArray[np.bool_]) -> FrameTruth:
        """The rows chosen by a mask."""
        return FrameTruth(
            boxes_xyxy_px=self.boxes_xyxy_px[rows],
            ids=self.ids[rows],
            class_ids=self.class_ids[rows],
            ignore=self.ignore[rows],
            visibility=self.visibility[rows],
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class LabelledSequence:
    """One sequence: one entry of `image_paths` and of `truth` for each frame.

    Attributes:
        name: unique within the set.
        fps: frames per second.
        size_wh: width and height of the images.
        image_paths: one per frame, in order; empty for a set that comes without images, which
            can be scored against but neither trained nor run on.
        truth: one per frame.
        labelled_class_ids: classes of which every object is labelled.
        origin: one of `ORIGINS`.
        has_identities: False where an id says nothing over frames.
        truth_file: MOTChallenge's `gt.txt` that `truth` is read from as it stands; it tells
            apart what is one class or nothing to us. None for any other source.
        first_frame: number of the first frame in `truth_file`.
    """

    name: str
    fps: float
    size_wh: tuple[int, int]
    image_paths: tuple[Path, ...]
    truth: tuple[FrameTruth, ...]
    labelled_class_ids: tuple[int, ...]
    origin: str = 'real'
    has_identities: bool = True
    truth_file: Path | None = None
    first_frame: int = 1

    def __len__(self) -> int:
        return len(self.truth)


@dataclass(frozen=True, eq=False, kw_only=True)
class LabelledImage:
    """One image that belongs to no sequence, and its N boxes; zero is legal.

    Attributes:
        path: the image file.
        boxes_xyxy_px: (N, 4) float64, source pixels, may reach beyond the image.
        class_ids: (N,) int64, index into the classes of the set.
        ignore: (N,) bool, True for a region to ignore for that class.
        labelled_class_ids: classes of which every object is labelled; the others may be there
            without a box, so their absence is not learned.
        ids: (N,) int64, identity within the set, -1 for a box that is nobody else; None where the
            set has no identities.
    """

    path: Path
    boxes_xyxy_px: NDArray[np.float64]
    class_ids: NDArray[np.int64]
    ignore: NDArray[np.bool_]
    labelled_class_ids: tuple[int, ...]
    ids: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.class_ids)


@dataclass(frozen=True, eq=False, kw_only=True)
class LabelledSet:
    """What a layout reads: sequences, single images, or both.

    Attributes:
        path: folder or file that was read.
        layout: its name in `LAYOUTS`.
        sequences: with frames in order.
        images: without order or identities.
        class_names: names of the class ids; only sets with `CLASS_NAMES` train the tracker.
    """

    path: Path
    layout: str
    sequences: tuple[LabelledSequence, ...] = ()
    images: tuple[LabelledImage, ...] = ()
    class_names: tuple[str, ...] = CLASS_NAMES

    def __len__(self) -> int:
        """The number of images and frames."""
        return len(self.images) + sum(len(sequence) for sequence in self.sequences)
