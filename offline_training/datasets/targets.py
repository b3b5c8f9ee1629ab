"""Boxes to network targets: gaussian heat maps and the values at object centres (FairMOT 3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
import math

import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor

from mot_compress_ros.preprocess import STRIDE
from offline_training.datasets.augment import AugmentedImage
from offline_training.datasets.key_frames import collect_keys, KeyBatch

MIN_OVERLAP = 0.7  # CornerNet's; see `gaussian_radius`


@dataclass(frozen=True, eq=False, kw_only=True)
class Batch:
    """B images and what the network should say of them; K objects over all images.

    Attributes:
        images: (B, H, W, 3) uint8, RGB.
        heatmap: (B, n_class, h, w) float32.
        learn: (B, n_class, h, w) float32, 0 for a class where it is to be ignored and
            where it is not labelled.
        image_index, ys, xs: (K,) int64, cell of each object's centre.
        ltrb: (K, 4) float32, distances from that centre in cells.
        offset: (K, 2) float32, sub-cell part (x, y) of the centre.
        class_ids, identities, nameless_clips: (K,) int64; the last as in `TrainingImage`.
        key: what is known of the key frames, where the images have any.
    """

    images: Tensor
    heatmap: Tensor
    learn: Tensor
    image_index: Tensor
    ys: Tensor
    xs: Tensor
    ltrb: Tensor
    offset: Tensor
    class_ids: Tensor
    identities: Tensor
    nameless_clips: Tensor
    key: KeyBatch | None = None

    def to(self, device: str) -> Batch:
        """The same batch on another device."""
        parts = {f.name: getattr(self, f.name) for f in fields(self)}
        tensors = {n: part.to(device) for n, part in parts.items() if isinstance(part, Tensor)}
        return Batch(**tensors, key=self.key.to(device) if self.key else None)


def gaussian_radius(width: float, height: float) -> float:
    """CornerNet's radius of an object's gaussian, cells, as its code computes it.

    Meant is the distance that a corner may move while the box keeps the overlap `MIN_OVERLAP`. The
    published code takes the larger root of its quadratic equations and divides it by 2 instead of
    by 2a, so the radius comes out three to four times as large: 2.7 cells for a box of 10 x 10,
    where 0.8 would keep the overlap. CenterNet and FairMOT took it over and all their heat maps
    depend on it; so do ours.
    """
    total, product, m = width + height, width * height, MIN_OVERLAP
    roots = (
        _root(1.0, total, product * (1 - m) / (1 + m)),
        _root(4.0, 2 * total, (1 - m) * product),
        _root(4 * m, -2 * m * total, (m - 1) * product),
    )
    return min(roots)


def _root(a: float, b: float, c: float) -> float:
    return (b + math.sqrt(b * b - 4 * a * c)) / 2


def draw_gaussian(
    heatmap: NDArray[np.float32], *, x: int, y: int, width: float, height: float
) -> None:
    """Write the gaussian of one object into one class' map (h, w), combined by maximum."""
    radius = max(0, int(gaussian_radius(math.ceil(width), math.ceil(height))))
    sigma = (2 * radius + 1) / 6
    axis = np.arange(-radius, radius + 1)
    bell = np.exp(-(axis**2) / (2 * sigma * sigma))
    h, w = heatmap.shape
    top, bottom = max(0, y - radius), min(h, y + radius + 1)
    left, right = max(0, x - radius), min(w, x + radius + 1)
    patch = np.outer(
        bell[top - y + radius : bottom - y + radius], bell[left - x + radius : right - x + radius]
    )
    view = heatmap[top:bottom, left:right]
    np.maximum(view, patch, out=view, casting='same_kind')


def make_batch(samples: Sequence[AugmentedImage], *, n_class: int) -> Batch:
    """Targets of B augmented images of one size."""
    h, w = (side // STRIDE for side in samples[0].image_rgb.shape[:2])
    heatmap = np.zeros((len(samples), n_class, h, w), np.float32)
    learn = np.zeros_like(heatmap)
    centres, indices, clips = [], [], []
    for i, sample in enumerate(samples):
        cells = sample.boxes_xyxy_px / STRIDE  # (N, 4)
        learn[i, list(sample.labelled_classes)] = 1
        regions = sample.ignore_xyxy_px / STRIDE  # (M, 4)
        for class_id, (x1, y1, x2, y2) in zip(sample.ignore_class_ids, regions, strict=True):
            rows = slice(max(0, math.floor(y1)), max(0, math.ceil(y2)))
            learn[i, class_id, rows, max(0, math.floor(x1)) : max(0, math.ceil(x2))] = 0
        centre = (cells[:, :2] + cells[:, 2:]) / 2
        centre = np.clip(centre, 0, [w - 1, h - 1]).astype(np.float32)  # (N, 2)
        for (x, y), box, class_id in zip(centre, cells, sample.class_ids, strict=True):
            size = box[2:] - box[:2]
            draw_gaussian(heatmap[i, class_id], x=int(x), y=int(y), width=size[0], height=size[1])
        centres.append(np.concatenate([centre, centre - cells[:, :2], cells[:, 2:] - centre], 1))
        indices.append(np.full(len(cells), i, np.int64))
        clips.append(sample.nameless_clips)
    packed = torch.from_numpy(np.concatenate(centres))  # (K, 6)
    cell = packed[:, :2].long()  # (K, 2)
    return Batch(
        images=torch.from_numpy(np.stack([s.image_rgb for s in samples])),
        heatmap=torch.from_numpy(heatmap),
        learn=torch.from_numpy(learn),
        image_index=torch.from_numpy(np.concatenate(indices)),
        ys=cell[:, 1],
        xs=cell[:, 0],
        ltrb=packed[:, 2:],
        offset=packed[:, :2] - cell,
        class_ids=torch.from_numpy(np.concatenate([s.class_ids for s in samples])),
        identities=torch.from_numpy(np.concatenate([s.identities for s in samples])),
        nameless_clips=torch.from_numpy(np.concatenate(clips)),
        key=collect_keys([sample.key for sample in samples]),
    )
