"""Our own rule: every class that a sequence labels exhaustively, regions to ignore forgive.

A prediction that the best one-to-one match at IoU 0.5 gives to a region to ignore of its class is
taken out. The package says where this differs from MOTChallenge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.boxes import iou_matrix
from mot_compress_ros.errors import InvalidDataError
from offline_training.datasets.classes import (
    ALL_CLASSES,
    CLASS_NAMES,
    CYCLIST,
    PEDESTRIAN,
    VEHICLE,
)
from offline_training.datasets.records import FrameTruth, LabelledSequence
from offline_training.evaluation.protocols.judge import (
    best_matches,
    FoundBoxes,
    NOT_JUDGED,
    prepared,
    TruthOptions,
)
from offline_training.evaluation.truth_sets import read_set

__all__ = ['CLASS_NAMES', 'CLASS_OF_FILE', 'CLASS_OF_PRODUCT', 'read_truth']

CLASS_OF_PRODUCT: Mapping[int, int] = {class_id: class_id for class_id in ALL_CLASSES}
CLASS_OF_FILE: Mapping[str, int] = {
    '1': PEDESTRIAN,
    '2': CYCLIST,
    '3': VEHICLE,
    **{name: class_id for class_id, name in enumerate(CLASS_NAMES)},
    **dict.fromkeys(('car', 'car_2', 'van', 'truck', 'tram'), VEHICLE),
    **dict.fromkeys(('person', 'person_sitting', 'misc', 'dontcare'), NOT_JUDGED),
}


@dataclass(frozen=True, eq=False)
class ProductJudge:
    """A labelled sequence of any layout."""

    sequence: LabelledSequence

    @property
    def name(self) -> str:
        """Name of the sequence."""
        return self.sequence.name

    @property
    def origin(self) -> str:
        """Real or synthetic."""
        return self.sequence.origin

    @property
    def class_ids(self) -> tuple[int, ...]:
        """Classes of which every object is labelled."""
        return self.sequence.labelled_class_ids

    @property
    def n_frames(self) -> int:
        """As many as are labelled."""
        return len(self.sequence)

    @property
    def length_is_known(self) -> bool:
        """Always: the labels have one entry per frame."""
        return True

    def prepare(self, found: Sequence[FoundBoxes], class_id: int) -> dict[str, Any]:
        """See `SequenceJudge.prepare`."""
        if len(found) != self.n_frames:
            raise InvalidDataError(
                f'{self.name}: {len(found)} frames of results for {self.n_frames} labelled'
            )
        return prepare(self.sequence.truth, found, class_id, name=self.name)


def read_truth(path: Path, options: TruthOptions) -> list[ProductJudge]:
    """The sequences of a set of any layout.

    Raises:
        InputError: no layout recognises it, or it is damaged.
    """
    labelled = read_set(path, options.settings)
    return [ProductJudge(sequence) for sequence in labelled.sequences]


def prepare(
    truth: Sequence[FrameTruth], found: Sequence[FoundBoxes], class_id: int, *, name: str = ''
) -> dict[str, Any]:
    """One class of a sequence as TrackEval's metrics want it; both are equally long.

    Raises:
        InputError: an identity stands twice in a frame.
    """
    gt_ids, tracker_ids, similarity = [], [], []
    for here, seen in zip(truth, found, strict=True):
        labelled = here.of_class(class_id)
        mine = np.asarray(seen.class_ids == class_id)
        iou = iou_matrix(labelled.boxes_xyxy_px, seen.boxes_xyxy_px[mine])
        stays = ~matches_ignored(iou, labelled.ignore)
        gt_ids.append(labelled.ids[~labelled.ignore])
        tracker_ids.append(seen.track_ids[mine][stays])
        similarity.append(iou[~labelled.ignore][:, stays])
    return prepared(name, gt_ids, tracker_ids, similarity)


def matches_ignored(iou: NDArray[np.floating], ignore: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which predictions (P,) the best one-to-one match gives to a region to ignore.

    Args:
        iou: (N, P) of labelled boxes, ignored ones included, and predictions.
        ignore: (N,) which labelled boxes are to be ignored.
    """
    rows, columns = best_matches(iou)
    taken = np.zeros(iou.shape[1], np.bool_)
    taken[columns[ignore[rows]]] = True
    return taken
