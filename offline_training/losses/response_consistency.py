"""Environmental response consistency: how a target's embedding answers to all that is around."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from mot_compress_ros.preprocess import STRIDE
from offline_training.losses.foreground import boxes_of, covered_cells
from offline_training.losses.part import BESIDE, LossPart, Predicted, Sizes
from offline_training.losses.taught import check_taught, nothing

if TYPE_CHECKING:
    from offline_training.datasets.targets import Batch
    from offline_training.losses.config import LossConfig


def responses(embeddings: Tensor, cells: Tensor) -> Tensor:
    """(k, h * w): cosines of the raw vectors at k `cells` to those of every cell of an image.

    Args:
        embeddings: (D, h, w) raw re-ID vectors.
        cells: (k,) int64, row * w + column.
    """
    unit = F.normalize(embeddings.float().flatten(1), dim=0)  # (D, h * w)
    return unit[:, cells].T @ unit


def own_responses(
    cosines: Tensor, boxes: Tensor, shape_hw: tuple[int, int], *, stride: int
) -> Tensor:
    """(k,): mean cosine of each target's embedding over the cells of its own box.

    Args:
        cosines: (k, h * w) of `responses`.
        boxes: (k, 4) in cells of stride 4.
        shape_hw: rows and columns of the map.
        stride: of the map.
    """
    height, width = shape_hw
    x1, y1, x2, y2 = covered_cells(boxes, shape_hw, stride=stride).T[..., None]
    columns = torch.arange(width, device=boxes.device)
    rows = torch.arange(height, device=boxes.device)
    inside = ((rows >= y1) & (rows < y2))[:, :, None] & ((columns >= x1) & (columns < x2))[:, None]
    mask = inside.flatten(1).float()  # (k, h * w)
    return (cosines * mask).sum(dim=1) / mask.sum(dim=1)


class ResponseConsistency(LossPart):
    """Each target's responses to its image are to be those that a teacher's embeddings give.

    Of target i with embedding e_i, and E(p) at cell p, R_i(p) = cos(e_i, E(p)) over the target,
    the background and all other targets of its image. The part is the mean over the targets of
    KL(softmax(R_i^T / t) || softmax(R_i^S / t)) + w (m_i^T - m_i^S)^2, with m_i the mean response
    over the target's own box. Only cosines are compared, so the lengths of the two networks'
    embeddings may differ, and so may their scales. It is added beside the balance of the tasks.

    Source: the idea is the thesis' (its abstract, 1); its formulas are not published. This is our
    reconstruction, after OMC's response maps (Liang et al. 2022), and RKD (Park et al. 2019) and
    SPKD (Tung & Mori 2019), which compare relations for vectors. The response of an embedding to
    its own cell is 1 always, so a target's own response is taken over its box.

    Raises:
        InvalidOptionError: there is no teacher.
    """

    task = BESIDE
    asks = frozenset({'id'})

    def __init__(self, config: LossConfig, sizes: Sizes) -> None:
        super().__init__()
        check_taught('response_consistency', sizes)
        self.temperature = config.distillation.response_temperature
        self.own_weight = config.distillation.response_own

    def forward(self, predicted: Predicted, batch: Batch) -> Tensor:
        """Mean over all objects, with an identity or without."""
        own, taught = predicted.maps['id'], predicted.taught['id']
        boxes, total = boxes_of(batch), nothing(own)
        stride = STRIDE * batch.heatmap.shape[-1] // own.shape[-1]
        rows, columns = (values * STRIDE // stride for values in (batch.ys, batch.xs))
        cells = rows * own.shape[-1] + columns  # (K,)
        for index in range(len(own)):
            mine = batch.image_index == index
            total = total + self._of_image(
                own[index], taught[index], cells[mine], boxes[mine], stride=stride
            )
        return total / max(len(cells), 1)

    def _of_image(
        self, own: Tensor, taught: Tensor, cells: Tensor, boxes: Tensor, *, stride: int
    ) -> Tensor:
        """Sum over the targets of one image."""
        found = [responses(embeddings, cells) for embeddings in (own, taught)]
        mine, theirs = (F.log_softmax(cosines / self.temperature, dim=1) for cosines in found)
        divergence = F.kl_div(mine, theirs, reduction='sum', log_target=True)
        shape = (own.shape[1], own.shape[2])
        means = [own_responses(cosines, boxes, shape, stride=stride) for cosines in found]
        return divergence + self.own_weight * (means[0] - means[1]).square().sum()
