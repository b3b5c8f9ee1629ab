"""What the runtimes of exported graphs share: which graph, images in, maps out.

Exported graphs have a fixed batch size. Images are given to the largest graph that they fill, and
what is left over to the smallest, beside black ones; a bundle whose graphs all take one image
evaluates them one after the other, which on a CPU is as fast as a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
import math
from typing import Protocol, TypeVar
import weakref

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.errors import BundleError
from mot_compress_ros.inference.backends import PeakValues
from mot_compress_ros.inference.backends.peak_heads import (
    patches_around,
    PEAK_HEADS,
    PeakHeads,
)
from mot_compress_ros.inference.checkpoint import Bundle
from mot_compress_ros.inference.graphs import export_command, Graph, graphs_of

T = TypeVar('T', bound=np.generic)
Floats = NDArray[np.float32]
Maps = Mapping[str, Floats]
FEATURE = 'feature_'  # begins the names of the outputs that heads read


class Runner(Protocol):
    """A graph that is loaded: images (b, H, W, 3) uint8 and a prior to its outputs by name.

    The arrays may be the runtime's own, which its next call overwrites.
    """

    @property
    def prior_planes(self) -> int:
        """Planes of its input `prior`; 0 where it has none."""

    def __call__(self, images_rgb: NDArray[np.uint8], prior: Floats | None) -> Maps:
        """Evaluate the graph.

        Args:
            images_rgb: as many as it takes.
            prior: (b, planes, H / 4, W / 4); None where nothing is told.
        """


class GraphOutput:
    """Maps of one batch, evaluated by graphs of smaller batches in turn.

    Args:
        parts: outputs of each run, in order of the images. Those of the last one may be
            overwritten by the next run, before which the backend calls `keep`.
        heads: evaluates heads that the graph leaves out.
        pivots: as `embeddings_of` takes them.
        n: images; what lies behind them fills the last run up.
    """

    def __init__(
        self, parts: Sequence[Maps], heads: PeakHeads, pivots: Pivots | None, *, n: int
    ) -> None:
        self._parts = [dict(part) for part in parts]
        self._heads = heads
        self._pivots = pivots
        self._places = [(p, i) for p, part in enumerate(parts) for i in range(len(part['hm']))]
        # A copy: heat maps outlive the next run, as what the student is told does.
        self._heatmap = np.concatenate([part['hm'] for part in parts])[:n]

    def keep(self) -> None:
        """Copy what the runtime is about to overwrite."""
        self._parts = [{name: np.array(v) for name, v in part.items()} for part in self._parts]

    @property
    def heatmap(self) -> Floats:
        """(B, n_class, h, w) in 0..1."""
        return self._heatmap

    def gather(self, image_index: int, ys: NDArray[np.int64], xs: NDArray[np.int64]) -> PeakValues:
        """Box and re-ID values at K cells of one image."""
        part, index = self._places[image_index]
        maps = self._parts[part]
        features = [name for name in maps if name.startswith(FEATURE)]
        patches = {name: patches_around(maps[name][index], ys, xs) for name in features}

        def read(name: str) -> Floats:
            if name in maps:
                return np.ascontiguousarray(maps[name][index][:, ys, xs].T, np.float32)
            return self._heads.evaluate(name, patches[feature_read_by(name, features)])

        # What is not finite is dropped by `decode`, as it is of torch, which does not warn either.
        with np.errstate(over='ignore', invalid='ignore'):
            ltrb, offset, vectors = (read(name) for name in PEAK_HEADS)
            embeddings = embeddings_of(vectors, self._pivots)
        return PeakValues(ltrb=ltrb, offset=offset, embeddings=embeddings)


class GraphBackend:
    """A bundle's graphs of one engine, precision and kind of heads.

    Args:
        bundle: with its graphs.
        graphs: those to use, of different batch sizes.
        load: makes a graph ready to run.
        name: for diagnostics.
    """

    def __init__(
        self,
        bundle: Bundle,
        graphs: Sequence[Graph],
        load: Callable[[Graph], Runner],
        name: str,
    ) -> None:
        self._runners = {graph.batch: load(graph) for graph in graphs}
        self._heads = PeakHeads(bundle, activation=graphs[0].head_activation)
        self._pivots = Pivots.of(bundle)
        self._prior_planes = next(iter(self._runners.values())).prior_planes
        self._latest: weakref.ref[GraphOutput] | None = None
        self.name = name if graphs[0].sparse_heads else f'{name} dense heads'

    @property
    def prior_planes(self) -> int:
        """As the graph's input says."""
        return self._prior_planes

    def run(self, images_rgb: NDArray[np.uint8], prior: Floats | None = None) -> GraphOutput:
        """Evaluate (B, H, W, 3) uint8 RGB images."""
        latest = None if self._latest is None else self._latest()
        if latest is not None:  # somebody still holds the last output
            latest.keep()
        n = len(images_rgb)
        sizes = list(split_batch(n, tuple(self._runners)))
        told = prior if self._prior_planes else None
        if sum(sizes) > n:
            images_rgb = _filled(images_rgb, sum(sizes))
            told = None if told is None else _filled(told, sum(sizes))
        parts: list[Maps] = []
        first = 0
        for size in sizes:
            rows = slice(first, first + size)
            first += size
            maps = self._runners[size](images_rgb[rows], None if told is None else told[rows])
            # The next run overwrites what this one gave.
            parts.append(maps if first >= n else {k: np.array(v) for k, v in maps.items()})
        output = GraphOutput(parts, self._heads, self._pivots, n=n)
        self._latest = weakref.ref(output)
        return output


class Pivots:
    """The layer that makes pivot vectors of re-ID vectors (AttTrack, EFM)."""

    def __init__(self, weight: Floats, bias: Floats) -> None:
        self._weight, self._bias = weight, bias
        self._scale = np.float32(math.sqrt(2) * math.log(len(weight) - 1))

    @classmethod
    def of(cls, bundle: Bundle) -> Pivots | None:
        """That of a bundle, None where it has none."""
        if not bundle.manifest.architecture.get('pivots'):
            return None
        weight, bias = (
            np.asarray(bundle.tensors[f'pivot.{part}'], np.float32) for part in ('weight', 'bias')
        )
        return cls(weight, bias)

    def __call__(self, unit_vectors: Floats) -> Floats:
        """(K, D) to (K, pivots)."""
        given = self._scale * unit_vectors
        return np.asarray(given @ self._weight.T + self._bias, np.float32)


def embeddings_of(vectors: Floats, pivots: Pivots | None) -> Floats:
    """Raw re-ID vectors (K, D) to what is compared, of unit length."""
    unit = _unit(vectors)
    return unit if pivots is None else _unit(pivots(unit))


def _unit(vectors: Floats) -> Floats:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.maximum(length, 1e-12)).astype(np.float32)


def feature_read_by(head: str, names: Sequence[str]) -> str:
    """The output that a head reads: `feature_wh_reg_id` is read by three."""
    return next(name for name in names if head in name.split('_')[1:])


def is_input(name: str) -> bool:
    """Whether a graph may have an input of this name."""
    return name in ('images', 'prior')


def is_output(name: str) -> bool:
    """Whether a graph may have an output of this name."""
    return name in ('hm', *PEAK_HEADS) or name.startswith(FEATURE)


def split_batch(n: int, sizes: Sequence[int]) -> Iterator[int]:
    """Size of each run over `n` images: the largest that they fill, the smallest at the end."""
    for size in sorted(sizes, reverse=True):
        while n >= size:
            yield size
            n -= size
    if n:
        yield min(sizes)


def _filled(rows: NDArray[T], n: int) -> NDArray[T]:
    """The rows, and zeros up to `n` of them."""
    return np.concatenate([rows, np.zeros((n - len(rows), *rows.shape[1:]), rows.dtype)])


def find_graphs(
    bundle: Bundle, *, engine: str, precisions: Sequence[str], sparse: Sequence[bool]
) -> list[Graph]:
    """The graphs of the first precision, and then kind of heads, that the bundle has.

    Returns:
        All that differ in their batch size alone.

    Raises:
        BundleError: there is none for the bundle's input size; the message names the command
            that makes it.
    """
    size = tuple(bundle.manifest.input_size_wh)
    at_hand = [g for g in graphs_of(bundle.manifest.graphs) if g.engine == engine]
    for precision in precisions:
        for is_sparse in sparse:
            found = [
                g
                for g in at_hand
                if (g.precision, g.sparse_heads, g.input_size_wh) == (precision, is_sparse, size)
            ]
            if found:
                return found
    command = export_command(
        bundle.path,
        engine=engine,
        precision=precisions[-1],
        input_size_wh=(size[0], size[1]),
        sparse_heads=sparse[0],
    )
    known = '; '.join(g.label for g in at_hand) or f'no {engine} graph at all'
    raise BundleError(
        f'{bundle.path}: no {engine} graph of {" or ".join(precisions)} for images of '
        f'{size[0]}x{size[1]}; it has {known}; make one with `{command}`'
    )


def sparse_choices(wanted: str) -> tuple[bool, ...]:
    """Kinds of heads for the value of `sparse_heads`, the best first."""
    return {'auto': (True, False), 'on': (True,), 'off': (False,)}[wanted]
