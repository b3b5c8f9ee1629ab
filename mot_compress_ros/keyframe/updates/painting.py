"""What the update modes have in common: where objects lie in the map, and who painted what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.inference import UNCERTAINTY_CELLS
from mot_compress_ros.keyframe.attention_objects import PriorObjects
from mot_compress_ros.keyframe.gaussians import Float64Array, gaussian_radii, Int64Array, Windows
from mot_compress_ros.preprocess import LetterboxTransform, STRIDE

# Places and sizes are the results of a few multiplications; an object of exactly 10 cells must not
# become one of 11 by the last bit.
DECIMALS = 6


class Carried(Protocol):
    """What an update mode reads; `CarriedPrior` has it."""

    @property
    def objects(self) -> PriorObjects:
        """The objects now."""

    @property
    def start(self) -> PriorObjects:
        """The same objects, in the same order, at the keyframe."""

    @property
    def heatmap(self) -> NDArray[np.float32]:
        """The keyframe's heat map (n_class, h, w), 0..1."""

    @property
    def transform(self) -> LetterboxTransform:
        """Where the keyframe lies in the input of the network that made the heat map."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Canvas:
    """The map that is painted: of a network of `n_class` classes that sees `transform`."""

    transform: LetterboxTransform
    n_class: int
    shape_hw: tuple[int, int]


@dataclass(frozen=True, eq=False, kw_only=True)
class Painting:
    """A heat map (n_class, h, w) float32 and, per cell, how uncertain it is (h, w), 0..1."""

    heat: NDArray[np.float32]
    uncertainty: NDArray[np.float32]


@dataclass(frozen=True, eq=False, kw_only=True)
class Placed:
    """N objects in cells of a map.

    Attributes:
        centres: (N, 2) int64, the cell of the centre, x before y.
        sizes: (N, 2) float64, width and height.
        radii: (N,) int64 of their gaussians.
    """

    centres: Int64Array
    sizes: Float64Array
    radii: Int64Array


def in_image(
    objects: PriorObjects, transform: LetterboxTransform, *, shape_hw: tuple[int, int]
) -> NDArray[np.bool_]:
    """Mask (N,) of the sound objects whose centre lies inside the image.

    The image is what the letterbox leaves of a map of `shape_hw` at stride 4. Where the border is
    split into unequal halves, the larger half counts as image by less than a pixel of the network.
    """
    height, width = (side * STRIDE for side in shape_hw)
    corners = [transform.left_px, transform.top_px]
    corners += [width - transform.left_px, height - transform.top_px]
    image = transform.undo(np.array([corners], np.float64))[0]
    centres = objects.centres_px
    inside = (centres >= image[:2]) & (centres < image[2:])  # no NaN is
    return np.asarray(inside.all(axis=1) & objects.sound)


def placed(objects: PriorObjects, transform: LetterboxTransform) -> Placed:
    """Sound objects in cells of a network that sees `transform`."""
    cells = transform.apply(objects.boxes_xyxy_px) / STRIDE  # (N, 4)
    sizes = np.maximum(np.round(cells[:, 2:] - cells[:, :2], DECIMALS), 10.0**-DECIMALS)
    centres = np.floor(np.round((cells[:, :2] + cells[:, 2:]) / 2, DECIMALS))
    return Placed(centres=centres.astype(np.int64), sizes=sizes, radii=gaussian_radii(sizes))


def uncertainties(objects: PriorObjects, transform: LetterboxTransform) -> NDArray[np.float32]:
    """How uncertain each object's place is (N,): its deviation in cells as `inference.prior` says.

    A map cell has no direction, so where the axes have ratios of their own it is their mean. What
    is not known (NaN) is as uncertain as can be.
    """
    scale = np.sqrt(transform.scale_x * transform.scale_y)
    share = objects.position_std_px * scale / STRIDE / UNCERTAINTY_CELLS
    return np.asarray(np.clip(np.nan_to_num(share, nan=1.0), 0, 1), np.float32)


def painted(
    strokes: Windows,
    values: NDArray[np.float32],
    *,
    class_ids: Int64Array,
    uncertain: NDArray[np.float32],
    canvas: Canvas,
) -> Painting:
    """All strokes on one canvas, combined by maximum; the order of the objects does not matter.

    A cell is as uncertain as the object that painted it most strongly, in whatever class; of
    several, the most uncertain one.

    Args:
        strokes: where N objects paint.
        values: (T,) how strongly, for each stroke.
        class_ids: (N,) whose plane they paint.
        uncertain: (N,) 0..1.
        canvas: what is painted.
    """
    h, w = canvas.shape_hw
    heat = np.zeros((canvas.n_class, h, w), np.float32)
    np.maximum.at(heat.reshape(-1), (class_ids * (h * w))[strokes.owner] + strokes.cell, values)
    strongest = heat.max(axis=0, initial=0).reshape(-1)
    uncertainty = np.zeros(h * w, np.float32)
    ahead = values == strongest[strokes.cell]
    np.maximum.at(uncertainty, strokes.cell[ahead], uncertain[strokes.owner[ahead]])
    return Painting(heat=heat, uncertainty=uncertainty.reshape(h, w))


def paintable(objects: PriorObjects, canvas: Canvas) -> Int64Array:
    """Rows of the objects that can be painted: in the image, of a class that the canvas has."""
    mask = in_image(objects, canvas.transform, shape_hw=canvas.shape_hw)
    mask &= (objects.class_ids >= 0) & (objects.class_ids < canvas.n_class)
    return np.asarray(np.flatnonzero(mask))
