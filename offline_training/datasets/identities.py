"""Dense numbers for the identities of a run, for a classifier that has one class for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from offline_training.datasets.training_images import TrainingImage, TrainingSource


def number_identities(sources: Sequence[TrainingSource]) -> tuple[list[TrainingSource], int]:
    """The same sources with identities numbered anew, and how many of them are classes.

    Identities 0 to n - 1 are known: objects of sequences, and boxes of single images, each of
    which is an identity of its own, as in FairMOT. From n on follow the boxes of clips that show
    objects again without saying which is which; they keep numbers, for what compares two views of
    one image, but are no classes.
    """
    images = [image for source in sources for image in source.images]
    known = _unique([i.identities for i in images if i.nameless_clip < 0])
    nameless = np.setdiff1d(_unique([i.identities for i in images]), known)
    order = np.concatenate([known, nameless])
    by_old = np.argsort(order)

    def numbered(image: TrainingImage) -> TrainingImage:
        new = by_old[np.searchsorted(order, image.identities, sorter=by_old)]
        return replace(image, identities=new.astype(np.int64))

    renumbered = [replace(s, images=tuple(map(numbered, s.images))) for s in sources]
    return renumbered, len(known)


def _unique(parts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.unique(np.concatenate(parts)) if parts else np.zeros(0, np.int64)
