"""OpenVINO on the CPU: fp32, bf16, and int8 graphs as they are.

The conversion of the uint8 image to numbers in 0..1 is compiled into the graph, which saves a
pass over the image. Frames of which nothing is told have a graph of their own, without the gate.
The performance hint is latency: all threads work on one frame.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
import openvino as ov

from mot_compress_ros.errors import BundleError, InvalidOptionError
from mot_compress_ros.inference.backends import BackendOptions
from mot_compress_ros.inference.backends.graph_backend import (
    find_graphs,
    Floats,
    GraphBackend,
    is_input,
    is_output,
    Maps,
    sparse_choices,
)
from mot_compress_ros.inference.backends.openvino_core import shared_core
from mot_compress_ros.inference.backends.openvino_graph import (
    prior_of,
    say_nothing,
    with_image_conversion,
)
from mot_compress_ros.inference.checkpoint import Bundle
from mot_compress_ros.inference.graphs import Graph, read_graph

DEVICE = 'CPU'
# What the layers that are not quantized compute in: int8 graphs keep the rest in bf16 where the
# CPU multiplies in it.
_HINTS = {'fp32': 'f32', 'bf16': 'bf16'}


class OpenVinoBackend(GraphBackend):
    """A bundle's `openvino` graphs.

    Raises:
        BundleError: the bundle has no such graph for its input size, or it is damaged.
        InvalidOptionError: the device or the precision cannot be had.
    """

    def __init__(self, bundle: Bundle, options: BackendOptions) -> None:
        device_type(options.device)
        core = shared_core()
        graphs = find_graphs(
            bundle,
            engine='openvino',
            precisions=_precisions(core, options.precision),
            sparse=sparse_choices(options.sparse_heads),
        )
        precision = graphs[0].precision
        settings = _settings(core, precision, threads=options.threads)

        def load(graph: Graph) -> OpenVinoRunner:
            parts = read_graph(bundle, graph)
            return OpenVinoRunner(core, parts, settings, precision=precision)

        super().__init__(bundle, graphs, load, f'openvino cpu {precision}')


class OpenVinoRunner:
    """A compiled graph, and the same for frames of which nothing is told.

    Args:
        core: compiles it.
        parts: bytes of the `.xml` and of the `.bin` file.
        settings: of the device.
        precision: of the graph.
    """

    def __init__(
        self,
        core: ov.Core,
        parts: tuple[bytes, ...],
        settings: dict[str, str | int],
        *,
        precision: str,
    ) -> None:
        xml, weights = parts
        model = core.read_model(model=xml, weights=weights)
        prior = prior_of(model)
        self._prior_planes = 0 if prior is None else int(prior.get_output_shape(0)[1])
        values_together = precision == 'int8'
        untold = model.clone()
        if prior is not None:
            say_nothing(untold)
        self._untold = _Request(core, untold, settings, values_together=values_together)
        self._told = self._untold
        if prior is not None:
            self._told = _Request(core, model, settings, values_together=values_together)

    @property
    def prior_planes(self) -> int:
        """As the graph's input says."""
        return self._prior_planes

    def __call__(self, images_rgb: NDArray[np.uint8], prior: Floats | None) -> Maps:
        """Evaluate the graph; the arrays are its own memory."""
        given: dict[str, NDArray[np.generic]] = {'images': np.ascontiguousarray(images_rgb)}
        if prior is None:
            return self._untold(given)
        return self._told({**given, 'prior': np.ascontiguousarray(prior, np.float32)})


class _Request:
    """A graph, compiled for a device."""

    def __init__(
        self,
        core: ov.Core,
        model: ov.Model,
        settings: dict[str, str | int],
        *,
        values_together: bool,
    ) -> None:
        converted = with_image_conversion(model, values_together=values_together)
        compiled = core.compile_model(converted, DEVICE, settings)
        self._request = compiled.create_infer_request()
        self._values_together = values_together
        for port in compiled.inputs:
            _known(port.get_names(), is_input)
        # A tensor may have further names, of operators that were taken out.
        self._names = [_known(port.get_names(), is_output) for port in compiled.outputs]

    def __call__(self, given: dict[str, NDArray[np.generic]]) -> Maps:
        self._request.infer(given, share_inputs=True, share_outputs=True)
        maps = {name: self._request.get_tensor(name).data for name in self._names}
        if self._values_together:
            return {name: values.transpose(0, 3, 1, 2) for name, values in maps.items()}
        return maps


def device_type(name: str) -> str:
    """'cpu', the only device it is used on.

    Raises:
        InvalidOptionError: another one was asked for.
    """
    if name == 'cuda':
        raise InvalidOptionError('device: cuda asked for, but openvino runs on the CPU; use cpu')
    return 'cpu'


def _known(names: set[str], is_one: Callable[[str], bool]) -> str:
    """The name of an input or output that the contract of graphs has.

    Raises:
        BundleError: it has none; an input that is not given would be memory of something else.
    """
    found = sorted(filter(is_one, names))
    if not found:
        raise BundleError(
            f'graph: {" or ".join(sorted(names))} is no input or output that a graph of ours has; '
            f'export it again'
        )
    return found[0]


def _precisions(core: ov.Core, wanted: str) -> tuple[str, ...]:
    """What to look for, the best first."""
    has_bf16 = 'BF16' in core.get_property(DEVICE, 'OPTIMIZATION_CAPABILITIES')
    if wanted == 'auto':
        return ('int8', 'bf16', 'fp32') if has_bf16 else ('int8', 'fp32')
    if wanted == 'fp16':
        raise InvalidOptionError(
            'precision: fp16 asked for, but openvino on CPUs computes in fp32, bf16 or int8'
        )
    return (wanted,)


def _settings(core: ov.Core, precision: str, *, threads: int) -> dict[str, str | int]:
    has_bf16 = 'BF16' in core.get_property(DEVICE, 'OPTIMIZATION_CAPABILITIES')
    rest = 'bf16' if has_bf16 else 'f32'
    settings: dict[str, str | int] = {
        'PERFORMANCE_HINT': 'LATENCY',
        'INFERENCE_PRECISION_HINT': _HINTS.get(precision, rest),
    }
    return {**settings, 'INFERENCE_NUM_THREADS': threads} if threads else settings
