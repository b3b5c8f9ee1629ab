"""A network as an OpenVINO graph, BatchNorm folded: what is quantized.

Inputs and outputs are those that `inference.graphs.Graph` states. Graphs in float32 are those of
`export`; a network that NNCF has put quantizers into is traced here, as they have no form in ONNX.
"""

from __future__ import annotations

from collections.abc import Sequence
import copy
from typing import Any

import torch
from torch import nn, Tensor

from mot_compress_ros.networks import JointDetector
from mot_compress_ros.networks.heads import HEADS
from mot_compress_ros.preprocess import STRIDE
from offline_training.export.graph_network import GraphNetwork, PEAK_HEADS
from offline_training.export.openvino_engine import openvino_model
from offline_training.quantization.tools import silent_tools

IMAGES, PRIOR = 'images', 'prior'
FEATURE = 'feature_'  # of a sparse graph: what heads read, by their names


class Answers(nn.Module):
    """A joint detector with `hm` in 0..1 and one tensor per output, in the order of `names`.

    Its parts have the names that they have in the network, also in graphs made of it.

    Args:
        network: in eval mode; its parts are shared.
        sparse_heads: leave the heads of `PEAK_HEADS` out and give what they read.
    """

    def __init__(self, network: JointDetector, *, sparse_heads: bool) -> None:
        super().__init__()
        self.backbone, self.fusion = network.backbone, network.fusion
        self.evaluated = ('hm',) if sparse_heads else HEADS
        for name in self.evaluated:
            self.add_module(name, network.get_submodule(name))
        self.names: tuple[str, ...] = ()  # known after the first call

    def forward(self, images: Tensor, prior: Tensor | None = None) -> tuple[Tensor, ...]:
        """(B, 3, H, W) in 0..1 to maps at stride 4."""
        feature = self.backbone(images)
        # The fusion of a network that takes no prior does not look at it.
        inputs = self.fusion(feature, feature[:, :0] if prior is None else prior)
        found = {name: getattr(self, name)(inputs[name]) for name in self.evaluated}
        found['hm'] = found['hm'].sigmoid()
        shared: dict[int, list[str]] = {}
        for head in PEAK_HEADS:
            if head not in self.evaluated:
                shared.setdefault(id(inputs[head]), []).append(head)
        for heads in shared.values():
            found[FEATURE + '_'.join(heads)] = inputs[heads[0]]
        self.names = tuple(found)
        return tuple(found.values())


def float_graph(
    network: JointDetector,
    *,
    input_size_wh: tuple[int, int],
    batch: int = 1,
    sparse_heads: bool = False,
) -> Any:
    """An `openvino.Model` of a network, which is left as it is; the same that `export` makes.

    Args:
        network: in float32.
        input_size_wh: width and height of its images.
        batch: images at a time.
        sparse_heads: leave box and re-ID heads to be evaluated at the peaks.
    """
    graph = GraphNetwork(
        copy.deepcopy(network).requires_grad_(False),
        input_size_wh=input_size_wh,
        batch=batch,
        sparse_heads=sparse_heads,
    )
    return openvino_model(graph)


def converted_answers(
    answers: nn.Module,
    network: JointDetector,
    names: Sequence[str],
    *,
    input_size_wh: tuple[int, int],
    batch: int = 1,
) -> Any:
    """The graph of an `Answers`, which may have quantizers in it.

    Args:
        answers: eval mode.
        network: says which inputs there are.
        names: of the outputs.
        input_size_wh: width and height of the images.
        batch: images at a time.
    """
    import openvino as ov

    example = example_inputs(network, input_size_wh=input_size_wh, batch=batch)
    # The tracer warns of shapes that become constants, which is what is wanted here.
    with silent_tools(), torch.no_grad():
        model = ov.convert_model(
            answers, example_input=example, input=[list(given.shape) for given in example]
        )
    for port, name in zip(model.inputs, (IMAGES, PRIOR), strict=False):
        port.get_node().set_friendly_name(name)
        port.tensor.set_names({name})
    for port, name in zip(model.outputs, names, strict=True):
        port.tensor.set_names({name})
    return model


def example_inputs(
    network: JointDetector, *, input_size_wh: tuple[int, int], batch: int = 1
) -> tuple[Tensor, ...]:
    """Inputs of zeros, as many as the network takes."""
    width, height = input_size_wh
    images = torch.zeros(batch, 3, height, width)
    if not network.prior_planes:
        return (images,)
    cells = (height // STRIDE, width // STRIDE)
    return (images, torch.zeros(batch, network.prior_planes, *cells))
