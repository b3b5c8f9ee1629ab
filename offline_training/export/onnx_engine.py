"""ONNX graphs, by torch's exporter of traced networks.

The newer exporter of torch needs a package that is not required here; the traced one makes the
same operators of these networks, whose shapes are fixed.
"""

from __future__ import annotations

from pathlib import Path
import tempfile
import warnings

import torch
from torch import nn, Tensor

from offline_training.export.deformable import AsOperator, DOMAIN, GridSampled, lowered
from offline_training.export.graph_network import GraphNetwork

OPSET = 17  # the first of which all have GridSample is 16; TensorRT 8.6 and later read 17


class _Half(nn.Module):
    """A network in float16 with inputs and outputs in float32."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.half()

    def forward(self, *given: Tensor) -> tuple[Tensor, ...]:
        """As the network's."""
        return tuple(out.float() for out in self.network(*(tensor.half() for tensor in given)))


def make_onnx(network: GraphNetwork, *, precision: str = 'fp32') -> tuple[bytes, ...]:
    """The file of a graph: standard operators alone, which every provider knows."""
    plain = lowered(network, GridSampled)
    return (traced(network, _Half(plain).eval() if precision == 'fp16' else plain),)


def make_onnx_for_openvino(network: GraphNetwork) -> bytes:
    """A graph whose deformable convolutions are nodes of our domain, which OpenVINO is told of."""
    return traced(network, lowered(network, AsOperator))


def traced(network: GraphNetwork, module: nn.Module) -> bytes:
    """The ONNX graph of `module`, which has the inputs and outputs of `network`."""
    own = any(isinstance(layer, AsOperator) for layer in module.modules())
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'graph.onnx'
        # Of the exporter's age, and of shapes that become constants, which is what is wanted.
        warnings.simplefilter('ignore')
        torch.onnx.export(
            module,
            network.example,
            str(path),
            dynamo=False,
            opset_version=OPSET,
            custom_opsets={DOMAIN: 1} if own else None,
            input_names=list(network.input_names),
            output_names=list(network.output_names),
        )
        return path.read_bytes()
