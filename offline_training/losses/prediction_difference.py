"""Response distillation, weighted by how far the student's answers are from a teacher's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from offline_training.losses.overlaps import Overlaps
from offline_training.losses.part import BESIDE, LossPart, Predicted, Sizes
from offline_training.losses.taught import check_taught, nothing

if TYPE_CHECKING:
    from offline_training.datasets.targets import Batch
    from offline_training.losses.config import LossConfig

_EPS = 1e-9


def normalised(weights: Tensor) -> Tensor:
    """Weights of one image, without a gradient, that sum to 1; all 0 where they are."""
    fixed = weights.detach()
    return fixed / fixed.sum().clamp(min=_EPS)


def divergence(logits: Tensor, taught: Tensor) -> Tensor:
    """KL(teacher || student) of each score as a coin, from logits of any one shape.

    It is the cross entropy less what no student can win, so that it is 0 where they agree.
    """
    target = taught.sigmoid()
    own = F.binary_cross_entropy_with_logits(logits, target, reduction='none')
    return own - F.binary_cross_entropy_with_logits(taught, target, reduction='none')


def peaks(scores: Tensor, *, least: float, most: int) -> tuple[Tensor, Tensor]:
    """Rows and columns (k,) of local maxima of any class in (n_class, h, w), the best first.

    A peak is a cell that no neighbour in its 3 x 3 window exceeds, as in `inference.decode`.
    """
    top = F.max_pool2d(scores, 3, stride=1, padding=1)
    found = scores.where((scores >= top) & (scores >= least), scores.new_tensor(0.0)).amax(dim=0)
    best = found.flatten().topk(min(most, found.numel()))
    cells = best.indices[best.values > 0]
    return cells // found.shape[1], cells % found.shape[1]


def boxes_at(maps: Mapping[str, Tensor], index: int, ys: Tensor, xs: Tensor) -> Tensor:
    """(k, 4) boxes x1, y1, x2, y2 at cells of one image, in cells; sides below 0 are cut."""
    wh, offset = (maps[name][index][:, ys, xs].T.float() for name in ('wh', 'reg'))
    centre = torch.stack([xs, ys], dim=1) + offset
    sides = wh.clamp(min=0)
    return torch.cat([centre - sides[:, :2], centre + sides[:, 2:]], dim=1)


def cosines_between(vectors: Tensor) -> Tensor:
    """(k, k) cosines of raw re-ID vectors (k, D)."""
    unit = F.normalize(vectors.float(), dim=1)
    return unit @ unit.T


@dataclass(frozen=True, eq=False, kw_only=True)
class Answers:
    """What a network says of one image.

    Attributes:
        logits: (C, N) float32, of every place that may be an object.
        boxes: (k, 4), at the samples.
        cosines: (k, k), between the samples.
    """

    logits: Tensor
    boxes: Tensor
    cosines: Tensor


def difference_loss(own: Answers, taught: Answers, samples: Tensor, *, power: float) -> Tensor:
    """The loss of `PredictionDifference` for one image.

    Args:
        own: the student's answers.
        taught: the teacher's.
        samples: (k,) int64, places of the teacher's detections.
        power: of the difference of scores.
    """
    kl, sure = divergence(own.logits, taught.logits), taught.logits.sigmoid()  # (C, N)
    gaps = (own.logits.sigmoid() - sure).detach().abs().pow(power)
    total = (normalised(gaps) * kl).sum()
    if not len(samples):
        return total
    pair = Overlaps(own.boxes, taught.boxes)
    change, others = own.cosines - taught.cosines, max(len(samples) - 1, 1)  # to itself it is 0
    weights = normalised(
        gaps[:, samples].amax(dim=0) + (1 - pair.iou) + change.abs().sum(dim=1) / (2 * others)
    )
    box = sure[:, samples].amax(dim=0) * (1 - pair.giou)
    identity = change.square().sum(dim=1) / others
    return total + (weights * (kl[:, samples].sum(dim=0) + box + identity)).sum()


class PredictionDifference(LossPart):
    """What the teacher answers, the more the more the student's answer differs from it.

    Of the heat map every cell is a sample, with the weight |p_T - p_S|^g and the loss KL of its
    scores. The teacher's peaks are samples of whole detections, with the weight |p_T - p_S|^g
    + (1 - IoU(b_T, b_S)) + the half mean difference of the cosines to the other samples' re-ID
    vectors, and the loss KL + p_T (1 - GIoU(b_T, b_S)) + the mean squared difference of those
    cosines. Both weights sum to 1 in each image and have no gradient, so they move from sample to
    sample as the student learns; the two sums are added, and averaged over the images. Lengths of
    embeddings may differ. It is added beside the balance of the tasks.

    Source: the idea is the thesis' (its abstract, 2): sample weights from several differences of
    prediction, dynamic over training; its formulas are not published. This is our reconstruction,
    after CrossKD (the weight |p_T - p_S| of quality focal loss) and PGD (samples by prediction).

    Raises:
        InvalidOptionError: there is no teacher.
    """

    task = BESIDE
    asks = frozenset({'hm', 'wh', 'reg', 'id'})

    def __init__(self, config: LossConfig, sizes: Sizes) -> None:
        super().__init__()
        check_taught('prediction_difference', sizes)
        self.options = config.distillation

    def forward(self, predicted: Predicted, batch: Batch) -> Tensor:
        """Mean over images."""
        own, taught = predicted.maps, predicted.taught
        total = nothing(own['hm'])
        for index in range(len(own['hm'])):
            total = total + self._of_image(own, taught, index)
        return total / len(own['hm'])

    def _of_image(
        self, own: Mapping[str, Tensor], taught: Mapping[str, Tensor], index: int
    ) -> Tensor:
        shape = taught['hm'].shape[-2:]
        ys, xs = peaks(
            taught['hm'][index].float().sigmoid(),
            least=self.options.difference_min_score,
            most=self.options.difference_max_samples,
        )
        answers = [
            Answers(
                logits=maps['hm'][index].float().flatten(1),
                boxes=boxes_at(maps, index, ys, xs),
                cosines=cosines_between(maps['id'][index][:, ys, xs].T),
            )
            for maps in (own, taught)
        ]
        samples = ys * shape[1] + xs
        mine, theirs = answers
        return difference_loss(mine, theirs, samples, power=self.options.difference_power)
