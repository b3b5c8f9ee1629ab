"""Which cells of a map are of objects."""

from __future__ import annotations

import torch
from torch import Tensor

from mot_compress_ros.preprocess import STRIDE
from offline_training.datasets.targets import Batch


def boxes_of(batch: Batch) -> Tensor:
    """(K, 4) float32 boxes x1, y1, x2, y2 of the objects, in cells of stride 4."""
    centre = torch.stack([batch.xs, batch.ys], dim=1) + batch.offset  # (K, 2)
    return torch.cat([centre - batch.ltrb[:, :2], centre + batch.ltrb[:, 2:]], dim=1)


def covered_cells(boxes: Tensor, shape_hw: tuple[int, int], *, stride: int) -> Tensor:
    """(K, 4) int64: first column and row, and those behind the last, of cells that boxes touch.

    Args:
        boxes: (K, 4) as `boxes_of` gives them.
        shape_hw: rows and columns of the map.
        stride: of the map. At least one cell is covered, whichever is nearest.
    """
    height, width = shape_hw
    cells = boxes * (STRIDE / stride)
    last = torch.tensor([width - 1, height - 1], device=boxes.device)
    low = torch.minimum(cells[:, :2].floor().long().clamp(min=0), last)
    high = torch.minimum(cells[:, 2:].ceil().long(), last + 1)
    return torch.cat([low, torch.maximum(high, low + 1)], dim=1)


def foreground(batch: Batch, shape_hw: tuple[int, int], *, stride: int) -> Tensor:
    """(B, h, w) float32: one by the area of the smallest object at a cell, 0 where there is none.

    So a near object does not outweigh a far one. Source: FGD (Yang et al. 2022), eq. 1, its S.

    Args:
        batch: the targets.
        shape_hw: rows and columns of the map.
        stride: of the map.
    """
    mask = torch.zeros(len(batch.images), *shape_hw)
    boxes = covered_cells(boxes_of(batch), shape_hw, stride=stride).tolist()
    rows = [
        ((x2 - x1) * (y2 - y1), image, x1, y1, x2, y2)
        for image, (x1, y1, x2, y2) in zip(batch.image_index.tolist(), boxes, strict=True)
    ]
    for area, image, x1, y1, x2, y2 in sorted(rows, reverse=True):  # the smallest one is last
        mask[image, y1:y2, x1:x2] = 1 / area
    return mask.to(batch.ltrb.device)
