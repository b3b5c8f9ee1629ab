"""Contestants of `benchmark engines`: who there is, how one is opened, what a turn takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
import itertools
from pathlib import Path
import shutil
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.errors import BundleError
from mot_compress_ros.inference import BackendOptions, Bundle, DecodeConfig, load_bundle
from mot_compress_ros.inference.backends import Backend, BACKENDS
from mot_compress_ros.inference.decode import find_peaks
from mot_compress_ros.inference.graphs import graphs_of
from offline_training.export import BACKEND_OF, PRECISIONS
from offline_training.export.exporting import export_graph

PERCENTILES = (50, 95, 99)
ENGINE_OF = {backend: engine for engine, backend in BACKEND_OF.items()}
# What can run at all; which of it a bundle has graphs for is seen when it is opened.
_FORMATS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ('torch_eager', 'cpu'): ('fp32', 'bf16'),
    ('torch_eager', 'cuda'): ('fp32', 'bf16', 'fp16'),
    ('torch_cuda_graph', 'cuda'): ('fp32', 'bf16', 'fp16'),
    ('openvino', 'cpu'): ('fp32', 'bf16', 'int8'),
    ('onnx_runtime', 'cpu'): ('fp32', 'int8'),
    ('onnx_runtime', 'cuda'): ('fp32', 'fp16', 'int8'),
}


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """A runtime, its number format, and whether box and re-ID heads are read at peaks alone."""

    runtime: str
    precision: str
    sparse: bool

    @property
    def label(self) -> str:
        """`openvino int8 peaks`."""
        return f'{self.runtime} {self.precision} {"peaks" if self.sparse else "dense"}'


REFERENCE = Contestant(runtime='torch_eager', precision='fp32', sparse=False)


def contestants_of(
    runtimes: Sequence[str], precisions: Sequence[str], heads: Sequence[str], *, device: str
) -> list[Contestant]:
    """Those that were asked for and can run on the device; the reference always comes first."""
    asked = [
        Contestant(runtime=runtime, precision=precision, sparse=kind == 'peaks')
        for runtime, precision, kind in itertools.product(runtimes, precisions, heads)
        if precision in _FORMATS.get((runtime, device), ())
        # A recorded graph has no room for heads at cells that are not known beforehand.
        and not (runtime == 'torch_cuda_graph' and kind == 'peaks')
    ]
    return list(dict.fromkeys([REFERENCE, *asked]))


def resized_copy(bundle: Bundle, folder: Path, size_wh: tuple[int, int]) -> Bundle:
    """A copy of a bundle, for images of `size_wh`; graphs of its own come along."""
    shutil.copytree(bundle.path, folder)
    return _sized(load_bundle(folder), size_wh)


def open_contestant(
    bundle: Bundle,
    contestant: Contestant,
    images_rgb: NDArray[np.uint8],
    *,
    device: str,
    threads: int,
) -> Backend:
    """The backend of a contestant; a graph that the bundle lacks is exported into it.

    Raises:
        MotCompressError: it cannot run, or its graph differs from torch.
    """
    engine = ENGINE_OF.get(contestant.runtime)
    if engine and not _has(bundle, engine, contestant):
        if contestant.precision not in PRECISIONS[engine]:
            raise BundleError(
                f'{bundle.path}: has no {engine} graph of {contestant.precision} at this size; '
                f'`quantize --input-size` makes one'
            )
        export_graph(
            bundle,
            engine=engine,
            precision=contestant.precision,
            input_size_wh=bundle.manifest.input_size_wh,
            sparse_heads=contestant.sparse,
            images_rgb=images_rgb,
        )
    options = BackendOptions(
        backend=contestant.runtime,
        device=device,
        precision=contestant.precision,
        sparse_heads='on' if contestant.sparse else 'off',
        threads=threads,
    )
    fresh = _sized(load_bundle(bundle.path), bundle.manifest.input_size_wh)
    return BACKENDS[contestant.runtime]()(fresh, options)


def one_turn(
    backend: Backend, images_rgb: NDArray[np.uint8], *, frames: int, warm_up: int
) -> dict[str, Any]:
    """Time of each frame in milliseconds: the network, all of it, and how many peaks it had."""
    config = DecodeConfig()
    network_ms, total_ms, peaks = [], [], 0
    for index in range(-warm_up, frames):
        image = images_rgb[index % len(images_rgb)][None]
        begin_ns = time.perf_counter_ns()
        output = backend.run(image)
        middle_ns = time.perf_counter_ns()
        _, _, ys, xs = find_peaks(output.heatmap[0], config)
        output.gather(0, ys, xs)
        end_ns = time.perf_counter_ns()
        if index >= 0:
            network_ms.append((middle_ns - begin_ns) / 1e6)
            total_ms.append((end_ns - begin_ns) / 1e6)
            peaks += len(ys)
    return {'network_ms': network_ms, 'total_ms': total_ms, 'peaks_per_frame': peaks / frames}


def summary(turns: Mapping[Contestant, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """Percentiles over all frames, and the ratio to the reference, by label of the contestant."""
    reference = [float(np.median(turn['total_ms'])) for turn in turns[REFERENCE]]
    found = {}
    for contestant, of_one in turns.items():
        medians = [float(np.median(turn['total_ms'])) for turn in of_one]
        total = np.concatenate([turn['total_ms'] for turn in of_one])
        network = np.concatenate([turn['network_ms'] for turn in of_one])
        found[contestant.label] = {
            'runtime': contestant.runtime,
            'precision': contestant.precision,
            'sparse_heads': contestant.sparse,
            **{f'p{q}_ms': float(np.percentile(total, q)) for q in PERCENTILES},
            'network_p50_ms': float(np.median(network)),
            'peaks_per_frame': float(np.mean([turn['peaks_per_frame'] for turn in of_one])),
            'times_as_fast': float(np.median(np.divide(reference, medians))),
            'turn_medians_ms': medians,
            'samples_ms': [round(float(ms), 3) for ms in total],
        }
    return found


def _has(bundle: Bundle, engine: str, contestant: Contestant) -> bool:
    wanted = (engine, contestant.precision, bundle.manifest.input_size_wh, 1, contestant.sparse)
    current = load_bundle(bundle.path).manifest.graphs
    return any(graph.key == wanted for graph in graphs_of(current))


def _sized(bundle: Bundle, size_wh: tuple[int, int]) -> Bundle:
    """The bundle for another input size; networks are fully convolutional."""
    return replace(bundle, manifest=replace(bundle.manifest, input_size_wh=size_wh))
