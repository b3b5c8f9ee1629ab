"""What a torch network says, with all heads evaluated densely or all but one at peaks only."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext

import numpy as np
from numpy.typing import NDArray
import torch
from torch import nn, Tensor
from torch.nn import functional as F

from mot_compress_ros.inference.backends import PeakValues
from mot_compress_ros.networks import JointDetector

PEAK_HEADS = ('wh', 'reg', 'id')  # those that decode reads at peaks alone


class TorchOutput:
    """Maps of one batch; the heat map is on the host, the others stay where they are.

    Args:
        maps: of the network's heads, (B, n, h, w) each.
        network: makes embeddings of the vectors (K, D) of its map `id`.
        stream: what the maps were made on; None for the default one.
    """

    def __init__(
        self,
        maps: Mapping[str, Tensor],
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
        with on_stream(self._stream):
            ltrb, offset, vectors = self._read(image_index, rows, columns)
            return PeakValues(
                ltrb=ltrb.cpu().numpy(),
                offset=offset.cpu().numpy(),
                embeddings=self._embeddings(vectors).cpu().numpy(),
            )

    def _read(self, image_index: int, rows: Tensor, columns: Tensor) -> list[Tensor]:
        """Values (K, n) of `PEAK_HEADS` at cells of one image."""
        device = self._maps['wh'].device
        rows, columns = rows.to(device), columns.to(device)
        return [
            self._maps[name][image_index][:, rows, columns].T.float()  # of (n, h, w)
            for name in PEAK_HEADS
        ]


class TorchPeakOutput(TorchOutput):
    """The heat map, and of the other heads what they read; they are evaluated in `gather`.

    A head is a 3x3 and a 1x1 convolution, so its value at a cell follows from the 3 x 3 cells
    around that one: the same numbers but for rounding, from a small part of the products.

    Args:
        heatmap: raw map `hm` (B, n_class, h, w).
        inputs: the map (B, C, h, w) that each of `PEAK_HEADS` reads.
        heads: these heads in float32, on the device of their inputs.
        network: as for `TorchOutput`.
        stream: as for `TorchOutput`.
    """

    def __init__(
        self,
        heatmap: Tensor,
        inputs: Mapping[str, Tensor],
        heads: Mapping[str, nn.Sequential],
        network: JointDetector,
        stream: torch.cuda.Stream | None = None,
    ) -> None:
        super().__init__({'hm': heatmap}, network, stream)
        self._inputs, self._heads = inputs, heads

    def _read(self, image_index: int, rows: Tensor, columns: Tensor) -> list[Tensor]:
        patches: dict[int, Tensor] = {}  # most heads read the same map
        values = []
        for name in PEAK_HEADS:
            read = self._inputs[name]
            if id(read) not in patches:
                patches[id(read)] = patches_around(read[image_index], rows, columns).float()
            values.append(head_at_patches(self._heads[name], patches[id(read)]))
        return values


def patches_around(values: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """The 3 x 3 cells around K cells of a map (C, h, w), zero outside it: (K, C, 3, 3)."""
    height, width = values.shape[-2:]
    window = torch.arange(-1, 2, device=values.device)
    ys = rows.to(values.device)[:, None] + window  # (K, 3)
    xs = columns.to(values.device)[:, None] + window
    inside_y, inside_x = (ys >= 0) & (ys < height), (xs >= 0) & (xs < width)
    inside = inside_y[:, :, None] & inside_x[:, None, :]  # (K, 3, 3)
    ys, xs = ys.clamp(0, height - 1), xs.clamp(0, width - 1)
    patches = values[:, ys[:, :, None], xs[:, None, :]]  # (C, K, 3, 3)
    return torch.where(inside, patches, 0).transpose(0, 1)


def head_at_patches(head: nn.Sequential, patches: Tensor) -> Tensor:
    """A head's values (K, n) in the middle of patches (K, C, 3, 3).

    Its convolutions are matrix products there; as convolutions, each number of peaks would be a
    shape of its own, which the kernels' set-up takes longer for than for the products.
    """
    values = patches.flatten(1)  # (K, C * 9)
    for layer in head:
        if isinstance(layer, nn.Conv2d):
            values = F.linear(values, layer.weight.flatten(1), layer.bias)
        else:
            values = layer(values)
    return values


def on_stream(stream: torch.cuda.Stream | None) -> AbstractContextManager[object]:
    """Work on a CUDA stream; None for the default one."""
    return nullcontext() if stream is None else torch.cuda.stream(stream)
