"""Boxes of one frame as readers collect them, one by one, into the arrays of the records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.errors import InputError
from offline_training.datasets.records import FrameTruth, LabelledImage

NOBODY = -1  # identity of a region, which is no object


@dataclass(frozen=True, eq=False, kw_only=True)
class TruthRow:
    """One box: x1, y1, x2, y2 in pixels, and what `FrameTruth` says of it."""

    xyxy_px: Sequence[float] | NDArray[np.float64]
    class_id: int
    ignore: bool = False
    identity: int = NOBODY
    visibility: float = 1.0


def frame_truth(rows: Sequence[TruthRow]) -> FrameTruth:
    """The rows as arrays, in their order."""
    return FrameTruth(
        boxes_xyxy_px=np.array([row.xyxy_px for row in rows], np.float64).reshape(-1, 4),
        ids=np.array([row.identity for row in rows], np.int64),
        class_ids=np.array([row.class_id for row in rows], np.int64),
        ignore=np.array([row.ignore for row in rows], np.bool_),
        visibility=np.array([row.visibility for row in rows], np.float64),
    )


def single_image(
    path: Path, rows: Sequence[TruthRow], labelled_class_ids: tuple[int, ...]
) -> LabelledImage:
    """An image whose boxes are known in this image only."""
    return image_of(path, frame_truth(rows), labelled_class_ids)


def image_of(path: Path, truth: FrameTruth, labelled_class_ids: tuple[int, ...]) -> LabelledImage:
    """The same from arrays; identities and visibility are left out."""
    return LabelledImage(
        path=path,
        boxes_xyxy_px=truth.boxes_xyxy_px,
        class_ids=truth.class_ids,
        ignore=truth.ignore,
        labelled_class_ids=labelled_class_ids,
    )


def require_unique_identities(truth: FrameTruth, where: str) -> FrameTruth:
    """`truth`, in which no object stands twice.

    Raises:
        InputError: one does.
    """
    ids, counts = np.unique(truth.ids[~truth.ignore], return_counts=True)
    if (counts > 1).any():
        twice = int(ids[counts.argmax()])
        raise InputError(f'{where}: identity {twice} stands twice; keep one of the boxes')
    return truth
