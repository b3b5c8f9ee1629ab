"""A fake network, shipped for tests and dry runs: it "detects" painted rectangles.

Connected regions of pure red, green or blue are objects of class 0, 1 and 2 with a score of 0.9.
Regions of half that brightness are seen by a bundle with sharp eyes, and by one that takes a prior
as far as they are expected: where the prior has heat of their class. It is stateless and fast, so
a whole node can be tested on images whose truth is known. A bundle whose architecture is named
`scripted` uses it; such a bundle has no weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.inference.backends import BackendOptions, PeakValues
from mot_compress_ros.inference.checkpoint import Bundle, ModelManifest, save_bundle
from mot_compress_ros.preprocess import STRIDE

CLASS_NAMES = ('pedestrian', 'cyclist', 'vehicle')
EMBEDDING_DIM = 4
SCORE = 0.9
_BRIGHT, _DIM = 200, 90  # of the colour of a region that everybody sees, and of one expected
_EXPECTED = 0.3  # heat


@dataclass(frozen=True, eq=False)
class _Region:
    """A painted rectangle, network pixels, in floating point."""

    class_id: int
    centre: tuple[float, float]
    half: tuple[float, float]

    @property
    def cell(self) -> tuple[int, int]:
        return int(self.centre[1] / STRIDE), int(self.centre[0] / STRIDE)


_NOTHING = _Region(class_id=0, centre=(0.0, 0.0), half=(0.0, 0.0))


class ScriptedOutput:
    """Heat map with one peak per painted region, and the regions' boxes."""

    def __init__(self, regions: list[list[_Region]], shape_hw: tuple[int, int]) -> None:
        self._regions = regions
        h, w = (side // STRIDE for side in shape_hw)
        self._heatmap = np.zeros((len(regions), len(CLASS_NAMES), h, w), np.float32)
        for i, found in enumerate(regions):
            for region in found:
                self._heatmap[i, region.class_id, *region.cell] = SCORE

    @property
    def heatmap(self) -> NDArray[np.float32]:
        """(B, 3, h, w)."""
        return self._heatmap

    def gather(self, image_index: int, ys: NDArray[np.int64], xs: NDArray[np.int64]) -> PeakValues:
        """Boxes of the regions at the given cells; the embedding is the same for all.

        A cell without a region has a box without area: a real network says something everywhere.
        """
        by_cell = {region.cell: region for region in self._regions[image_index]}
        regions = [by_cell.get((int(y), int(x)), _NOTHING) for y, x in zip(ys, xs, strict=True)]
        half = np.array([r.half for r in regions], np.float32).reshape(-1, 2) / STRIDE
        centre = np.array([r.centre for r in regions], np.float32).reshape(-1, 2) / STRIDE
        embeddings = np.zeros((len(regions), EMBEDDING_DIM), np.float32)
        embeddings[:, 0] = 1
        return PeakValues(
            ltrb=np.concatenate([half, half], axis=1),
            offset=(centre - np.stack([xs, ys], axis=1)).astype(np.float32),
            embeddings=embeddings,
        )


class ScriptedBackend:
    """Sees rectangles painted in pure red, green and blue."""

    name = 'scripted'

    def __init__(self, bundle: Bundle, options: BackendOptions) -> None:
        del options  # the fake has no device
        takes_prior = bundle.manifest.architecture.get('fusion', 'none') != 'none'
        self.prior_planes = len(CLASS_NAMES) if takes_prior else 0
        self._darkest = _DIM if bundle.manifest.architecture.get('eyes') == 'sharp' else _BRIGHT

    def run(
        self, images_rgb: NDArray[np.uint8], prior: NDArray[np.float32] | None = None
    ) -> ScriptedOutput:
        """Find the painted regions of (B, H, W, 3) uint8 RGB images."""
        regions = [_find_regions(image, darkest=self._darkest) for image in images_rgb]
        if prior is not None:
            for found, image, heat in zip(regions, images_rgb, prior, strict=True):
                dim = _find_regions(image, darkest=_DIM, brightest=self._darkest)
                found += [r for r in dim if _is_expected(r, heat)]
        return ScriptedOutput(regions, images_rgb.shape[1:3])


def _is_expected(region: _Region, heat: NDArray[np.float32]) -> bool:
    """Whether a class' map has heat at the region's cell or beside it."""
    y, x = region.cell
    near = heat[region.class_id, max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
    return bool(near.max(initial=0) > _EXPECTED)


def _find_regions(
    image_rgb: NDArray[np.uint8], *, darkest: int, brightest: int = 256
) -> list[_Region]:
    found = []
    for class_id in range(len(CLASS_NAMES)):
        others = [c for c in range(3) if c != class_id]
        value = image_rgb[..., class_id]
        mask = (value > darkest) & (value <= brightest)
        mask &= (image_rgb[..., others] < 60).all(axis=-1)
        _, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
        for left, top, width, height, _ in stats[1:]:  # row 0 is the background
            centre = (float(left + width / 2), float(top + height / 2))
            found.append(_Region(class_id, centre, (float(width / 2), float(height / 2))))
    return found


def write_scripted_bundle(
    folder: Path,
    *,
    input_size_wh: tuple[int, int] = (320, 192),
    fusion: str = 'none',
    eyes: str = 'plain',
) -> Path:
    """Write a bundle that runs the fake; returns `folder`.

    With any `fusion` it takes a prior; with `sharp` eyes it sees dim regions too.
    """
    architecture = {'name': 'scripted'}
    if fusion != 'none':
        architecture['fusion'] = fusion
    if eyes != 'plain':
        architecture['eyes'] = eyes
    manifest = ModelManifest(
        name=folder.name,
        architecture=architecture,
        class_names=CLASS_NAMES,
        input_size_wh=input_size_wh,
        embedding_dim=EMBEDDING_DIM,
    )
    save_bundle(folder, manifest, {})
    return folder
