"""A `Backend` around anything that makes maps: a compiled graph, or a network in torch.

So that what is quantized is decoded and scored by the vehicle's own code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
import torch
from torch import nn

from mot_compress_ros.errors import InvalidDataError
from mot_compress_ros.inference.backends import PeakValues
from mot_compress_ros.networks import JointDetector
from offline_training.quantization.float_graph import FEATURE, IMAGES, PRIOR

Floats = NDArray[np.float32]
Maps = Mapping[str, Floats]


class MapsOutput:
    """Dense maps (B, n, h, w) of one batch, `hm` after the sigmoid."""

    def __init__(self, maps: Maps, network: JointDetector) -> None:
        self._maps, self._network = maps, network

    @property
    def heatmap(self) -> Floats:
        """(B, n_class, h, w) in 0..1."""
        return self._maps['hm']

    def gather(self, image_index: int, ys: NDArray[np.int64], xs: NDArray[np.int64]) -> PeakValues:
        """Box and re-ID values at K cells of one image."""

        def read(name: str) -> Floats:
            return np.ascontiguousarray(self._maps[name][image_index][:, ys, xs].T)

        with torch.inference_mode():
            vectors = self._network.embeddings(torch.from_numpy(read('id'))).numpy()
        return PeakValues(ltrb=read('wh'), offset=read('reg'), embeddings=vectors)


class MapsBackend:
    """See the module.

    Args:
        evaluate: images (B, 3, H, W) float32 in 0..1 and a prior, None for a network without, to
            maps by name.
        network: in float32: makes embeddings, and evaluates the heads that a graph leaves out.
        name: for people.
    """

    def __init__(
        self, evaluate: Callable[[Floats, Floats | None], Maps], network: JointDetector, name: str
    ) -> None:
        self._evaluate, self._network = evaluate, network
        self.name = name

    @property
    def prior_planes(self) -> int:
        """As the network's architecture says."""
        return self._network.prior_planes

    def run(self, images_rgb: NDArray[np.uint8], prior: Floats | None = None) -> MapsOutput:
        """Evaluate (B, H, W, 3) uint8 RGB images."""
        return self.run_planes(as_input(images_rgb), prior)

    def run_planes(self, images: Floats, prior: Floats | None = None) -> MapsOutput:
        """Evaluate (B, 3, H, W) images in 0..1."""
        planes = self.prior_planes
        if planes and prior is None:
            batch, _, height, width = images.shape
            prior = np.zeros((batch, planes, height // 4, width // 4), np.float32)
        maps = self._evaluate(images, prior if planes else None)
        return MapsOutput({**maps, **self._left_out(maps)}, self._network)

    def _left_out(self, maps: Maps) -> dict[str, Floats]:
        """The heads that read the features of a sparse graph, evaluated everywhere."""
        found = {}
        for name, feature in maps.items():
            if name.startswith(FEATURE):
                with torch.inference_mode():
                    given = torch.from_numpy(np.array(feature))
                    for head in name.removeprefix(FEATURE).split('_'):
                        found[head] = getattr(self._network, head)(given).numpy()
        return found


def as_input(images_rgb: NDArray[np.uint8]) -> Floats:
    """(B, H, W, 3) uint8 RGB to (B, 3, H, W) in 0..1."""
    planes = images_rgb.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)
    return np.ascontiguousarray(planes)


def of_graph(compiled: Any, network: JointDetector, *, name: str, batch: int = 1) -> MapsBackend:
    """The backend of an `openvino.CompiledModel` of `batch` images; fewer are filled up."""

    def evaluate(images: Floats, prior: Floats | None) -> Maps:
        given = {IMAGES: images, **({} if prior is None else {PRIOR: prior})}
        filled = {key: _filled(value, batch) for key, value in given.items()}
        result = compiled(filled)
        return {
            port.get_any_name(): np.array(result[port][: len(images)]) for port in compiled.outputs
        }

    return MapsBackend(evaluate, network, name)


def _filled(rows: Floats, count: int) -> Floats:
    """The rows again and again until there are `count`."""
    if len(rows) > count:
        raise InvalidDataError(f'a graph of {count} images at a time was given {len(rows)}')
    return rows if len(rows) == count else np.resize(rows, (count, *rows.shape[1:]))


def of_network(module: nn.Module, network: JointDetector, *, name: str) -> MapsBackend:
    """The backend of a module in torch that gives raw maps, such as `network` itself."""

    def evaluate(images: Floats, prior: Floats | None) -> Maps:
        with torch.inference_mode():
            told = () if prior is None else (torch.from_numpy(prior),)
            maps = dict(module(torch.from_numpy(images), *told))
            maps['hm'] = maps['hm'].sigmoid()
            return {key: value.float().numpy() for key, value in maps.items()}

    return MapsBackend(evaluate, network, name)
