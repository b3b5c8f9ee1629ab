"""CrossKD, a rival: the student's features through the rest of the teacher's frozen heads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from offline_training.losses.overlaps import Overlaps
from offline_training.losses.part import BESIDE, LossPart, Predicted, Sizes
from offline_training.losses.taught import adapters

if TYPE_CHECKING:
    from offline_training.datasets.targets import Batch
    from offline_training.losses.config import LossConfig

CROSSED = {'hm': 'hm_hidden', 'wh': 'wh_hidden'}
_SMALLEST_STD = 1e-6


def matched(own: Tensor, taught: Tensor) -> Tensor:
    """The student's map (B, C, h, w) with mean and deviation of each of the teacher's channels."""
    std, mean = torch.std_mean(own, dim=(0, 2, 3), correction=0, keepdim=True)
    to_std, to_mean = torch.std_mean(taught, dim=(0, 2, 3), correction=0, keepdim=True)
    return (own - mean) / (std + _SMALLEST_STD) * to_std + to_mean


class CrossKd(LossPart):
    """What the teacher's last layers say of the student's features is to be what the teacher says.

    The heads of these networks have one hidden map, and there the student's takes the place of the
    teacher's, through an adapter where the numbers of channels differ (the authors' are equal).
    Scores: quality focal loss of power 1, |p_T - p| BCE(p, p_T), by the number of objects. Boxes:
    1 - GIoU to the teacher's, a mean over the cells weighted by the teacher's scores; the authors'
    KL is of distributions, which these boxes do not have. Only the student and the adapters learn
    from it. It is added beside the balance of the tasks.

    Source: CrossKD (Wang et al. 2024), section 3.2, eq. 5 to 7, and its code for `matched`.

    Raises:
        InvalidOptionError: there is no teacher with such heads.
    """

    task = BESIDE
    asks = frozenset({'hm', 'wh', *CROSSED.values()})

    def __init__(self, config: LossConfig, sizes: Sizes) -> None:
        super().__init__()
        self.adapters = adapters('crosskd', sizes, CROSSED.values())

    def forward(self, predicted: Predicted, batch: Batch) -> Tensor:
        """Scores and boxes together."""
        scores = predicted.taught['hm'].float().sigmoid()
        logits = self._crossed(predicted, 'hm')
        cross_entropy = F.binary_cross_entropy_with_logits(logits, scores, reduction='none')
        heat = (logits.sigmoid() - scores).abs() * cross_entropy
        distances = [self._crossed(predicted, 'wh'), predicted.taught['wh'].float()]
        pair = Overlaps(*(_around_centre(values) for values in distances))
        sure = scores.amax(dim=1).flatten()  # (B * h * w,)
        box = (sure * (1 - pair.giou)).sum() / sure.sum()
        return heat.sum() / max(len(batch.ys), 1) + box

    def _crossed(self, predicted: Predicted, head: str) -> Tensor:
        hidden = CROSSED[head]
        own = self.adapters[hidden](predicted.maps[hidden].float())
        return predicted.teachers_heads[head](
            matched(own, predicted.taught[hidden].float())
        ).float()


def _around_centre(ltrb: Tensor) -> Tensor:
    """Distances (B, 4, h, w) to boxes (B * h * w, 4) around one point."""
    sides = ltrb.clamp(min=0).permute(0, 2, 3, 1).flatten(0, 2)
    return torch.cat([-sides[:, :2], sides[:, 2:]], dim=1)
