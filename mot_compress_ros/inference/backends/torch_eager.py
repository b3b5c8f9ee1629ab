"""Plain PyTorch, CPU or CUDA: the reference every other runtime is compared with."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor

from mot_compress_ros.errors import BundleError, InvalidOptionError
from mot_compress_ros.inference.backends import BackendOptions, PeakValues
from mot_compress_ros.inference.checkpoint import Bundle
from mot_compress_ros.networks import ArchitectureConfig, fuse_batch_norm, JointDetector
from mot_compress_ros.options import from_mapping

PRECISIONS = {'fp32': torch.float32, 'bf16': torch.bfloat16, 'fp16': torch.float16}


class TorchOutput:
    """Maps of one batch; the heat map is on the host, the others stay where they are.

    Args:
        maps: of the network's heads, (B, n, h, w) each.
        network: makes embeddings of the vectors (K, D) of its map `id`.
        stream: what the maps were made on; None for the default one.
    """

    def __init__(
        self,
        maps: dict[str, Tensor],
        network: JointDetector,
        stream: torch.cuda.Stream | None = None,
    ) -> None:
        self._maps = maps
        self._stream = stream
        self._embeddings = network.embeddings
        self._heatmap: NDArray[np.float32] = maps['hm'].float().sigmoid().cpu().numpy()

    @property
    def heatmap(self) -> NDArray[np.float32]:
        """(B, n_class, h, w) in 0..1."""
        return self._heatmap

    @torch.inference_mode()
    def gather(self, image_index: int, ys: NDArray[np.int64], xs: NDArray[np.int64]) -> PeakValues:
        """Box and re-ID values at K cells of one image."""
        rows, columns = torch.from_numpy(ys), torch.from_numpy(xs)

        def read(name: str) -> Tensor:
            values = self._maps[name][image_index]  # (n, h, w)
            return values[:, rows.to(values.device), columns.to(values.device)].T.float()

        with _on(self._stream):
            return PeakValues(
                ltrb=read('wh').cpu().numpy(),
                offset=read('reg').cpu().numpy(),
                embeddings=self._embeddings(read('id')).cpu().numpy(),
            )


class TorchEagerBackend:
    """The network of a bundle in eager mode, BatchNorm folded, channels-last."""

    def __init__(self, bundle: Bundle, options: BackendOptions) -> None:
        self._device = _device(options.device)
        precision = _precision(options.precision, self._device)
        self._dtype = PRECISIONS[precision]
        if options.threads:
            torch.set_num_threads(options.threads)
        network = fuse_batch_norm(load_network(bundle).eval())
        self._network = network.to(self._device, self._dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._prior_planes = network.prior_planes
        self._stream: torch.cuda.Stream | None = None  # None: that of everybody
        self.name = f'torch_eager {self._device.type} {precision}'

    @property
    def prior_planes(self) -> int:
        """As the network's architecture says."""
        return self._prior_planes

    def run(
        self, images_rgb: NDArray[np.uint8], prior: NDArray[np.float32] | None = None
    ) -> TorchOutput:
        """Evaluate (B, H, W, 3) uint8 RGB images."""
        with torch.inference_mode(), _on(self._stream):
            images = torch.from_numpy(images_rgb).to(self._device)
            images = images.permute(0, 3, 1, 2).to(self._dtype).div_(255)  # (B, 3, H, W)
            if prior is None:
                return TorchOutput(self._network(images), self._network, self._stream)
            told = torch.from_numpy(prior).to(self._device, self._dtype)
            return TorchOutput(self._network(images, told), self._network, self._stream)

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


def _on(stream: torch.cuda.Stream | None) -> AbstractContextManager[object]:
    return nullcontext() if stream is None else torch.cuda.stream(stream)


def _device(name: str) -> torch.device:
    if name == 'auto':
        return torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    if name == 'cuda' and not torch.cuda.is_available():
        raise InvalidOptionError('device: cuda asked for, but torch sees none; use auto or cpu')
    return torch.device(name)


def _precision(name: str, device: torch.device) -> str:
    """`auto`: fp16 on CUDA, bf16 on CPUs that multiply in it, else fp32."""
    if name != 'auto':
        return name
    if device.type == 'cuda':
        return 'fp16'
    return 'bf16' if torch.cpu._is_avx512_bf16_supported() else 'fp32'
