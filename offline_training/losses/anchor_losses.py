"""CSTrack's losses: boxes, objectness and classes of anchors, and identities at stride 8."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn, Tensor
from torch.nn import functional as F

from mot_compress_ros.errors import InvalidOptionError
from mot_compress_ros.networks.cstrack import BOX_VALUES, ID_STRIDE
from mot_compress_ros.preprocess import STRIDE
from offline_training.losses.anchor_targets import matched
from offline_training.losses.foreground import boxes_of
from offline_training.losses.identity_classifier import MIN_IDENTITIES, NO_IDENTITY
from offline_training.losses.part import IDENTITY, LossPart, Predicted, Sizes
from offline_training.losses.taught import nothing

if TYPE_CHECKING:
    from offline_training.datasets.targets import Batch
    from offline_training.losses.config import LossConfig

BALANCE = {8: 4.0, 16: 1.0, 32: 0.4}  # of objectness by stride (YOLOv5)


class AnchorBox(LossPart):
    """1 - CIoU of every assigned anchor: the mean of each stride, summed (CSTrack: x 0.05)."""

    def __init__(self, config: LossConfig, sizes: Sizes) -> None:
        super().__init__()

    def forward(self, predicted: Predicted, batch: Batch) -> Tensor:
        """Of the maps `box8` to `box32`."""
        found = [
            (1 - stride.overlaps.ciou).sum() / max(len(stride.read), 1) + nothing(stride.values)
            for stride in matched(predicted, batch)
        ]
        return torch.stack(found).sum()


class AnchorObjectness(LossPart):
    """Cross entropy of every anchor's objectness with the IoU of its box, 0 where it has none.

    The mean of each stride, times 4, 1 and 0.4, summed. Where a class is not labelled or is to be
    ignored an anchor without an object learns nothing.
    """

    def __init__(self, config: LossConfig, sizes: Sizes) -> None:
        super().__init__()

    def forward(self, predicted: Predicted, batch: Batch) -> Tensor:
        """Of the maps `box8` to `box32`."""
        found = []
        for stride in matched(predicted, batch):
            logits, mine = stride.values[:, :, 4], stride.assigned
            target, place = torch.zeros_like(logits), (mine.image, mine.anchor, mine.ys, mine.xs)
            overlap = stride.overlaps.iou.detach().clamp(min=0)
            target.index_put_(place, overlap)
            shape = (logits.shape[2], logits.shape[3])
            learn = _learnable(batch, shape)[:, None].expand_as(logits).clone()
            learn.index_put_(place, torch.ones_like(overlap))
            losses = F.binary_cross_entropy_with_logits(logits, target, reduction='none')
            found.append(BALANCE[stride.stride] * (losses * learn).mean())
        return torch.stack(found).sum()


def _learnable(batch: Batch, shape_hw: tuple[int, int]) -> Tensor:
    """(B, h, w): 1 where every class is labelled and nothing is ignored."""
    ignored = 1 - batch.learn.amin(dim=1, keepdim=True)  # (B, 1, H / 4, W / 4)
    return 1 - F.adaptive_max_pool2d(ignored, shape_hw)[:, 0]


class AnchorClass(LossPart):
    """Cross entropy of every class at assigned anchors: the mean of each stride, summed.

    It is 0 for one class, which is the object.
    """

    def __init__(self, config: LossConfig, sizes: Sizes) -> None:
        super().__init__()

    def forward(self, predicted: Predicted, batch: Batch) -> Tensor:
        """Of the maps `box8` to `box32`."""
        total = nothing(predicted.maps['box8'])
        for stride in matched(predicted, batch):
            logits = stride.read[:, BOX_VALUES:]
            if logits.shape[1] > 1 and len(logits):
                target = torch.zeros_like(logits)
                rows = torch.arange(len(logits), device=logits.device)
                target[rows, batch.class_ids[stride.assigned.rows]] = 1
                total = total + F.binary_cross_entropy_with_logits(logits, target)
        return total


class AnchorIdentity(LossPart):
    """Cross entropy of a linear classifier of identities, at the cells of objects at stride 8.

    It gets sqrt(2) ln(n - 1) times the unit vector, as JDE's, from which CSTrack has it (x 0.02).
    It trains with the network and never ships.

    Raises:
        InvalidOptionError: there are fewer than 3 identities.
    """

    task = IDENTITY

    def __init__(self, config: LossConfig, sizes: Sizes) -> None:
        super().__init__()
        if sizes.n_identities < MIN_IDENTITIES:
            raise InvalidOptionError(
                f'loss.anchor_identity: the sources have {sizes.n_identities} identities, '
                f'expected at least {MIN_IDENTITIES}; add data, or leave this part out'
            )
        self.n_identities = sizes.n_identities
        self.scale = math.sqrt(2) * math.log(sizes.n_identities - 1)
        self.classifier = nn.Linear(sizes.embedding_dim, sizes.n_identities)

    def forward(self, predicted: Predicted, batch: Batch) -> Tensor:
        """Mean over objects of known identity."""
        vectors = at_identity_cells(predicted.maps['id'], batch)
        logits = self.classifier(self.scale * F.normalize(vectors, dim=1))
        known = batch.identities < self.n_identities
        target = torch.where(known, batch.identities, NO_IDENTITY)
        total = F.cross_entropy(logits, target, ignore_index=NO_IDENTITY, reduction='sum')
        return total / known.sum().clamp(min=1)


def at_identity_cells(vectors: Tensor, batch: Batch) -> Tensor:
    """(K, D) float32 raw re-ID vectors (B, D, h, w) of stride 8 at the objects' centres."""
    boxes = boxes_of(batch) * (STRIDE / ID_STRIDE)
    centre = ((boxes[:, :2] + boxes[:, 2:]) / 2).long()
    xs = centre[:, 0].clamp(0, vectors.shape[3] - 1)
    ys = centre[:, 1].clamp(0, vectors.shape[2] - 1)
    return vectors[batch.image_index, :, ys, xs].float()
