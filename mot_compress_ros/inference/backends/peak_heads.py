"""Box and re-ID heads evaluated at given cells in numpy, for runtimes that give only maps.

The heads are small, and only the cells of peaks are ever read; evaluated there, with the bundle's
own weights, they cost less than one layer of the network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.inference.checkpoint import Bundle

PEAK_HEADS = ('wh', 'reg', 'id')
Floats = NDArray[np.float32]


def _silu(x: Floats) -> Floats:
    # Written with tanh, which cannot overflow: x * sigmoid(x).
    return x * (np.float32(0.5) * (np.tanh(np.float32(0.5) * x) + np.float32(1)))


# The members of `graphs.ACTIVATIONS`.
_ACTIVATIONS: Mapping[str, Callable[[Floats], Floats]] = {
    'silu': _silu,
    'relu': lambda x: np.maximum(x, np.float32(0)),
    'relu6': lambda x: np.clip(x, np.float32(0), np.float32(6)),
    'hardswish': lambda x: x * np.clip(x + np.float32(3), 0, 6) / np.float32(6),
}


class PeakHeads:
    """The heads `wh`, `reg` and `id` of a bundle, each 3x3 convolution, activation, 1x1.

    Args:
        bundle: has the weights `wh.0.weight`, `wh.0.bias`, `wh.2.weight` ...
        activation: between the layers, a name in `graphs.ACTIVATIONS`.
    """

    def __init__(self, bundle: Bundle, *, activation: str) -> None:
        self._activation = _ACTIVATIONS[activation]
        self._layers = {name: _layers(bundle, name) for name in PEAK_HEADS}

    def evaluate(self, name: str, patches: Floats) -> Floats:
        """Raw values (K, n) of a head in the middle of patches (K, C, 3, 3) of what it reads."""
        first, first_bias, last, last_bias = self._layers[name]
        hidden = patches.reshape(len(patches), len(first)) @ first + first_bias
        return self._activation(hidden) @ last + last_bias


def patches_around(values: Floats, ys: NDArray[np.int64], xs: NDArray[np.int64]) -> Floats:
    """The 3 x 3 cells around K cells of a map (C, h, w), zero outside it: (K, C, 3, 3)."""
    height, width = values.shape[-2:]
    window = np.arange(-1, 2)
    rows, columns = ys[:, None] + window, xs[:, None] + window  # (K, 3)
    inside_y, inside_x = (rows >= 0) & (rows < height), (columns >= 0) & (columns < width)
    inside = inside_y[:, :, None] & inside_x[:, None, :]  # (K, 3, 3)
    rows, columns = np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)
    patches = values[:, rows[:, :, None], columns[:, None, :]]  # (C, K, 3, 3)
    return np.where(inside, patches, np.float32(0)).swapaxes(0, 1)


def _layers(bundle: Bundle, name: str) -> tuple[Floats, Floats, Floats, Floats]:
    """Weights (C * 9, hidden), bias, weights (hidden, n), bias."""

    def tensor(key: str) -> Floats:
        return np.asarray(bundle.tensors[f'{name}.{key}'], np.float32)

    first, last = tensor('0.weight'), tensor('2.weight')
    return (
        np.ascontiguousarray(first.reshape(len(first), -1).T),
        tensor('0.bias'),
        np.ascontiguousarray(last.reshape(len(last), -1).T),
        tensor('2.bias'),
    )
