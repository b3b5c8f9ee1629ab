"""Milliseconds of a network's forward pass, as a function of the network.

What is timed is what the vehicle evaluates everywhere: backbone, fusion and heat map, BatchNorm
folded; the other heads are read at peaks. A member of `LATENCIES` makes a call of a network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
import copy
from dataclasses import dataclass

import torch

from mot_compress_ros.errors import InvalidOptionError
from mot_compress_ros.networks import fuse_batch_norm, JointDetector, merge_focus
from offline_training.pruning.measures import Latency
from offline_training.quantization.timing import median_ms, median_share

Call = Callable[[], object]
_DTYPES = {'fp32': torch.float32, 'bf16': torch.bfloat16}


@dataclass(frozen=True, kw_only=True)
class LatencyOptions:
    """Where and how a network is timed; `threads` 0 leaves the choice to the runtime."""

    input_size_wh: tuple[int, int]
    precision: str = 'fp32'
    threads: int = 0

    def __post_init__(self) -> None:
        if self.precision not in _DTYPES:
            raise InvalidOptionError(
                f'precision: got {self.precision}, expected one of {", ".join(_DTYPES)}'
            )


def torch_eager(network: JointDetector, options: LatencyOptions) -> Call:
    """In eager mode on the CPU, channels last."""
    if options.threads:
        torch.set_num_threads(options.threads)
    dtype = _DTYPES[options.precision]
    folded = merge_focus(fuse_batch_norm(copy.deepcopy(network).eval()))
    folded.to('cpu', dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
    width, height = options.input_size_wh
    images = torch.rand(1, 3, height, width).to(dtype, memory_format=torch.channels_last)

    def call() -> object:
        with torch.inference_mode():
            return folded.hm(folded.head_inputs(images)['hm'])

    return call


def openvino(network: JointDetector, options: LatencyOptions) -> Call:
    """As an OpenVINO graph on the CPU."""
    import numpy as np

    from mot_compress_ros.inference.backends.openvino_core import shared_core
    from offline_training.export.graph_network import GraphNetwork
    from offline_training.export.openvino_engine import openvino_model

    graph = GraphNetwork(copy.deepcopy(network).cpu().float(), input_size_wh=options.input_size_wh)
    settings: dict[str, object] = {
        'PERFORMANCE_HINT': 'LATENCY',
        'INFERENCE_PRECISION_HINT': {'fp32': 'f32', 'bf16': 'bf16'}[options.precision],
    }
    if options.threads:
        settings['INFERENCE_NUM_THREADS'] = options.threads
    compiled = shared_core().compile_model(openvino_model(graph), 'CPU', settings)
    request = compiled.create_infer_request()
    draw = np.random.default_rng(0)
    inputs = [draw.random(part.shape, np.float32) for part in graph.example]
    return lambda: request.infer(inputs)


LATENCIES: Mapping[str, Callable[[JointDetector, LatencyOptions], Call]] = {
    'torch_eager': torch_eager,
    'openvino': openvino,
}


def latency_of(name: str, options: LatencyOptions) -> Latency:
    """A function of a network: median milliseconds of its forward pass in the named runtime."""

    def measured(network: torch.nn.Module) -> float:
        assert isinstance(network, JointDetector), 'what is timed here has heads'
        return median_ms({'': LATENCIES[name](network, options)})['']

    return measured


def share_of(name: str, options: LatencyOptions, *, whole: JointDetector) -> Latency:
    """A function of a network: the time of its forward pass over that of `whole`.

    Both are timed in turns: pruning takes hours, in which a machine is now idle and now busy.
    """
    reference = LATENCIES[name](whole, options)

    def measured(network: torch.nn.Module) -> float:
        assert isinstance(network, JointDetector), 'what is timed here has heads'
        return median_share(LATENCIES[name](network, options), whole=reference)

    return measured


def forward_ms(
    networks: Mapping[str, JointDetector], name: str, options: LatencyOptions
) -> dict[str, float]:
    """Median milliseconds of several networks, measured in turns."""
    return median_ms({key: LATENCIES[name](n, options) for key, n in networks.items()})
