"""Graphs for runtimes other than torch: made, compared with torch, and put into the bundle.

A member of `ENGINES` is a function that imports its runtime and returns

    make(network: GraphNetwork, *, precision: str) -> tuple[bytes, ...]
        the files of a graph, in the order of `inference.graphs.SUFFIXES`

and `PRECISIONS` says which precisions it can be asked for; a graph of int8 comes from
`offline_training.quantization`. `exporting.export_graph` tells the story.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

MakeGraph = Callable[..., tuple[bytes, ...]]


def _onnx() -> MakeGraph:
    from offline_training.export.onnx_engine import make_onnx

    return make_onnx


def _openvino() -> MakeGraph:
    from offline_training.export.openvino_engine import make_openvino

    return make_openvino


ENGINES: Mapping[str, Callable[[], MakeGraph]] = {'onnx': _onnx, 'openvino': _openvino}
# What may be asked for, and what is made where nothing is. OpenVINO reads fp32 files in bf16;
# ONNX Runtime has no bf16 convolutions on CPUs.
PRECISIONS: Mapping[str, tuple[str, ...]] = {
    'onnx': ('fp32', 'fp16'),
    'openvino': ('fp32', 'bf16'),
}
# Precisions that run the files of fp32.
SHARE_FP32: Mapping[str, tuple[str, ...]] = {'onnx': (), 'openvino': ('bf16',)}
# The backend that runs the graphs of an engine.
BACKEND_OF: Mapping[str, str] = {'onnx': 'onnx_runtime', 'openvino': 'openvino'}
