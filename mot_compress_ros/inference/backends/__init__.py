"""Runtimes that evaluate a network, one file each, behind one contract.

A backend takes letterboxed images and returns a `NetworkOutput`: the heat map, and the other heads
read at given cells. Only the cells of peaks are ever read, so a backend is free to evaluate those
heads there alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.inference.checkpoint import Bundle
from mot_compress_ros.options import option


@dataclass(frozen=True, eq=False, kw_only=True)
class PeakValues:
    """Values of the box and re-ID heads at K cells of one image.

    Attributes:
        ltrb: (K, 4) float32, distances from the centre to left, top, right, bottom, in cells.
        offset: (K, 2) float32, sub-cell offset (x, y) of the centre.
        embeddings: (K, D) float32, unit length.
    """

    ltrb: NDArray[np.float32]
    offset: NDArray[np.float32]
    embeddings: NDArray[np.float32]


class NetworkOutput(Protocol):
    """What a network says of a batch of B images, at stride 4."""

    @property
    def heatmap(self) -> NDArray[np.float32]:
        """(B, n_class, H / 4, W / 4) in 0..1, after the sigmoid."""

    def gather(self, image_index: int, ys: NDArray[np.int64], xs: NDArray[np.int64]) -> PeakValues:
        """The other heads of image `image_index` at K cells (`ys`, `xs`)."""


class Backend(Protocol):
    """A runtime with a network loaded, warm and ready."""

    @property
    def name(self) -> str:
        """Runtime, device and precision, for diagnostics: 'torch_eager cpu bf16'."""

    @property
    def prior_planes(self) -> int:
        """How many planes of a prior the network takes (`inference.prior`); 0: none."""

    def run(
        self, images_rgb: NDArray[np.uint8], prior: NDArray[np.float32] | None = None
    ) -> NetworkOutput:
        """Evaluate the network.

        Args:
            images_rgb: letterboxed images (B, H, W, 3) uint8, RGB, H and W of the network.
            prior: (B, `prior_planes`, H / 4, W / 4) where the network takes any; None is zeros.
        """


@runtime_checkable
class Accelerated(Protocol):
    """What a backend has besides where its device has queues and a memory of its own."""

    def work_apart(self, *, urgent: bool) -> None:
        """Use a queue of its own from now on; what is urgent is taken first by the device."""

    def free_memory(self) -> None:
        """Give back what is held for later, as after running out of memory."""


BackendFactory = Callable[[Bundle, 'BackendOptions'], Backend]


def _torch_eager() -> BackendFactory:
    from mot_compress_ros.inference.backends.torch_eager import TorchEagerBackend

    return TorchEagerBackend


def _scripted() -> BackendFactory:
    from mot_compress_ros.inference.backends.scripted import ScriptedBackend

    return ScriptedBackend


def _torch_device() -> Callable[[str], str]:
    from mot_compress_ros.inference.backends.torch_eager import device_type

    return device_type


# Imported when called: each runtime is a heavy import, and only the chosen one need be installed.
BACKENDS: Mapping[str, Callable[[], BackendFactory]] = {
    'torch_eager': _torch_eager,
    'scripted': _scripted,
}
SCRIPTED = 'scripted'
# 'cpu' or 'cuda' of the value of `device`, without loading a network.
DEVICES: Mapping[str, Callable[[], Callable[[str], str]]] = {
    'torch_eager': _torch_device,
    'scripted': lambda: lambda device: 'cpu',
}


@dataclass(frozen=True, kw_only=True)
class BackendOptions:
    """How a runtime is to run a network."""

    # A bundle of the scripted architecture always runs scripted, and no other ever does.
    backend: str = option(
        'torch_eager',
        'runtime that evaluates the networks',
        choices=tuple(name for name in BACKENDS if name != SCRIPTED),
    )
    device: str = option('auto', 'where it runs', choices=('auto', 'cpu', 'cuda'))
    precision: str = option(
        'auto',
        'number format of the network; auto: fp16 on CUDA, bf16 on CPUs that have it, else fp32',
        choices=('auto', 'fp32', 'bf16', 'fp16'),
    )
    threads: int = option(
        0, 'CPU threads of the runtime; 0 leaves the choice to it', minimum=0, maximum=1024
    )
