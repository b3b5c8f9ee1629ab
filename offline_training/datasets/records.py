"""What every labelled set is turned into before training: images with boxes, and their order."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.options import option
from offline_training.datasets import LAYOUTS


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


@dataclass(frozen=True, kw_only=True)
class SourceConfig:
    """One entry of `sources` in a training recipe."""

    layout: str = option('mot', 'layout of the set', choices=tuple(LAYOUTS))
    path: str = option('', 'folder, relative to --data; of mot a sequence or a folder of them')
    weight: float = option(1.0, 'share of the samples drawn from it', minimum=0.0)
    split: str = option('train', 'bdd100k: its split')
    origin_px: float = option(
        0.0,
        "mot: coordinate of the image's corner in the labels; MOTChallenge counts from 1",
        unit='px',
    )
    identities: bool = option(
        True, 'mot: whether ids mean the same object over frames; false: boxes only'
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class LabelledImage:
    """One image and its N boxes; zero is legal.

    Attributes:
        path: the image file.
        boxes_xyxy_px: (N, 4) float64, source pixels.
        class_ids: (N,) int64, index into `mot_layout.CLASS_NAMES`.
        ignore: (N,) bool, True for a region to ignore for that class.
    """

    path: Path
    boxes_xyxy_px: NDArray[np.float64]
    class_ids: NDArray[np.int64]
    ignore: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.class_ids)

    def for_training(
        self, labelled_classes: tuple[int, ...], counter: IdentityCounter
    ) -> TrainingImage:
        """The same image, each of its objects an identity of its own."""
        keep = ~self.ignore
        return TrainingImage(
            path=self.path,
            boxes_xyxy_px=self.boxes_xyxy_px[keep].astype(np.float32),
            class_ids=self.class_ids[keep],
            identities=counter.fresh(int(keep.sum())),
            ignore_xyxy_px=self.boxes_xyxy_px[~keep].astype(np.float32),
            ignore_class_ids=self.class_ids[~keep],
            labelled_classes=labelled_classes,
        )


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
