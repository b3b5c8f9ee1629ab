"""Whether an exported graph says what torch says: heat maps, peaks, boxes and embeddings.

Both see the same letterboxed images, and the network's own heat map of the image before as a prior
where it takes one. Values of the other heads are read at the peaks of the reference in both, so
that a peak that moved does not hide in the errors of boxes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.errors import InputError
from mot_compress_ros.inference import DecodeConfig
from mot_compress_ros.inference.backends import Backend, NetworkOutput, PeakValues
from mot_compress_ros.inference.decode import find_peaks
from mot_compress_ros.preprocess import STRIDE

MIN_SCORE = 0.2  # of peaks that are compared: what the vehicle decodes
_FEW = 0.05  # where there is none of those, as of a network that is hardly trained
MAX_PEAKS = 100
_NEAR = 1  # cells, between a peak and the same one elsewhere
Peaks = tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True, kw_only=True)
class Parity:
    """What differs.

    Attributes:
        images: that were compared.
        heatmap_max_abs: largest difference of two heat maps at a cell.
        peaks: of the reference.
        peaks_missed: those of which there is none of the same class within a cell.
        box_error_px: largest difference of a side, in pixels of the network's input.
        iou_min: smallest overlap of the boxes at a peak.
        cosine_min: smallest cosine of the embeddings at a peak.
    """

    images: int
    heatmap_max_abs: float
    peaks: int
    peaks_missed: int
    box_error_px: float
    iou_min: float
    cosine_min: float

    def as_json(self) -> dict[str, float]:
        """As it stands in a manifest."""
        return {key: round(value, 7) for key, value in asdict(self).items()}


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """What may differ; `peaks_missed` is a share of the peaks."""

    heatmap_max_abs: float
    peaks_missed: float
    iou_min: float
    cosine_min: float


# fp32 differs in the order of sums alone. The others keep 8 (bf16), 11 (fp16) or 8 (int8) bits of
# a number; how much accuracy an int8 graph may lose is judged by scores when it is made.
TOLERANCES: Mapping[str, Tolerance] = {
    'fp32': Tolerance(heatmap_max_abs=1e-3, peaks_missed=0.0, iou_min=0.995, cosine_min=0.9999),
    'fp16': Tolerance(heatmap_max_abs=0.02, peaks_missed=0.02, iou_min=0.95, cosine_min=0.995),
    'bf16': Tolerance(heatmap_max_abs=0.05, peaks_missed=0.05, iou_min=0.9, cosine_min=0.98),
    'int8': Tolerance(heatmap_max_abs=0.35, peaks_missed=0.2, iou_min=0.5, cosine_min=0.8),
}


def compare(
    reference: Backend, other: Backend, images_rgb: NDArray[np.uint8], *, batch: int = 1
) -> Parity:
    """Compare two backends of one network.

    Args:
        reference: torch in float32.
        other: what is checked.
        images_rgb: (N, H, W, 3) uint8, letterboxed, in order of time.
        batch: images that are given at a time.

    Raises:
        InputError: the reference finds nothing in the images.
    """
    found: list[_Seen] = []
    heat: NDArray[np.float32] | None = None
    for start in range(0, len(images_rgb), batch):
        shown = images_rgb[start : start + batch]
        prior = None if heat is None else _prior(heat, len(shown), reference.prior_planes)
        a, b = reference.run(shown, prior), other.run(shown, prior)
        heat = a.heatmap
        found += [_one_image(a, b, index) for index in range(len(shown))]
    return _summary(found)


def failures(parity: Parity, tolerance: Tolerance) -> list[str]:
    """What is out of bounds, one line each; none where the graph may ship."""
    share = parity.peaks_missed / max(parity.peaks, 1)
    checks = (
        ('heat map differs by', parity.heatmap_max_abs, tolerance.heatmap_max_abs, True),
        ('share of peaks missed', share, tolerance.peaks_missed, True),
        ('overlap of boxes', parity.iou_min, tolerance.iou_min, False),
        ('cosine of embeddings', parity.cosine_min, tolerance.cosine_min, False),
    )
    return [
        f'{what} {value:.4g}, expected at {"most" if upper else "least"} {bound:g}'
        for what, value, bound, upper in checks
        # Written so that NaN, which compares false with everything, fails.
        if not (value <= bound if upper else value >= bound)
    ]


@dataclass(frozen=True, eq=False, kw_only=True)
class _Seen:
    """One image: what both say at the reference's peaks."""

    heatmap_max_abs: float
    missed: int
    peaks: Peaks
    values: tuple[PeakValues, PeakValues]


def _one_image(a: NetworkOutput, b: NetworkOutput, index: int) -> _Seen:
    first, second = a.heatmap[index], b.heatmap[index]
    peaks = find_peaks(first, DecodeConfig(min_score=MIN_SCORE, max_detections=MAX_PEAKS))
    if not len(peaks[0]):
        peaks = find_peaks(first, DecodeConfig(min_score=_FEW, max_detections=MAX_PEAKS))
    _, _, ys, xs = peaks
    return _Seen(
        heatmap_max_abs=float(np.abs(first - second).max()),
        missed=_missed(peaks, second),
        peaks=peaks,
        values=(a.gather(index, ys, xs), b.gather(index, ys, xs)),
    )


def _missed(peaks: Peaks, heatmap: NDArray[np.float32]) -> int:
    """Peaks of which the heat map has none of half the score, of the same class, nearby."""
    if not len(peaks[0]):
        return 0
    floor = float(peaks[0].min()) / 2
    _, classes, ys, xs = find_peaks(heatmap, DecodeConfig(min_score=floor, max_detections=5000))
    same = peaks[1][:, None] == classes
    near = np.maximum(abs(peaks[2][:, None] - ys), abs(peaks[3][:, None] - xs)) <= _NEAR
    return int((~(same & near).any(axis=1)).sum())


def _summary(found: Sequence[_Seen]) -> Parity:
    n_peaks = sum(len(seen.peaks[0]) for seen in found)
    if not n_peaks:
        raise InputError(
            f'parity: the network finds nothing with a score of {_FEW} in {len(found)} images, so '
            f'boxes cannot be compared; give images of road users with --input'
        )
    sides, overlaps, cosines = [], [], []
    for seen in found:
        a, b = (_boxes_px(values, seen.peaks) for values in seen.values)
        sides.append(np.abs(a - b).reshape(-1))
        overlaps.append(_iou(a, b))
        first, second = (values.embeddings for values in seen.values)
        cosines.append((first * second).sum(axis=1))
    return Parity(
        images=len(found),
        heatmap_max_abs=max(seen.heatmap_max_abs for seen in found),
        peaks=n_peaks,
        peaks_missed=sum(seen.missed for seen in found),
        box_error_px=float(np.concatenate(sides).max()),
        iou_min=float(np.concatenate(overlaps).min()),
        cosine_min=float(np.concatenate(cosines).min()),
    )


def _boxes_px(values: PeakValues, peaks: Peaks) -> NDArray[np.float64]:
    """Boxes (K, 4) in pixels of the network's input."""
    centre = np.stack([peaks[3], peaks[2]], axis=1) + values.offset.astype(np.float64)
    corners = [centre - values.ltrb[:, :2], centre + values.ltrb[:, 2:]]
    return np.concatenate(corners, axis=1) * STRIDE


def _iou(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Overlap of the boxes of a row; 1 where neither has an area."""
    low, high = np.maximum(a[:, :2], b[:, :2]), np.minimum(a[:, 2:], b[:, 2:])
    common = np.clip(high - low, 0, None).prod(axis=1)
    union = sum(np.clip(x[:, 2:] - x[:, :2], 0, None).prod(axis=1) for x in (a, b)) - common
    return np.where(union > 0, common / np.maximum(union, 1e-12), 1.0)


def _prior(heat: NDArray[np.float32], n: int, planes: int) -> NDArray[np.float32] | None:
    """A prior of `planes` planes from the latest heat map; planes of trust are a third of it."""
    if not planes:
        return None
    latest = heat[-1]  # (n_class, h, w)
    trust = np.repeat(latest.max(axis=0, keepdims=True) / 3, max(planes - len(latest), 0), axis=0)
    told = np.concatenate([latest, trust])[:planes]
    return np.repeat(told[None], n, axis=0).astype(np.float32)
