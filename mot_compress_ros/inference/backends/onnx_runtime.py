"""ONNX Runtime: CPU, CUDA and TensorRT providers.

Only the CPU provider has been run; the choice and the settings of the others are written from
their documentation and **untested on hardware**. `device: cuda` takes TensorRT where the installed
package has it, and CUDA behind it for what TensorRT does not know. The first start with TensorRT
builds an engine, which takes minutes and is kept in the user's cache folder; never in the bundle,
which is data from elsewhere, while an engine is code.
"""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
import onnxruntime as ort

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
from mot_compress_ros.inference.checkpoint import Bundle
from mot_compress_ros.inference.graphs import Graph, read_graph

CPU, CUDA, TENSORRT = (f'{name}ExecutionProvider' for name in ('CPU', 'CUDA', 'Tensorrt'))
Provider = tuple[str, dict[str, str]]
_ERRORS_ALONE = 3  # log level: warnings of what runs on which provider are no news


class OnnxRuntimeBackend(GraphBackend):
    """A bundle's `onnx` graphs.

    Raises:
        BundleError: the bundle has no such graph for its input size, or it is damaged.
        InvalidOptionError: the device or the precision cannot be had.
    """

    def __init__(self, bundle: Bundle, options: BackendOptions) -> None:
        device = device_type(options.device)
        graphs = find_graphs(
            bundle,
            engine='onnx',
            precisions=_precisions(device, options.precision),
            sparse=sparse_choices(options.sparse_heads),
        )
        precision = graphs[0].precision

        def load(graph: Graph) -> OnnxRunner:
            (data,) = read_graph(bundle, graph)
            providers = _providers(device, precision=precision, cache=_cache_folder(graph))
            return OnnxRunner(data, providers, threads=options.threads, label=graph.file)

        super().__init__(bundle, graphs, load, f'onnx_runtime {device} {precision}')


class OnnxRunner:
    """A session.

    Args:
        data: the graph.
        providers: with their settings, the best first.
        threads: of the CPU; 0 leaves the choice to the runtime.
        label: of the graph, for errors.

    Raises:
        BundleError: the runtime does not read it.
    """

    def __init__(
        self, data: bytes, providers: list[Provider], *, threads: int, label: str
    ) -> None:
        settings = ort.SessionOptions()
        settings.log_severity_level = _ERRORS_ALONE
        settings.intra_op_num_threads = threads
        # A thread that spins between two frames takes a core from the rest of the pipeline.
        settings.add_session_config_entry('session.intra_op.allow_spinning', '0')
        try:
            self._session = ort.InferenceSession(data, settings, providers=providers)
        except Exception as error:  # its own family of exceptions is not public
            raise BundleError(
                f'{label}: ONNX Runtime {ort.__version__} does not read it '
                f'({str(error).splitlines()[0]}); export it again'
            ) from None
        self._names = [output.name for output in self._session.get_outputs()]
        inputs = {port.name: port for port in self._session.get_inputs()}
        foreign = [n for n in inputs if not is_input(n)]
        foreign += [n for n in self._names if not is_output(n)]
        if foreign:
            raise BundleError(
                f'{label}: {", ".join(foreign)}: no input or output that a graph of ours has; '
                f'export it again'
            )
        # What is given where nothing is told.
        self._nothing = np.zeros(inputs['prior'].shape, np.float32) if 'prior' in inputs else None

    @property
    def prior_planes(self) -> int:
        """As the graph's input says."""
        return 0 if self._nothing is None else self._nothing.shape[1]

    def __call__(self, images_rgb: NDArray[np.uint8], prior: Floats | None) -> Maps:
        """Evaluate the graph."""
        # The same as a cast, a division and a transpose, in one pass.
        given: dict[str, NDArray[np.generic]] = {
            'images': cv2.dnn.blobFromImages(list(images_rgb), scalefactor=1 / 255)
        }
        told = self._nothing if prior is None else prior
        if told is not None:
            given['prior'] = np.ascontiguousarray(told, np.float32)
        return dict(zip(self._names, self._session.run(self._names, given), strict=True))


def device_type(name: str) -> str:
    """'cpu' or 'cuda': where graphs run with `device` set to `name`.

    Raises:
        InvalidOptionError: the device is not there.
    """
    has_cuda = bool({CUDA, TENSORRT} & set(ort.get_available_providers()))
    if name == 'cuda' and not has_cuda:
        raise InvalidOptionError(
            'device: cuda asked for, but this ONNX Runtime has no CUDA provider; install '
            'onnxruntime-gpu, or use cpu'
        )
    return 'cuda' if name != 'cpu' and has_cuda else 'cpu'


def _precisions(device: str, wanted: str) -> tuple[str, ...]:
    """What to look for, the best first."""
    known = ('fp32', 'fp16', 'int8')
    if (
        wanted == 'auto'
    ):  # fp16 and int8 are slower than fp32 on CPUs, so they have to be asked for
        return {'cpu': ('fp32',), 'cuda': ('fp16', 'fp32')}[device]
    if wanted not in known:
        raise InvalidOptionError(
            f'precision: {wanted} asked for, but onnx_runtime on {device} has {", ".join(known)}'
        )
    return (wanted,)


def _cache_folder(graph: Graph) -> Path:
    """Where engines that were built of a graph are kept."""
    user = Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache')
    return user / 'mot_compress_ros' / 'tensorrt' / graph.sha256


def _providers(device: str, *, precision: str, cache: Path) -> list[Provider]:
    """Providers with their settings, the best first."""
    if device == 'cpu':
        return [(CPU, {})]
    tensorrt = {
        'trt_fp16_enable': str(precision == 'fp16'),
        'trt_engine_cache_enable': 'True',
        'trt_engine_cache_path': str(cache),
    }
    # The search for the fastest convolution runs once, in the warm-up.
    cuda = {'cudnn_conv_algo_search': 'EXHAUSTIVE'}
    wanted: list[Provider] = [(TENSORRT, tensorrt), (CUDA, cuda), (CPU, {})]
    available = ort.get_available_providers()
    return [provider for provider in wanted if provider[0] in available]
