"""Judge a sequence on some of its frames, as if the others had never been taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.errors import InvalidDataError
from offline_training.evaluation.protocols.judge import FoundBoxes, prepared, SequenceJudge


@dataclass(frozen=True, eq=False)
class ChosenFrames:
    """The ground truth of `judge` in the frames `rows` (K,), indices in ascending order.

    Every protocol judges frame by frame before identities are looked at, so the frames of what it
    prepared can be chosen from. Tracks are scored on these frames alone.

    Raises:
        InvalidDataError: a row is no frame of the sequence, or they are not in order.
    """

    judge: SequenceJudge
    rows: NDArray[np.int64]

    def __post_init__(self) -> None:
        inside = (self.rows >= 0) & (self.rows < self.judge.n_frames)
        if not inside.all() or (np.diff(self.rows) <= 0).any():
            raise InvalidDataError(
                f'{self.judge.name}: chosen frames: expected ascending indices of its '
                f'{self.judge.n_frames} frames'
            )

    @property
    def name(self) -> str:
        """Name of the sequence."""
        return self.judge.name

    @property
    def origin(self) -> str:
        """Real or synthetic."""
        return self.judge.origin

    @property
    def class_ids(self) -> tuple[int, ...]:
        """Classes that are judged."""
        return self.judge.class_ids

    @property
    def n_frames(self) -> int:
        """How many frames were chosen."""
        return len(self.rows)

    @property
    def length_is_known(self) -> bool:
        """Always: the frames are named."""
        return True

    def prepare(self, found: Sequence[FoundBoxes], class_id: int) -> dict[str, Any]:
        """See `SequenceJudge.prepare`."""
        if len(found) != self.n_frames:
            raise InvalidDataError(
                f'{self.name}: {len(found)} frames of results for {self.n_frames} chosen ones'
            )
        everywhere = [FoundBoxes.empty()] * self.judge.n_frames
        for row, here in zip(self.rows, found, strict=True):
            everywhere[row] = here
        whole = self.judge.prepare(everywhere, class_id)
        keys = ('gt_ids', 'tracker_ids', 'similarity_scores')
        gt_ids, tracker_ids, similarity = ([whole[key][k] for k in self.rows] for key in keys)
        return prepared(self.name, gt_ids, tracker_ids, similarity)
