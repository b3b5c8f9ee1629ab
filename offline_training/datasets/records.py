"""What every labelled set is turned into before training: images with boxes, and their order."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False, kw_only=True)
class TrainingImage:
    """One labelled image.

    Attributes:
        path: image file.
        boxes_xyxy_px: (N, 4) float32, may reach beyond the image.
        class_ids: (N,) int64, index into the product's classes.
        identities: (N,) int64, unique over the whole training set: the same number means the same
            object. A box of a set without identities has a number of its own (FairMOT, sec. 4.1).
        ignore_xyxy_px: (M, 4) float32, regions in which nothing is learned.
        labelled_classes: classes of which every object in the image is labelled; the others may
            be there without a box, so their absence is not learned.
        sequence: name of the sequence, '' for a single image.
        frame_index: place in the sequence.
    """

    path: Path
    boxes_xyxy_px: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    identities: NDArray[np.int64]
    ignore_xyxy_px: NDArray[np.float32]
    labelled_classes: tuple[int, ...]
    sequence: str = ''
    frame_index: int = 0


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
