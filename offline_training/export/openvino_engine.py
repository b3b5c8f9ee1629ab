"""OpenVINO graphs, by way of ONNX: one tracer for both engines, and a file that can be read."""

from __future__ import annotations

from pathlib import Path
import tempfile
from typing import Any

from offline_training.export.deformable import DOMAIN, OPERATOR
from offline_training.export.graph_network import GraphNetwork


def make_openvino(network: GraphNetwork, *, precision: str = 'fp32') -> tuple[bytes, ...]:
    """The `.xml` and `.bin` files of a graph, the same for fp32 and bf16."""
    del precision  # a matter of running it
    return saved(openvino_model(network))


def openvino_model(network: GraphNetwork) -> Any:
    """The graph as an `openvino.Model` in float32."""
    import openvino as ov
    from openvino.frontend.onnx import ConversionExtension

    from offline_training.export.onnx_engine import make_onnx_for_openvino

    core = ov.Core()
    core.add_extension(ConversionExtension(OPERATOR, DOMAIN, _deformable))
    model = core.read_model(model=make_onnx_for_openvino(network))
    for parameter in model.inputs:  # the names that errors and tools show
        parameter.get_node().set_friendly_name(parameter.any_name)
    return model


def saved(model: Any) -> tuple[bytes, bytes]:
    """The bytes of the two files of a graph, weights as they are."""
    import openvino as ov

    with tempfile.TemporaryDirectory() as folder:
        xml = Path(folder) / 'graph.xml'
        ov.save_model(model, str(xml), compress_to_fp16=False)
        return xml.read_bytes(), xml.with_suffix('.bin').read_bytes()


def _deformable(node: Any) -> list[Any]:
    """Our node as OpenVINO's own operator, version 8, and the bias that it does not have."""
    import numpy as np
    import openvino.opset8 as ops

    x, offsets, mask, weight, bias = (node.get_input(index) for index in range(5))
    ones = [1, 1]
    out = ops.deformable_convolution(
        x, offsets, weight, ones, ones, ones, ones, mask, 'EXPLICIT', 1, 1, True
    )
    shape = ops.constant(np.array([1, -1, 1, 1], np.int64))
    return ops.add(out, ops.reshape(bias, shape, False)).outputs()
