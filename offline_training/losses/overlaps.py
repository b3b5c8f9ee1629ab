"""How much pairs of boxes overlap, with gradients."""

from __future__ import annotations

from dataclasses import dataclass
import math

import torch
from torch import Tensor

_EPS = 1e-7


@dataclass(frozen=True, eq=False)
class Overlaps:
    """K pairs of boxes (K, 4) x1, y1, x2, y2 in one unit, whatever it is."""

    first: Tensor
    second: Tensor

    @property
    def iou(self) -> Tensor:
        """(K,) in 0..1."""
        return self._intersection / self._union.clamp(min=_EPS)

    @property
    def giou(self) -> Tensor:
        """(K,) in -1..1. Source: Rezatofighi et al. 2019."""
        hull = _area(self._hull)
        return self.iou - (hull - self._union) / hull.clamp(min=_EPS)

    @property
    def diou(self) -> Tensor:
        """(K,) in -1..1: less the squared distance of the centres by the hull's diagonal's.

        Source: Zheng et al. 2020, eq. 6 and 7.
        """
        between = self.first[:, :2] + self.first[:, 2:] - self.second[:, :2] - self.second[:, 2:]
        diagonal = _sides(self._hull).square().sum(dim=1)
        return self.iou - between.square().sum(dim=1) / 4 / diagonal.clamp(min=_EPS)

    @property
    def ciou(self) -> Tensor:
        """(K,): less what the shapes differ in. Source: Zheng et al. 2020, eq. 8 to 11.

        The weight of the shapes has no gradient, as in the authors' code.
        """
        angles = [torch.atan2(*_sides(boxes).T) for boxes in (self.first, self.second)]
        shape = 4 / math.pi**2 * (angles[1] - angles[0]).square()
        weight = (shape / (1 - self.iou + shape).clamp(min=_EPS)).detach()
        return self.diou - weight * shape

    @property
    def _intersection(self) -> Tensor:
        low = torch.maximum(self.first[:, :2], self.second[:, :2])
        high = torch.minimum(self.first[:, 2:], self.second[:, 2:])
        return (high - low).clamp(min=0).prod(dim=1)

    @property
    def _union(self) -> Tensor:
        return _area(self.first) + _area(self.second) - self._intersection

    @property
    def _hull(self) -> Tensor:
        low = torch.minimum(self.first[:, :2], self.second[:, :2])
        high = torch.maximum(self.first[:, 2:], self.second[:, 2:])
        return torch.cat([low, high], dim=1)


def _sides(boxes: Tensor) -> Tensor:
    return boxes[:, 2:] - boxes[:, :2]


def _area(boxes: Tensor) -> Tensor:
    return _sides(boxes).clamp(min=0).prod(dim=1)
