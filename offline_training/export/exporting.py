"""One graph of a bundle: made, compared with torch in float32, written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
import tempfile

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.errors import BundleError, InvalidOptionError
from mot_compress_ros.inference import BackendOptions, Bundle
from mot_compress_ros.inference.backends import Backend, BACKENDS
from mot_compress_ros.inference.graphs import Graph, graphs_of
from offline_training.environment import command_line
from offline_training.export import BACKEND_OF, ENGINES, PRECISIONS, SHARE_FP32
from offline_training.export.frames import letterboxed_images
from offline_training.export.graph_network import graph_network
from offline_training.export.parity import compare, failures, Parity, TOLERANCES
from offline_training.export.store import add_graph, named, write_files

Made = dict[tuple[object, ...], tuple[bytes, ...]]
N_IMAGES = 4  # of the comparison


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a comparison found; `failures` is empty where the graph may ship."""

    graph: Graph
    parity: Parity
    failures: tuple[str, ...]


def export_graph(
    bundle: Bundle,
    *,
    engine: str,
    precision: str,
    input_size_wh: tuple[int, int],
    batch: int = 1,
    sparse_heads: bool = True,
    images_rgb: NDArray[np.uint8] | None = None,
    made: Made | None = None,
) -> Path:
    """Make a graph, compare it with torch, and put it into the bundle; returns its first file.

    Args:
        bundle: of the network.
        engine: a name in `ENGINES`.
        precision: one of the engine's in `PRECISIONS`.
        input_size_wh: width and height of its images, multiples of 32.
        batch: images at a time.
        sparse_heads: leave box and re-ID heads to be evaluated at the peaks.
        images_rgb: (N, H, W, 3) of the comparison, letterboxed; None renders some.
        made: files that were made before; those that serve here too are taken from it.

    Raises:
        BundleError: the graph does not say what torch says; nothing is written then.
        InvalidOptionError: the engine does not have the precision.
    """
    verdict, parts = try_graph(
        bundle,
        engine=engine,
        precision=precision,
        input_size_wh=input_size_wh,
        batch=batch,
        sparse_heads=sparse_heads,
        images_rgb=images_rgb,
        made=made,
    )
    if verdict.failures:
        raise BundleError(
            f'{bundle.path}: the graph {verdict.graph.label} does not say what torch says in fp32 '
            f'({"; ".join(verdict.failures)}); it was not written. Export another precision, or '
            f'train for this one'
        )
    return add_graph(bundle.path, verdict.graph, parts)


def try_graph(
    bundle: Bundle,
    *,
    engine: str,
    precision: str,
    input_size_wh: tuple[int, int],
    batch: int = 1,
    sparse_heads: bool = True,
    images_rgb: NDArray[np.uint8] | None = None,
    made: Made | None = None,
) -> tuple[Verdict, tuple[bytes, ...]]:
    """As `export_graph`, but nothing is written: the verdict and the files of the graph."""
    _check(engine, precision)
    network = graph_network(
        bundle, input_size_wh=input_size_wh, batch=batch, sparse_heads=sparse_heads
    )
    made = {} if made is None else made
    same = 'fp32' if precision in SHARE_FP32[engine] else precision
    kind = (bundle.path, engine, same, input_size_wh, batch, sparse_heads)
    if kind not in made:
        made[kind] = ENGINES[engine]()(network, precision=precision)
    parts = made[kind]
    entry = Graph(
        file='',
        sha256='',
        weights_sha256=bundle.manifest.weights_sha256,
        engine=engine,
        precision=precision,
        input_size_wh=input_size_wh,
        batch=batch,
        sparse_heads=sparse_heads,
        head_activation=network.head_activation,
        made_by=command_line(),
    )
    graph = named(entry, parts)
    if images_rgb is None:
        images_rgb = letterboxed_images(None, n=max(N_IMAGES, batch), size_wh=input_size_wh)
    with tempfile.TemporaryDirectory() as folder:
        write_files(Path(folder), graph, parts)
        verdict = judge(replace(bundle, path=Path(folder)), graph, images_rgb)
    return replace(verdict, graph=replace(graph, parity=verdict.parity.as_json())), parts


def verify_graphs(
    bundle: Bundle, images_of: dict[tuple[int, int], NDArray[np.uint8]]
) -> list[Verdict]:
    """Compare all graphs of a bundle with torch in float32.

    Args:
        bundle: with graphs.
        images_of: letterboxed images by input size, for each size of a graph.

    Raises:
        BundleError: there is no graph, or one is damaged.
    """
    graphs = graphs_of(bundle.manifest.graphs)
    if not graphs:
        raise BundleError(
            f'{bundle.path}: has no graphs to verify; make some with '
            f'`python -m offline_training export --model {bundle.path}`'
        )
    return [judge(bundle, graph, images_of[graph.input_size_wh]) for graph in graphs]


def judge(bundle: Bundle, graph: Graph, images_rgb: NDArray[np.uint8]) -> Verdict:
    """Compare one graph, whose files lie in the bundle's folder."""
    parity = compare(
        reference_backend(bundle), open_graph(bundle, graph), images_rgb, batch=graph.batch
    )
    found = failures(parity, TOLERANCES[graph.precision])
    return Verdict(graph=graph, parity=parity, failures=tuple(found))


def reference_backend(bundle: Bundle) -> Backend:
    """Torch in float32 on the CPU, all heads dense."""
    options = BackendOptions(device='cpu', precision='fp32', sparse_heads='off')
    return BACKENDS[options.backend]()(bundle, options)


def open_graph(bundle: Bundle, graph: Graph, *, threads: int = 0) -> Backend:
    """The backend of one graph of a bundle, whatever input size the manifest names."""
    manifest = replace(
        bundle.manifest, graphs=(graph.as_json(),), input_size_wh=graph.input_size_wh
    )
    options = BackendOptions(
        backend=BACKEND_OF[graph.engine],
        device='cpu',
        precision=graph.precision,
        sparse_heads='on' if graph.sparse_heads else 'off',
        threads=threads,
    )
    return BACKENDS[options.backend]()(replace(bundle, manifest=manifest), options)


def _check(engine: str, precision: str) -> None:
    if engine not in ENGINES:
        raise InvalidOptionError(f'engine: got {engine}, legal: {", ".join(ENGINES)}')
    if precision not in PRECISIONS[engine]:
        hint = '; int8 graphs are made by `quantize`' if precision == 'int8' else ''
        raise InvalidOptionError(
            f'precision: got {precision}, export makes {engine} graphs of '
            f'{", ".join(PRECISIONS[engine])}{hint}'
        )
