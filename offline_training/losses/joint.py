"""The joint loss of detection and re-ID, by named parts."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn, Tensor

from mot_compress_ros.options import option
from offline_training.datasets.targets import Batch
from offline_training.losses.box import giou_ltrb, l1
from offline_training.losses.focal import heatmap_focal
from offline_training.losses.reid import contrastive


@dataclass(frozen=True, kw_only=True)
class LossWeights:
    """Weight of each part.

    FairMOT's `RegL1Loss` is a mean over the masked values, as `losses.box.l1` is. Its weight of
    the box extents is 0.1 by default and 0.5 in its recipe of the light YOLO. Ours is 0.1: the
    GIoU part, which FairMOT does not have, carries most of the box. FairMOT learns the balance of
    detection and re-ID; here `reid` is fixed.
    """

    heatmap: float = option(1.0, 'centre heat map, focal', minimum=0.0)
    wh_l1: float = option(0.1, 'box extents, L1', minimum=0.0)
    wh_giou: float = option(2.0, 'box extents, 1 - GIoU', minimum=0.0)
    offset: float = option(1.0, 'sub-cell offset, L1', minimum=0.0)
    reid: float = option(0.3, 're-ID embeddings, contrastive', minimum=0.0)


def joint_loss(maps: dict[str, Tensor], batch: Batch, weights: LossWeights) -> dict[str, Tensor]:
    """Named parts and their weighted sum `total`.

    Args:
        maps: raw network maps `hm`, `wh`, `reg`, `id`, each (B, n, h, w).
        batch: targets of the same images.
        weights: weight of each part.
    """

    def at_centres(name: str) -> Tensor:
        return maps[name][batch.image_index, :, batch.ys, batch.xs].float()  # (K, n)

    ltrb = at_centres('wh')
    parts = {
        'heatmap': heatmap_focal(maps['hm'].float(), batch.heatmap, batch.learn),
        'wh_l1': l1(ltrb, batch.ltrb),
        'wh_giou': giou_ltrb(ltrb, batch.ltrb),
        'offset': l1(at_centres('reg'), batch.offset),
        'reid': contrastive(
            at_centres('id'), batch.identities, batch.class_ids, batch.nameless_clips
        ),
    }
    total = torch.stack([getattr(weights, name) * value for name, value in parts.items()]).sum()
    return {'total': total, **parts}


class JointCriterion(nn.Module):
    """The joint loss as a module: what it learns itself trains and is saved with the network.

    `forward(maps, batch)` returns the named parts of `joint_loss`, `total` among them.
    """

    def __init__(self, weights: LossWeights) -> None:
        super().__init__()
        self.weights = weights

    def forward(self, maps: dict[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        """Named parts and their weighted sum `total`."""
        return joint_loss(maps, batch, self.weights)
