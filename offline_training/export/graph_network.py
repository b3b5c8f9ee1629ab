"""A joint detector as a graph's inputs and outputs want it: tensors in, named tensors out."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn, Tensor

from mot_compress_ros.errors import BundleError
from mot_compress_ros.inference import Bundle
from mot_compress_ros.inference.backends.torch_eager import load_network
from mot_compress_ros.networks import fuse_batch_norm, JointDetector, merge_focus
from mot_compress_ros.networks.heads import Head
from mot_compress_ros.preprocess import STRIDE

PEAK_HEADS = ('wh', 'reg', 'id')  # in the order in which outputs name them
# Names in `inference.graphs.ACTIVATIONS`.
HEAD_ACTIVATIONS: Mapping[type[nn.Module], str] = {
    nn.SiLU: 'silu',
    nn.ReLU: 'relu',
    nn.ReLU6: 'relu6',
    nn.Hardswish: 'hardswish',
}


class GraphNetwork(nn.Module):
    """The outputs of `inference.graphs.Graph`, in the order of `output_names`.

    Args:
        network: in eval mode; BatchNorm is folded and `Focus` merged, in place.
        input_size_wh: width and height of its images.
        batch: images at a time.
        sparse_heads: give what box and re-ID heads read instead of their maps.
    """

    def __init__(
        self,
        network: JointDetector,
        *,
        input_size_wh: tuple[int, int],
        batch: int = 1,
        sparse_heads: bool = True,
    ) -> None:
        super().__init__()
        self.network = merge_focus(fuse_batch_norm(network.eval()))
        self._sparse = sparse_heads
        self.example = _example(network, input_size_wh=input_size_wh, batch=batch)
        self.input_names = ('images', 'prior')[: len(self.example)]
        with torch.inference_mode():
            self.output_names = tuple(self._outputs(*self.example))

    @property
    def head_activation(self) -> str:
        """Between the layers of the heads, as `inference.graphs.ACTIVATIONS` names it.

        Raises:
            BundleError: the vehicle cannot evaluate it.
        """
        return head_activation(self.network)

    def forward(self, images: Tensor, prior: Tensor | None = None) -> tuple[Tensor, ...]:
        """(B, 3, H, W) in 0..1 and the prior to the outputs."""
        return tuple(self._outputs(images, prior).values())

    def _outputs(self, images: Tensor, prior: Tensor | None = None) -> dict[str, Tensor]:
        inputs = self.network.head_inputs(images, prior)
        found = {'hm': self.network.hm(inputs['hm']).sigmoid()}
        if not self._sparse:
            return found | {name: getattr(self.network, name)(inputs[name]) for name in PEAK_HEADS}
        readers: dict[int, list[str]] = {}
        for name in PEAK_HEADS:
            readers.setdefault(id(inputs[name]), []).append(name)
        return found | {
            f'feature_{"_".join(names)}': inputs[names[0]] for names in readers.values()
        }


def graph_network(
    bundle: Bundle, *, input_size_wh: tuple[int, int], batch: int = 1, sparse_heads: bool = True
) -> GraphNetwork:
    """The network of a bundle in float32, as a graph."""
    return GraphNetwork(
        load_network(bundle), input_size_wh=input_size_wh, batch=batch, sparse_heads=sparse_heads
    )


def head_activation(network: JointDetector) -> str:
    """Name of what lies between the layers of the heads.

    Raises:
        BundleError: they are of several kinds, or of one that the vehicle does not know.
    """
    kinds = {type(head[1]) for head in network.children() if isinstance(head, Head)}
    names = {HEAD_ACTIVATIONS.get(kind, kind.__name__) for kind in kinds}
    (name,) = names if len(names) == 1 else (', '.join(sorted(names)),)
    if name not in HEAD_ACTIVATIONS.values():
        raise BundleError(
            f'activation of the heads: expected one of {", ".join(HEAD_ACTIVATIONS.values())}, '
            f'the same in all of them, got {name}; train with one of these'
        )
    return name


def _example(
    network: JointDetector, *, input_size_wh: tuple[int, int], batch: int
) -> tuple[Tensor, ...]:
    """Inputs of the graph's shapes, as many as the network takes."""
    width, height = input_size_wh
    images = torch.zeros(batch, 3, height, width)
    if not network.prior_planes:
        return (images,)
    return (images, torch.zeros(batch, network.prior_planes, height // STRIDE, width // STRIDE))
