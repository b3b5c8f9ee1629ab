"""Frames that calibrate: letterboxed as in the vehicle, with and without a prior."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.datatypes import Frame
from mot_compress_ros.errors import InputError, InvalidOptionError
from mot_compress_ros.inference import DecodeConfig
from mot_compress_ros.inference.decode import decode
from mot_compress_ros.preprocess import letterbox_rgb
from mot_compress_ros.sources import KINDS, open_source
from offline_training.datasets.collect import collect_sources
from offline_training.datasets.opening import open_set
from offline_training.distillation.prior import NOTHING_MOVED, objects_of, painted
from offline_training.evaluation.inference import read_frame
from offline_training.quantization.maps_backend import as_input, MapsBackend
from offline_training.recipes import read_recipe

PRIOR_AGES_S = (0.1, 0.3, 0.6)  # of what a teacher saw, in turn
PRIOR_FPS = 10.0  # by which a tracker's doubt grows


@dataclass(frozen=True, eq=False, kw_only=True)
class Sample:
    """Images for a network, one or a batch.

    Attributes:
        images_rgb: (B, H, W, 3) uint8, letterboxed; floats would take four times the memory.
        prior: (B, P, H / 4, W / 4), None where the network takes none.
    """

    images_rgb: NDArray[np.uint8]
    prior: NDArray[np.float32] | None = None

    @property
    def images(self) -> NDArray[np.float32]:
        """(B, 3, H, W) in 0..1."""
        return as_input(self.images_rgb)

    @property
    def inputs(self) -> tuple[NDArray[np.float32], ...]:
        """In the order of the network's inputs."""
        return (self.images,) if self.prior is None else (self.images, self.prior)


def calibration_frames(
    paths: Sequence[Path],
    count: int,
    *,
    data: Path | None = None,
    settings: Mapping[str, object] | None = None,
) -> list[Frame]:
    """`count` frames evenly over all inputs, or all where there are fewer.

    Args:
        paths: each a bag, a video, a folder of images, a labelled set of any layout, or a training
            recipe (.yaml), of whose sources the frames are, by their weights.
        count: how many.
        data: folder that the sources of a recipe are relative to.
        settings: options of a labelled set (`SourceConfig`).

    Raises:
        InputError: an input cannot be read, or there is not one frame.
    """
    shares = [len(part) for part in np.array_split(np.arange(count), len(paths))]
    frames: list[Frame] = []
    for path, share in zip(paths, shares, strict=True):
        frames += _frames(path, share, data, settings or {})
    if not frames:
        raise InputError(
            f'{", ".join(map(str, paths))}: not one frame; give another --calibration'
        )
    return frames


def _frames(
    path: Path, count: int, data: Path | None, settings: Mapping[str, object]
) -> Iterator[Frame]:
    if path.suffix in ('.yaml', '.yml') and path.is_file():
        yield from _of_recipe(path, count, data)
    elif not settings and any(kind.matches(path) for kind in KINDS.values()):
        source = open_source(path, fps_hz=PRIOR_FPS)  # time means nothing here
        wanted = set(_evenly(len(source), count))
        yield from (frame for index, frame in enumerate(source) if index in wanted)
    else:
        labelled = open_set(path, settings)
        files = [p for s in labelled.sequences for p in s.image_paths]
        files += [image.path for image in labelled.images]
        yield from (read_frame(files[index]) for index in _evenly(len(files), count))


def _of_recipe(path: Path, count: int, data: Path | None) -> Iterator[Frame]:
    if data is None:
        raise InvalidOptionError(f'--data: needed for {path}, whose sources are relative to it')
    sources = collect_sources(read_recipe(path).sources, data)
    weights = np.array([source.weight for source in sources])
    ends = np.round(np.cumsum(weights) / weights.sum() * count).astype(int)
    for source, share in zip(sources, np.diff(ends, prepend=0), strict=True):
        for index in _evenly(len(source.images), int(share)):
            yield read_frame(source.images[index].path)


def _evenly(available: int, count: int) -> list[int]:
    """Up to `count` different numbers below `available`, each in the middle of its part."""
    n = min(available, count)
    return [int((k + 0.5) * available / n) for k in range(n)]


def calibration_samples(
    frames: Sequence[Frame], network: MapsBackend, *, input_size_wh: tuple[int, int]
) -> list[Sample]:
    """The frames as the network gets them in the vehicle.

    A network that takes a prior gets each frame twice: without one, as after a failed teacher, and
    with what itself finds in the frame, painted as a teacher's finds of some time ago are.
    """
    samples, ages_s = [], cycle(PRIOR_AGES_S)
    for frame in frames:
        image, _ = letterbox_rgb(frame, size_wh=input_size_wh)
        if not network.prior_planes:
            samples.append(Sample(images_rgb=image[None]))
            continue
        told = rendered_prior(network, as_input(image[None]), age_s=next(ages_s))
        priors = (np.zeros_like(told), told)
        samples += [Sample(images_rgb=image[None], prior=prior) for prior in priors]
    return samples


def rendered_prior(
    network: MapsBackend, images: NDArray[np.float32], *, age_s: float
) -> NDArray[np.float32]:
    """Φ (1, P, H / 4, W / 4) of what a network finds in one image without a prior."""
    output = network.run_planes(images)
    found = decode(output, 0, transform=NOTHING_MOVED, config=DecodeConfig(), embedding_space='')
    _, n_class, height, width = output.heatmap.shape
    objects = objects_of(
        found.boxes_xyxy_px,
        found.class_ids,
        scores=found.scores,
        velocities_px_s=np.full((len(found), 2), np.nan),
        fps=PRIOR_FPS,
    )
    planes = painted(
        objects, update='render', age_s=age_s, n_class=n_class, shape_hw=(height, width)
    )
    return np.ascontiguousarray(planes[None, : network.prior_planes], np.float32)
