"""The re-ID embeddings that tracks remember, one per embedding space.

Vectors of two networks say nothing about each other, so a track that the teacher and the student
both saw remembers one smoothed vector for each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.errors import InvalidDataError
from mot_compress_ros.tracking.rows import row_numbers, Rows

Float32Array = NDArray[np.float32]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Remembered:
    """Embeddings of N tracks in one space: `vectors` (N, D) of unit length where `known` (N,)."""

    vectors: Float32Array
    known: BoolArray


@dataclass(frozen=True, eq=False)
class Gallery:
    """What N tracks look like, by embedding space. A value: every change makes a new one."""

    size: int
    spaces: Mapping[str, Remembered] = field(default_factory=dict)

    def __getitem__(self, rows: Rows) -> Gallery:
        """Rows chosen by a mask or an index array."""
        numbers = row_numbers(rows)
        chosen = {
            name: Remembered(space.vectors.take(numbers, axis=0), space.known.take(numbers))
            for name, space in self.spaces.items()
        }
        return Gallery(len(numbers), {name: s for name, s in chosen.items() if s.known.any()})

    def space(self, name: str, *, dim: int) -> Remembered:
        """What is remembered in a space of `dim` dimensions; nothing is known of a new one.

        Raises:
            InvalidDataError: the space is remembered with another dimension.
        """
        if name not in self.spaces:
            return Remembered(np.zeros((self.size, dim), np.float32), np.zeros(self.size, bool))
        found = self.spaces[name]
        if found.vectors.shape[1] != dim:
            raise InvalidDataError(
                f'embeddings of space {name!r}: expected {found.vectors.shape[1]} dimensions '
                f'as before, got {dim}; give each network its own embedding_space'
            )
        return found

    def blend(
        self, rows: NDArray[np.int64], embeddings: Float32Array, *, space: str, momentum: float
    ) -> Gallery:
        """The gallery after tracks `rows` (K,) were seen with `embeddings` (K, D).

        An exponential moving average, renormalised; the first embedding is taken as it is.
        Embeddings without length carry nothing and change nothing.
        """
        if not len(rows):
            return self
        fresh, usable = unit_length(embeddings)
        if not usable.all():
            rows, fresh = rows[usable], fresh[usable]
        return self.blend_units(rows, fresh, space=space, momentum=momentum)

    def blend_units(
        self, rows: NDArray[np.int64], fresh: Float32Array, *, space: str, momentum: float
    ) -> Gallery:
        """The same for embeddings `fresh` (K, D) that have unit length."""
        if not len(rows):
            return self
        old = self.space(space, dim=fresh.shape[1])
        vectors, known = old.vectors.copy(), old.known
        mixed, _ = unit_length(momentum * vectors.take(rows, 0) + (1 - momentum) * fresh)
        before = known[rows]
        if not before.all():
            mixed = np.where(before[:, None], mixed, fresh)
            known = known.copy()
            known[rows] = True
        vectors[rows] = mixed
        return Gallery(self.size, {**self.spaces, space: Remembered(vectors, known)})

    def put(self, rows: NDArray[np.int64], other: Gallery) -> Gallery:
        """A gallery in which `rows` are those of `other`, in the spaces that it has."""
        spaces = dict(self.spaces)
        for name, theirs in other.spaces.items():
            mine = self.space(name, dim=theirs.vectors.shape[1])
            vectors, known = mine.vectors.copy(), mine.known.copy()
            vectors[rows], known[rows] = theirs.vectors, theirs.known
            spaces[name] = Remembered(vectors, known)
        return Gallery(self.size, spaces)

    def join(self, other: Gallery) -> Gallery:
        """The tracks of this gallery, then those of `other`."""
        names = dict.fromkeys([*self.spaces, *other.spaces])
        joined = {}
        for name in names:
            dim = (self.spaces.get(name) or other.spaces[name]).vectors.shape[1]
            parts = [self.space(name, dim=dim), other.space(name, dim=dim)]
            joined[name] = Remembered(
                np.concatenate([part.vectors for part in parts]),
                np.concatenate([part.known for part in parts]),
            )
        return Gallery(self.size + other.size, joined)


def unit_length(vectors: Float32Array) -> tuple[Float32Array, BoolArray]:
    """`vectors` (N, D) scaled to length 1, and which (N,) had a length to scale."""
    length = np.sqrt(np.add.reduce(vectors * vectors, axis=1))  # (N,)
    usable = length > 1e-6
    if usable.all():
        return vectors / length[:, None], usable
    scale = np.where(usable, length, 1).astype(np.float32)
    return vectors / scale[:, None], usable
