"""Response distillation of networks with anchors, weighted by the difference of predictions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from mot_compress_ros.networks.cstrack import ANCHORS_PX, box_map, ID_STRIDE
from offline_training.losses.part import BESIDE, LossPart, Predicted, Sizes
from offline_training.losses.prediction_difference import (
    Answers,
    cosines_between,
    difference_loss,
)
from offline_training.losses.taught import check_taught, nothing

if TYPE_CHECKING:
    from offline_training.datasets.targets import Batch
    from offline_training.losses.config import LossConfig


def flat_answers(maps: Mapping[str, Tensor], index: int) -> tuple[Tensor, Tensor]:
    """Objectness (N,) and boxes (N, 4), in pixels, of every anchor of every cell of one image."""
    logits, boxes = [], []
    for stride, anchors_px in ANCHORS_PX.items():
        raw = maps[box_map(stride)][index].float()
        values = raw.unflatten(0, (len(anchors_px), -1))  # (A, 5 + n_class, h, w)
        height, width = raw.shape[1:]
        share = values[:, :4].sigmoid()
        rows, columns = torch.meshgrid(
            torch.arange(height, device=raw.device),
            torch.arange(width, device=raw.device),
            indexing='ij',
        )
        centre = (2 * share[:, :2] - 0.5 + torch.stack([columns, rows])) * stride
        sides = torch.tensor(anchors_px, device=raw.device)[:, :, None, None]
        half = (2 * share[:, 2:]).square() * sides / 2
        found = torch.cat([centre - half, centre + half], dim=1)  # (A, 4, h, w)
        logits.append(values[:, 4].flatten())
        boxes.append(found.permute(0, 2, 3, 1).flatten(0, 2))
    return torch.cat(logits), torch.cat(boxes)


class AnchorDifference(LossPart):
    """`PredictionDifference` for CSTrack: places are anchors of cells, and scores objectness.

    Samples are the teacher's best anchors, at most as many as there are peaks; re-ID vectors of
    both networks are read where the teacher's boxes have their centres. Classes take no part.

    Raises:
        InvalidOptionError: there is no teacher.
    """

    task = BESIDE
    asks = frozenset({'hm', 'wh', 'reg', 'id'})

    def __init__(self, config: LossConfig, sizes: Sizes) -> None:
        super().__init__()
        check_taught('anchor_difference', sizes)
        self.options = config.distillation

    def forward(self, predicted: Predicted, batch: Batch) -> Tensor:
        """Mean over images."""
        total, count = nothing(predicted.maps['id']), len(predicted.maps['id'])
        for index in range(count):
            total = total + self._of_image(predicted.maps, predicted.taught, index)
        return total / count

    def _of_image(
        self, own: Mapping[str, Tensor], taught: Mapping[str, Tensor], index: int
    ) -> Tensor:
        flat = [flat_answers(maps, index) for maps in (own, taught)]
        samples = self._samples(flat[1][0])
        centres = (flat[1][1][samples, :2] + flat[1][1][samples, 2:]) / 2
        answers = []
        for maps, (logits, boxes) in zip((own, taught), flat, strict=True):
            vectors = maps['id'][index]
            xs = (centres[:, 0] / ID_STRIDE).long().clamp(0, vectors.shape[2] - 1)
            ys = (centres[:, 1] / ID_STRIDE).long().clamp(0, vectors.shape[1] - 1)
            answers.append(
                Answers(
                    logits=logits[None],
                    boxes=boxes[samples],
                    cosines=cosines_between(vectors[:, ys, xs].T),
                )
            )
        mine, theirs = answers
        return difference_loss(mine, theirs, samples, power=self.options.difference_power)

    def _samples(self, logits: Tensor) -> Tensor:
        best = logits.sigmoid().topk(min(self.options.difference_max_samples, len(logits)))
        return best.indices[best.values >= self.options.difference_min_score]
