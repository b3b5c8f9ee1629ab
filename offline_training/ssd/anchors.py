"""Anchors, offsets from them, and which object an anchor answers for (SSD, sections 2.1 and 2.2).

Boxes are in shares of the image: x1, y1, x2, y2. Anchors are centre x, centre y, width, height.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import math

import torch
from torch import Tensor

MATCHED_IOU = 0.5
_CENTRE_VARIANCE, _SIZE_VARIANCE = 0.1, 0.2


@dataclass(frozen=True, kw_only=True)
class MapAnchors:
    """Anchors of a square map.

    Attributes:
        size: places along a side.
        scale: share of the image that an anchor spans.
        next_scale: of the map after it; the geometric mean of both is one more square.
        ratios: each gives a wide and a tall anchor of the same area.
    """

    size: int
    scale: float
    next_scale: float
    ratios: Sequence[int]

    @property
    def per_place(self) -> int:
        """Anchors of one place."""
        return 2 + 2 * len(self.ratios)


def anchors_of(maps: Sequence[MapAnchors]) -> Tensor:
    """All anchors (A, 4), map by map, row by row, place by place."""
    found = []
    for one in maps:
        sizes = [(one.scale, one.scale), (math.sqrt(one.scale * one.next_scale),) * 2]
        for ratio in one.ratios:
            root = math.sqrt(ratio)
            sizes += [(one.scale * root, one.scale / root), (one.scale / root, one.scale * root)]
        for row in range(one.size):
            for column in range(one.size):
                x, y = (column + 0.5) / one.size, (row + 0.5) / one.size
                found += [(x, y, w, h) for w, h in sizes]
    return torch.tensor(found, dtype=torch.float32).clamp(0.0, 1.0)


def corners_of(anchors: Tensor) -> Tensor:
    """Centres and sizes (..., 4) to corners (..., 4)."""
    centre, half = anchors[..., :2], anchors[..., 2:] / 2
    return torch.cat([centre - half, centre + half], dim=-1)


def offsets_of(boxes: Tensor, anchors: Tensor) -> Tensor:
    """What a network has to say at each anchor to mean each box, both (A, 4)."""
    centre = (boxes[..., :2] + boxes[..., 2:]) / 2
    size = (boxes[..., 2:] - boxes[..., :2]).clamp(min=1e-6)
    moved = (centre - anchors[..., :2]) / anchors[..., 2:] / _CENTRE_VARIANCE
    grown = torch.log(size / anchors[..., 2:]) / _SIZE_VARIANCE
    return torch.cat([moved, grown], dim=-1)


def boxes_of(offsets: Tensor, anchors: Tensor) -> Tensor:
    """The inverse of `offsets_of`: (..., A, 4) corners."""
    centre = anchors[..., :2] + _CENTRE_VARIANCE * offsets[..., :2] * anchors[..., 2:]
    size = anchors[..., 2:] * torch.exp((_SIZE_VARIANCE * offsets[..., 2:]).clamp(max=8.0))
    return corners_of(torch.cat([centre, size], dim=-1))


def iou(first: Tensor, second: Tensor) -> Tensor:
    """Intersection over union of corners (N, 4) and (M, 4): (N, M)."""
    low = torch.maximum(first[:, None, :2], second[None, :, :2])
    high = torch.minimum(first[:, None, 2:], second[None, :, 2:])
    inside = (high - low).clamp(min=0).prod(dim=2)
    areas = [(b[:, 2:] - b[:, :2]).clamp(min=0).prod(dim=1) for b in (first, second)]
    return inside / (areas[0][:, None] + areas[1][None] - inside).clamp(min=1e-12)


@dataclass(frozen=True, eq=False, kw_only=True)
class Assignment:
    """Of A anchors: classes (A,) where 0 is background and -1 counts for nothing, boxes (A, 4)."""

    classes: Tensor
    boxes: Tensor


def assign(anchors: Tensor, boxes: Tensor, classes: Tensor, ignored: Tensor) -> Assignment:
    """Which object each anchor answers for.

    Every object gets the anchor with the largest IoU; any other anchor gets the object that it
    overlaps most, from 0.5 on. An anchor that so overlaps an ignored object answers for none, and
    not for the background either.

    Args:
        anchors: (A, 4) centres and sizes.
        boxes: (N, 4) corners; zero is legal.
        classes: (N,) from 0.
        ignored: (N,) bool.
    """
    background = torch.zeros(len(anchors), dtype=torch.long, device=anchors.device)
    if not len(boxes):
        return Assignment(classes=background, boxes=corners_of(anchors))
    overlaps = iou(corners_of(anchors), boxes)  # (A, N)
    wanted = torch.where(ignored[None], torch.zeros_like(overlaps), overlaps)
    best, which = wanted.max(dim=1)
    for n in torch.argsort(wanted.max(dim=0).values):  # the best overlapped object speaks last
        if not ignored[n]:
            anchor = int(wanted[:, n].argmax())
            best[anchor], which[anchor] = 2.0, n
    found = torch.where(best >= MATCHED_IOU, classes[which] + 1, background)
    hidden = torch.where(ignored[None], overlaps, torch.zeros_like(overlaps)).max(dim=1).values
    found[(found == 0) & (hidden >= MATCHED_IOU)] = -1
    return Assignment(classes=found, boxes=boxes[which])
