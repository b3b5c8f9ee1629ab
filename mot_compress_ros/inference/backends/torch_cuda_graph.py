"""PyTorch on CUDA with the whole network recorded as one CUDA graph.

At batch 1 a small network is bound by the launches of its kernels; a graph launches all of them at
once. Images come in as uint8 from page-locked memory and become numbers in 0..1 on the device.
**Untested on hardware**: written from torch's documentation, skipped by the tests without a GPU.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor

from mot_compress_ros.errors import InvalidOptionError
from mot_compress_ros.inference.backends import BackendOptions
from mot_compress_ros.inference.backends.torch_eager import load_network, PRECISIONS
from mot_compress_ros.inference.backends.torch_output import on_stream, TorchOutput
from mot_compress_ros.inference.checkpoint import Bundle
from mot_compress_ros.networks import fuse_batch_norm, JointDetector, merge_focus
from mot_compress_ros.preprocess import STRIDE

WARM_UP_RUNS = 3  # before recording: cuDNN chooses its kernels, the allocator its blocks


class TorchCudaGraphBackend:
    """The network of a bundle as CUDA graphs, one for each shape of a batch.

    All heads are dense: reading at peaks needs kernels of a size that is not known beforehand.

    Raises:
        InvalidOptionError: there is no CUDA device, or the option is not one it has.
    """

    def __init__(self, bundle: Bundle, options: BackendOptions) -> None:
        device_type(options.device)
        self._device = torch.device('cuda')
        precision = _precision(options)
        self._dtype = PRECISIONS[precision]
        network = merge_focus(fuse_batch_norm(load_network(bundle).eval()))
        self._network = network.to(self._device, self._dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._recorded: dict[tuple[int, ...], Recorded] = {}
        self._stream: torch.cuda.Stream | None = None
        self.name = f'torch_cuda_graph cuda {precision}'

    @property
    def prior_planes(self) -> int:
        """As the network's architecture says."""
        return self._network.prior_planes

    @torch.inference_mode()
    def run(
        self, images_rgb: NDArray[np.uint8], prior: NDArray[np.float32] | None = None
    ) -> TorchOutput:
        """Evaluate (B, H, W, 3) uint8 RGB images; a new shape is recorded first."""
        with on_stream(self._stream):
            shape = images_rgb.shape
            if shape not in self._recorded:
                self._recorded[shape] = record(self._network, shape, dtype=self._dtype)
            recorded = self._recorded[shape]
            recorded.replay(images_rgb, prior)
            # Copies, for the next replay overwrites the graph's own maps.
            maps = {name: value.clone() for name, value in recorded.maps.items()}
            return TorchOutput(maps, self._network, self._stream)

    def work_apart(self, *, urgent: bool) -> None:
        """Use a CUDA stream of its own from now on; the default one has the lowest priority."""
        self._stream = torch.cuda.Stream(self._device, priority=-1 if urgent else 0)
        self._stream.wait_stream(torch.cuda.current_stream(self._device))

    def free_memory(self) -> None:
        """Give back the graphs and the memory that torch keeps; the next run records anew."""
        torch.cuda.synchronize(self._device)
        self._recorded.clear()
        torch.cuda.empty_cache()


@dataclass(frozen=True, eq=False, kw_only=True)
class Recorded:
    """A recorded graph and the memory that it reads and writes.

    Attributes:
        graph: what was recorded.
        staging: page-locked (B, H, W, 3) uint8 on the host.
        images: (B, H, W, 3) uint8 on the device.
        prior: (B, P, H / 4, W / 4) on the device.
        maps: raw maps of the heads on the device.
    """

    graph: torch.cuda.CUDAGraph
    staging: Tensor
    images: Tensor
    prior: Tensor
    maps: dict[str, Tensor]

    def replay(self, images_rgb: NDArray[np.uint8], prior: NDArray[np.float32] | None) -> None:
        """Evaluate the graph on new images; on the current stream, in order.

        The caller reads the heat map on the host before it calls again, so the staging memory is
        free by then.
        """
        self.staging.numpy()[:] = images_rgb
        self.images.copy_(self.staging, non_blocking=True)
        if prior is None:
            self.prior.zero_()
        else:
            self.prior.copy_(torch.from_numpy(prior))
        self.graph.replay()


def record(network: JointDetector, shape: tuple[int, ...], *, dtype: torch.dtype) -> Recorded:
    """Record the network for images of `shape` (B, H, W, 3), after a warm-up on a side stream."""
    batch, height, width, _ = shape
    device = torch.device('cuda')
    images = torch.zeros(shape, dtype=torch.uint8, device=device)
    prior = torch.zeros(
        (batch, network.prior_planes, height // STRIDE, width // STRIDE),
        dtype=dtype,
        device=device,
    )

    def evaluate() -> dict[str, Tensor]:
        return network(images.permute(0, 3, 1, 2).to(dtype).div(255), prior)

    side = torch.cuda.Stream(device)
    side.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(side):
        for _ in range(WARM_UP_RUNS):
            evaluate()
    torch.cuda.current_stream(device).wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        maps = evaluate()
    return Recorded(
        graph=graph,
        staging=torch.zeros(shape, dtype=torch.uint8, pin_memory=True),
        images=images,
        prior=prior,
        maps=maps,
    )


def device_type(name: str) -> str:
    """'cuda', the only device that has graphs.

    Raises:
        InvalidOptionError: another one was asked for, or torch sees none.
    """
    if name == 'cpu' or not torch.cuda.is_available():
        raise InvalidOptionError(
            f'backend: torch_cuda_graph needs a CUDA device, got device {name} and '
            f'{torch.cuda.device_count()} of them; use torch_eager, openvino or onnx_runtime'
        )
    return 'cuda'


def _precision(options: BackendOptions) -> str:
    wanted = replace(options, precision='fp16') if options.precision == 'auto' else options
    if wanted.precision not in PRECISIONS:
        raise InvalidOptionError(
            f'precision: torch_cuda_graph has {", ".join(PRECISIONS)}, got {wanted.precision}'
        )
    if options.sparse_heads == 'on':
        raise InvalidOptionError(
            'sparse_heads: torch_cuda_graph evaluates heads densely; use off or auto, or the '
            'backend torch_eager'
        )
    return wanted.precision
