"""Which anchors of which cells are to find an object (YOLOv5, CSTrack)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mot_compress_ros.networks.cstrack import ANCHORS_PX, box_map
from mot_compress_ros.preprocess import STRIDE
from offline_training.datasets.targets import Batch
from offline_training.losses.foreground import boxes_of
from offline_training.losses.overlaps import Overlaps
from offline_training.losses.part import Predicted

MOST_RATIO = 4.0  # between the sides of an object and of an anchor that is to find it
_NEAR = 0.5  # a neighbouring cell is to find it too, where its centre is nearer than this
_AROUND = ((0, 0), (1, 0), (0, 1), (-1, 0), (0, -1))  # from which an object comes, in cells


@dataclass(frozen=True, eq=False, kw_only=True)
class Assigned:
    """N anchors at cells of one stride, each with its object.

    Attributes:
        image, anchor, ys, xs: (N,) int64.
        rows: (N,) int64, of the object in the batch.
        boxes: (N, 4) x1, y1, x2, y2 of the object, in cells, from the corner of its cell.
    """

    image: Tensor
    anchor: Tensor
    ys: Tensor
    xs: Tensor
    rows: Tensor
    boxes: Tensor


def assign(
    boxes_px: Tensor,
    image_index: Tensor,
    *,
    anchors_px: Sequence[tuple[int, int]],
    shape_hw: tuple[int, int],
    stride: int,
) -> Assigned:
    """Every anchor whose sides are not `MOST_RATIO` times those of an object or more, or less.

    It is to find the object from the cell that holds its centre and from the two neighbours whose
    centre is nearest. Source: YOLOv5 of 2020.

    Args:
        boxes_px: (K, 4) in pixels of the network's input.
        image_index: (K,).
        anchors_px: width and height of each.
        shape_hw: rows and columns of the map.
        stride: of the map.
    """
    cells = boxes_px / stride
    centre, sides = (cells[:, :2] + cells[:, 2:]) / 2, cells[:, 2:] - cells[:, :2]
    anchors = torch.tensor(anchors_px, device=cells.device).float() / stride  # (A, 2)
    ratio = sides[:, None].clamp(min=1e-6) / anchors  # (K, A, 2)
    rows, anchor = (torch.maximum(ratio, 1 / ratio).amax(dim=2) < MOST_RATIO).nonzero().T
    size = torch.tensor(shape_hw[::-1], device=cells.device)
    off = torch.tensor(_AROUND, device=cells.device) * _NEAR  # (5, 2)
    moved = centre[rows][:, None] - off  # (N, 5, 2)
    cell = moved.floor().long()
    own = cell[:, :1]
    inside = ((cell >= 0) & (cell < size)).all(dim=2)
    wanted = inside & ((cell != own).any(dim=2) | (off == 0).all(dim=1))
    pick, _ = wanted.nonzero().T
    chosen = cell[wanted]  # (M, 2)
    boxes = cells[rows[pick]] - chosen.repeat(1, 2)
    return Assigned(
        image=image_index[rows[pick]],
        anchor=anchor[pick],
        ys=chosen[:, 1],
        xs=chosen[:, 0],
        rows=rows[pick],
        boxes=boxes,
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class Matched:
    """A stride: its raw values (B, A, 5 + n_class, h, w), what is assigned, and those N read."""

    stride: int
    values: Tensor
    assigned: Assigned
    read: Tensor

    @property
    def overlaps(self) -> Overlaps:
        """Of the predicted boxes and their objects', in cells."""
        share = self.read[:, :4].sigmoid()
        anchors = torch.tensor(ANCHORS_PX[self.stride], device=share.device) / self.stride
        centre = 2 * share[:, :2] - 0.5
        half = (2 * share[:, 2:]).square() * anchors[self.assigned.anchor] / 2
        return Overlaps(torch.cat([centre - half, centre + half], dim=1), self.assigned.boxes)


def matched(predicted: Predicted, batch: Batch) -> list[Matched]:
    """Every stride of a network with anchors beside the objects of the batch."""
    boxes_px, found = boxes_of(batch) * STRIDE, []
    for stride, anchors_px in ANCHORS_PX.items():
        raw = predicted.maps[box_map(stride)].float()
        values = raw.unflatten(1, (len(anchors_px), -1))
        assigned = assign(
            boxes_px,
            batch.image_index,
            anchors_px=anchors_px,
            shape_hw=(raw.shape[2], raw.shape[3]),
            stride=stride,
        )
        read = values[assigned.image, assigned.anchor, :, assigned.ys, assigned.xs]
        found.append(Matched(stride=stride, values=values, assigned=assigned, read=read))
    return found
