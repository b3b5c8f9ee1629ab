"""An int8 graph among the graphs of a bundle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
import shutil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.errors import BundleError
from mot_compress_ros.inference import Bundle, load_bundle
from mot_compress_ros.inference.checkpoint import save_bundle
from mot_compress_ros.inference.graphs import Graph, graphs_of, paths_of, read_graph
from mot_compress_ros.networks import JointDetector
from offline_training.distillation.teacher import Tensors
from offline_training.environment import command_line
from offline_training.export.exporting import judge, Verdict
from offline_training.export.graph_network import head_activation
from offline_training.export.openvino_engine import saved
from offline_training.export.store import add_graph, named


def write_int8(
    bundle: Bundle,
    output: Path,
    model: Any,
    network: JointDetector,
    images_rgb: NDArray[np.uint8],
    *,
    input_size_wh: tuple[int, int],
    batch: int,
    sparse_heads: bool,
    tensors: Tensors | None = None,
    measured: Mapping[str, Any] | None = None,
) -> Verdict:
    """Write a bundle with an int8 graph, in the place of one of the same kind.

    Returns what `verify` finds of it.

    Args:
        bundle: what was quantized; its other graphs come along where the weights are the same.
        output: folder, which may be the bundle's own.
        model: `openvino.Model` in int8.
        network: what it was made of.
        images_rgb: (N, H, W, 3) letterboxed, to compare with torch on.
        input_size_wh: width and height of its images.
        batch: images at a time.
        sparse_heads: whether box and re-ID heads are left out of it.
        tensors: new weights, where training has changed them.
        measured: what was found, for the graph's entry.
    """
    written = bundle_for(bundle, output, tensors, measured=measured or {})
    parts = saved(model)
    entry = Graph(
        file='',
        sha256='',
        weights_sha256=written.manifest.weights_sha256,
        engine='openvino',
        precision='int8',
        input_size_wh=input_size_wh,
        batch=batch,
        sparse_heads=sparse_heads,
        head_activation=head_activation(network),
        made_by=command_line(),
        parity=dict(measured or {}),
    )
    add_graph(output, entry, parts)
    entry = named(entry, parts)
    verdict = judge(load_bundle(output), entry, images_rgb)
    add_graph(output, replace(entry, parity={**entry.parity, **verdict.parity.as_json()}), parts)
    return verdict


def model_bytes(model: Any) -> int:
    """Bytes of the constants of a graph, as they would lie in its file."""
    constants = (op for op in model.get_ops() if op.get_type_name() == 'Constant')
    return sum(int(op.data.nbytes) for op in constants)


def bundle_for(
    bundle: Bundle, output: Path, tensors: Tensors | None, *, measured: Mapping[str, Any]
) -> Bundle:
    """The bundle that the graph goes into, without new weights as it was."""
    if tensors is not None:
        manifest = replace(
            bundle.manifest,
            name=output.name,
            graphs=(),
            metrics={},  # measured with other weights
            training={
                **bundle.manifest.training,
                'quantization': {
                    'command': command_line(),
                    'started_from': bundle.manifest.name,
                    'started_from_sha256': bundle.manifest.weights_sha256,
                    **measured,
                },
            },
        )
        return save_bundle(output, manifest, tensors)
    if output.resolve() == bundle.path.resolve():
        return bundle
    graphs = tuple(graph.as_json() for graph in _carried(bundle, output))
    manifest = replace(bundle.manifest, name=output.name, graphs=graphs)
    return save_bundle(output, manifest, bundle.tensors)


def _carried(bundle: Bundle, output: Path) -> list[Graph]:
    """The bundle's graphs that are sound, with their files in the output's folder."""
    kept = []
    for graph in graphs_of(bundle.manifest.graphs):
        try:
            read_graph(bundle, graph)
        except BundleError:
            continue
        pairs = zip(paths_of(bundle.path, graph), paths_of(output, graph), strict=True)
        for source, target in pairs:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        kept.append(graph)
    return kept
