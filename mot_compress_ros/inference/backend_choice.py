"""`runtime.backend: auto`: the fastest of the runtimes that a bundle and a machine allow.

Each candidate is loaded, warmed up and then timed in turns with the others, so that a machine that
is busy for a while is busy for all of them. A run is what a frame costs: the network, and the
heads read at some cells. The budget is seconds; slow networks get fewer turns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
import statistics
import time

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.errors import MotCompressError
from mot_compress_ros.inference.backends import (
    Accelerated,
    AUTO,
    Backend,
    BackendFactory,
    BackendOptions,
    BACKENDS,
    DEVICES,
    NetworkOutput,
    SCRIPTED,
)
from mot_compress_ros.inference.checkpoint import Bundle
from mot_compress_ros.inference.graphs import graphs_of
from mot_compress_ros.preprocess import STRIDE

WARM_UP_RUNS = 2
TURNS = 10
BUDGET_S = 6.0  # for warm-up and turns of all candidates; loading them comes beside it
CELLS = 50  # where heads are read, as many as there are road users in a full street
Factories = Mapping[str, Callable[[], BackendFactory]]
# Runtimes that read exported graphs -> engine of the graphs.
_ENGINES = {'openvino': 'openvino', 'onnx_runtime': 'onnx'}


@dataclass(frozen=True, kw_only=True)
class Timing:
    """What a candidate took: the median of its turns, in milliseconds."""

    name: str
    median_ms: float


class ChosenBackend:
    """The fastest of the candidates.

    Args:
        backend: the one that runs from now on.
        reason: why, in one line.
    """

    def __init__(self, backend: Backend, reason: str) -> None:
        self._backend = backend
        self.name = f'{backend.name} (auto)'
        self.reason = reason

    @property
    def prior_planes(self) -> int:
        """As the chosen one's."""
        return self._backend.prior_planes

    def run(
        self, images_rgb: NDArray[np.uint8], prior: NDArray[np.float32] | None = None
    ) -> NetworkOutput:
        """As `Backend.run`."""
        return self._backend.run(images_rgb, prior)

    def work_apart(self, *, urgent: bool) -> None:
        """As the chosen one's, where it has a device of its own."""
        if isinstance(self._backend, Accelerated):
            self._backend.work_apart(urgent=urgent)

    def free_memory(self) -> None:
        """As the chosen one's, where it has a device of its own."""
        if isinstance(self._backend, Accelerated):
            self._backend.free_memory()


def choose_backend(
    bundle: Bundle,
    options: BackendOptions,
    *,
    factories: Factories = BACKENDS,
    clock: Callable[[], int] = time.perf_counter_ns,
) -> ChosenBackend:
    """Load what can run, time it, keep the fastest.

    Args:
        bundle: of the network.
        options: of the runtime; precision, device and threads hold for every candidate.
        factories: the runtimes by name.
        clock: nanoseconds.

    Raises:
        MotCompressError: none of them runs; the message is that of the first one.
    """
    loaded: list[Backend] = []
    refused: dict[str, MotCompressError] = {}
    for candidate in candidates(bundle, options, factories):
        try:
            loaded.append(factories[candidate.backend]()(bundle, candidate))
        except MotCompressError as error:
            refused[f'{candidate.backend} {candidate.precision}'] = error
    if not loaded:
        raise next(iter(refused.values()))
    if len(loaded) == 1:
        told = [f'{loaded[0].name} is all that runs', *_refusals(refused)]
        return ChosenBackend(loaded[0], '; '.join(told))
    timings = time_in_turns(loaded, bundle, clock=clock)
    best = min(range(len(loaded)), key=lambda index: timings[index].median_ms)
    return ChosenBackend(loaded[best], _reason(best, timings, refused))


def candidates(
    bundle: Bundle, options: BackendOptions, factories: Factories = BACKENDS
) -> list[BackendOptions]:
    """What is tried: torch as its options say, and one for each precision of an exported graph."""
    tried = []
    for name in factories:
        if name in (AUTO, SCRIPTED):
            continue
        precisions = [options.precision]
        if name in _ENGINES:
            precisions = _precisions(bundle, _ENGINES[name], options.precision)
        tried += [replace(options, backend=name, precision=p) for p in precisions]
    return tried


def time_in_turns(
    backends: Sequence[Backend],
    bundle: Bundle,
    *,
    clock: Callable[[], int] = time.perf_counter_ns,
    budget_s: float = BUDGET_S,
) -> list[Timing]:
    """Median time of a run of each backend; at least one turn, at most `TURNS`.

    Every backend runs twice at least, however small the budget.
    """
    width, height = bundle.manifest.input_size_wh
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (1, height, width, 3), np.uint8)
    ys = rng.integers(0, height // STRIDE, CELLS)
    xs = rng.integers(0, width // STRIDE, CELLS)
    start_ns = clock()

    def spent(share: float) -> bool:
        return clock() - start_ns > share * budget_s * 1e9

    for run in range(WARM_UP_RUNS):
        if run and spent(0.25):
            break
        for backend in backends:
            backend.run(image).gather(0, ys, xs)
    times_ns: list[list[int]] = [[] for _ in backends]
    for _ in range(TURNS):
        for backend, times in zip(backends, times_ns, strict=True):
            before_ns = clock()
            backend.run(image).gather(0, ys, xs)
            times.append(clock() - before_ns)
        if spent(1.0):
            break
    return [
        Timing(name=backend.name, median_ms=statistics.median(times) / 1e6)
        for backend, times in zip(backends, times_ns, strict=True)
    ]


def device_type(name: str) -> str:
    """'cpu' or 'cuda': where the candidates go, as far as is known before they are timed."""
    return DEVICES['torch_eager']()(name)


def _precisions(bundle: Bundle, engine: str, wanted: str) -> list[str]:
    """Of the engine's graphs for the bundle's input size; `wanted` where there is none.

    A runtime without a graph is tried too, and says what is missing.
    """
    size = tuple(bundle.manifest.input_size_wh)
    found = [
        graph.precision
        for graph in graphs_of(bundle.manifest.graphs)
        if (graph.engine, graph.input_size_wh) == (engine, size)
        and wanted in ('auto', graph.precision)
    ]
    return sorted(set(found)) or [wanted]


def _reason(best: int, timings: Sequence[Timing], refused: Mapping[str, MotCompressError]) -> str:
    """`openvino cpu int8 8.1 ms; torch_eager cpu bf16 21.0 ms; not onnx_runtime auto: ...`."""
    others = sorted(
        (t for i, t in enumerate(timings) if i != best), key=lambda timing: timing.median_ms
    )
    told = [f'{t.name} {t.median_ms:.1f} ms' for t in (timings[best], *others)]
    return '; '.join([*told, *_refusals(refused)])


def _refusals(refused: Mapping[str, MotCompressError]) -> list[str]:
    return [f'not {name}: {error}' for name, error in refused.items()]
