"""Plain PyTorch, CPU or CUDA: the reference every other runtime is compared with."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
from numpy.typing import NDArray
import torch

from mot_compress_ros.errors import BundleError, InvalidOptionError
from mot_compress_ros.inference.backends import BackendOptions
from mot_compress_ros.inference.backends.torch_output import (
    on_stream,
    PEAK_HEADS,
    TorchOutput,
    TorchPeakOutput,
)
from mot_compress_ros.inference.checkpoint import Bundle
from mot_compress_ros.networks import (
    ArchitectureConfig,
    fuse_batch_norm,
    JointDetector,
    merge_focus,
    resized,
)
from mot_compress_ros.options import from_mapping

PRECISIONS = {'fp32': torch.float32, 'bf16': torch.bfloat16, 'fp16': torch.float16}


class TorchEagerBackend:
    """The network of a bundle in eager mode, BatchNorm folded, channels-last."""

    def __init__(self, bundle: Bundle, options: BackendOptions) -> None:
        self._device = _device(options.device)
        precision = _precision(options.precision, self._device)
        self._dtype = PRECISIONS[precision]
        if options.threads:
            torch.set_num_threads(options.threads)
        network = merge_focus(fuse_batch_norm(load_network(bundle).eval()))
        self._sparse = _sparse(options.sparse_heads, self._device)
        self._heads = {
            name: deepcopy(getattr(network, name)).to(self._device) for name in PEAK_HEADS
        }
        self._network = network.to(self._device, self._dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._prior_planes = network.prior_planes
        self._stream: torch.cuda.Stream | None = None  # None: that of everybody
        heads = '' if self._sparse else ' dense heads'
        self.name = f'torch_eager {self._device.type} {precision}{heads}'

    @property
    def prior_planes(self) -> int:
        """As the network's architecture says."""
        return self._prior_planes

    def run(
        self, images_rgb: NDArray[np.uint8], prior: NDArray[np.float32] | None = None
    ) -> TorchOutput:
        """Evaluate (B, H, W, 3) uint8 RGB images."""
        with torch.inference_mode(), on_stream(self._stream):
            images = torch.from_numpy(images_rgb).to(self._device)
            images = images.permute(0, 3, 1, 2).to(self._dtype).div_(255)  # (B, 3, H, W)
            told = None
            if prior is not None:
                told = torch.from_numpy(prior).to(self._device, self._dtype)
            if not self._sparse:
                return TorchOutput(self._network(images, told), self._network, self._stream)
            inputs = self._network.head_inputs(images, told)
            heatmap = self._network.hm(inputs['hm'])
            return TorchPeakOutput(heatmap, inputs, self._heads, self._network, self._stream)

    def work_apart(self, *, urgent: bool) -> None:
        """Use a CUDA stream of its own from now on; the default one has the lowest priority."""
        if self._device.type == 'cuda':
            self._stream = torch.cuda.Stream(self._device, priority=-1 if urgent else 0)
            self._stream.wait_stream(torch.cuda.current_stream(self._device))  # for the weights

    def free_memory(self) -> None:
        """Give back the memory that torch keeps for later."""
        if self._device.type == 'cuda':
            torch.cuda.empty_cache()


def load_network(bundle: Bundle) -> JointDetector:
    """The network of a bundle with its weights, float32.

    Raises:
        BundleError: the architecture is unknown or a tensor is missing, foreign or misshapen.
    """
    network = JointDetector(architecture_of(bundle))
    if bundle.manifest.channels:
        network = resized(network, bundle.manifest.channels)
    expected = network.state_dict()
    tensors = {key: torch.from_numpy(np.array(t)) for key, t in bundle.tensors.items()}
    wrong = [
        f'{key} {tuple(tensors[key].shape) if key in tensors else "missing"} '
        f'(expected {tuple(want.shape)})'
        for key, want in expected.items()
        if key not in tensors or tensors[key].shape != want.shape
    ] + [f'{key} is not a tensor of this network' for key in tensors if key not in expected]
    if wrong:
        raise BundleError(
            f'{bundle.path}: {len(wrong)} tensors do not fit the architecture in model.json, '
            f'the first: {wrong[0]}; export the model again'
        )
    network.load_state_dict(tensors)
    return network


def architecture_of(bundle: Bundle) -> ArchitectureConfig:
    """What the manifest says of the network.

    Raises:
        BundleError: it is none of those that are known here.
    """
    try:
        return from_mapping(ArchitectureConfig, bundle.manifest.architecture)
    except InvalidOptionError as error:
        raise BundleError(f'{bundle.path}: architecture: {error}') from None


def device_type(name: str) -> str:
    """'cpu' or 'cuda': where a network goes with `device` set to `name`.

    Raises:
        InvalidOptionError: the device is not there.
    """
    return _device(name).type


def _device(name: str) -> torch.device:
    if name == 'auto':
        return torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    if name == 'cuda' and not torch.cuda.is_available():
        raise InvalidOptionError('device: cuda asked for, but torch sees none; use auto or cpu')
    return torch.device(name)


def _sparse(wanted: str, device: torch.device) -> bool:
    """`auto`: on CPUs, where the products of dense heads are a quarter of a small network's time.

    On CUDA the products cost little beside the launches of their kernels, of which reading at
    peaks needs more.
    """
    return device.type == 'cpu' if wanted == 'auto' else wanted == 'on'


def _precision(name: str, device: torch.device) -> str:
    """`auto`: fp16 on CUDA, bf16 on CPUs that multiply in it, else fp32."""
    if name == 'int8':
        raise InvalidOptionError(
            'precision: int8 asked for, but torch_eager has none; use backend openvino, or fp32, '
            'bf16 or fp16'
        )
    if name != 'auto':
        return name
    if device.type == 'cuda':
        return 'fp16'
    return 'bf16' if torch.cpu._is_avx512_bf16_supported() else 'fp32'
