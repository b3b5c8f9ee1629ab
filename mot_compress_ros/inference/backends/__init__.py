"""Runtimes that evaluate a network, one file each, behind one contract.

A backend takes letterboxed images and returns a `NetworkOutput`: the heat map, and the other heads
read at given cells. Only the cells of peaks are ever read, so a backend is free to evaluate those
heads there alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.errors import InvalidOptionError
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


@dataclass(frozen=True, eq=False, kw_only=True)
class FoundBoxes:
    """What a network that finds boxes itself says of one image: N boxes, the best first.

    Attributes:
        boxes_xyxy_px: (N, 4), in pixels of the network's input.
        scores: (N,) float32 in 0..1.
        class_ids: (N,) int64.
        embeddings: (N, D) float32, unit length.
    """

    boxes_xyxy_px: NDArray[np.floating]
    scores: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    embeddings: NDArray[np.float32]


class NetworkOutput(Protocol):
    """What a network says of a batch of B images, at stride 4."""

    @property
    def heatmap(self) -> NDArray[np.float32]:
        """(B, n_class, H / 4, W / 4) in 0..1, after the sigmoid."""

    def gather(self, image_index: int, ys: NDArray[np.int64], xs: NDArray[np.int64]) -> PeakValues:
        """The other heads of image `image_index` at K cells (`ys`, `xs`)."""


@runtime_checkable
class FindsBoxes(Protocol):
    """What an output has besides where boxes are not read at the peaks of its heat map."""

    def found(self, image_index: int, *, min_score: float, most: int) -> FoundBoxes:
        """At most `most` boxes of one image, of scores from `min_score`."""


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


@runtime_checkable
class Explained(Protocol):
    """What a backend has besides where it was not named by the user."""

    @property
    def reason(self) -> str:
        """What else could have run, and what was measured, in one line."""


BackendFactory = Callable[[Bundle, 'BackendOptions'], Backend]


@contextmanager
def _installed(backend: str, package: str) -> Iterator[None]:
    """Around the import of a runtime: says which package is missing.

    Raises:
        InvalidOptionError: it is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise InvalidOptionError(
            f'backend: {backend} needs the package {package}, which is not installed; '
            f'`pip install {package}`, or use torch_eager'
        ) from None


def _torch_eager() -> BackendFactory:
    from mot_compress_ros.inference.backends.torch_eager import TorchEagerBackend

    return TorchEagerBackend


def _torch_cuda_graph() -> BackendFactory:
    from mot_compress_ros.inference.backends.torch_cuda_graph import TorchCudaGraphBackend

    return TorchCudaGraphBackend


def _openvino() -> BackendFactory:
    with _installed('openvino', 'openvino'):
        from mot_compress_ros.inference.backends.openvino import OpenVinoBackend

    return OpenVinoBackend


def _onnx_runtime() -> BackendFactory:
    with _installed('onnx_runtime', 'onnxruntime'):
        from mot_compress_ros.inference.backends.onnx_runtime import OnnxRuntimeBackend

    return OnnxRuntimeBackend


def _auto() -> BackendFactory:
    from mot_compress_ros.inference.backend_choice import choose_backend

    return choose_backend


def _scripted() -> BackendFactory:
    from mot_compress_ros.inference.backends.scripted import ScriptedBackend

    return ScriptedBackend


def _torch_dense() -> BackendFactory:
    from mot_compress_ros.inference.backends.torch_dense import TorchDenseBackend

    return TorchDenseBackend


def _torch_device() -> Callable[[str], str]:
    from mot_compress_ros.inference.backends.torch_eager import device_type

    return device_type


def _cuda_graph_device() -> Callable[[str], str]:
    from mot_compress_ros.inference.backends.torch_cuda_graph import device_type

    return device_type


def _openvino_device() -> Callable[[str], str]:
    with _installed('openvino', 'openvino'):
        from mot_compress_ros.inference.backends.openvino import device_type

    return device_type


def _onnx_runtime_device() -> Callable[[str], str]:
    with _installed('onnx_runtime', 'onnxruntime'):
        from mot_compress_ros.inference.backends.onnx_runtime import device_type

    return device_type


def _auto_device() -> Callable[[str], str]:
    from mot_compress_ros.inference.backend_choice import device_type

    return device_type


# Imported when called: each runtime is a heavy import, and only the chosen one need be installed.
BACKENDS: Mapping[str, Callable[[], BackendFactory]] = {
    'torch_eager': _torch_eager,
    'torch_cuda_graph': _torch_cuda_graph,
    'openvino': _openvino,
    'onnx_runtime': _onnx_runtime,
    'auto': _auto,
    'scripted': _scripted,
}
AUTO = 'auto'  # no runtime of its own: takes the fastest of the others
SCRIPTED = 'scripted'
# 'cpu' or 'cuda' of the value of `device`, without loading a network.
DEVICES: Mapping[str, Callable[[], Callable[[str], str]]] = {
    'torch_eager': _torch_device,
    'torch_cuda_graph': _cuda_graph_device,
    'openvino': _openvino_device,
    'onnx_runtime': _onnx_runtime_device,
    'auto': _auto_device,
    'scripted': lambda: lambda device: 'cpu',
}
# Architectures that none of these evaluates: the runtime of each, and its device.
OWN_RUNTIMES: Mapping[str, Callable[[], BackendFactory]] = {'cstrack': _torch_dense}
OWN_DEVICES: Mapping[str, Callable[[], Callable[[str], str]]] = {'cstrack': _torch_device}


@dataclass(frozen=True, kw_only=True)
class BackendOptions:
    """How a runtime is to run a network."""

    # A bundle of the scripted architecture always runs scripted, and no other ever does.
    backend: str = option(
        'torch_eager',
        'runtime that evaluates the networks; auto: the one that is fastest here, measured when '
        'the network is loaded',
        choices=tuple(name for name in BACKENDS if name != SCRIPTED),
    )
    device: str = option('auto', 'where it runs', choices=('auto', 'cpu', 'cuda'))
    precision: str = option(
        'auto',
        'number format of the network; auto: int8 where the bundle has such a graph for the '
        'runtime, else fp16 on CUDA, bf16 on CPUs that have it, else fp32',
        choices=('auto', 'fp32', 'bf16', 'fp16', 'int8'),
    )
    sparse_heads: str = option(
        'auto',
        'whether box and re-ID heads are evaluated at the peaks of the heat map alone, which '
        'gives the same detections; auto: on CPUs',
        choices=('auto', 'on', 'off'),
    )
    threads: int = option(
        0, 'CPU threads of the runtime; 0 leaves the choice to it', minimum=0, maximum=1024
    )
