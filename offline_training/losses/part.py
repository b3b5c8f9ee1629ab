"""What every part of the joint loss is given."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import nn, Tensor

from offline_training.datasets.targets import Batch

DETECTION = 'detection'
IDENTITY = 'identity'
BESIDE = 'beside'  # of neither task: added to what the balance makes of the two


@dataclass(frozen=True, eq=False)
class Predicted:
    """Raw maps of the network for the B images of a batch.

    Attributes:
        maps: `hm`, `wh`, `reg`, `id`, each (B, n, h, w).
        batch: the targets; its centres say where the maps are read.
        taught: a teacher's raw maps of the same images, those that were asked for.
        pivots: the network's layer from raw re-ID vectors (K, D) to pivot vectors (K, n); None
            where it has none.
        teachers_heads: the rest of the teacher's heads `hm` and `wh`, frozen: from a head's hidden
            map, as it is in `taught`, to its raw map.

    Where features are compared, both have the backbone's maps too, `level4` to `level32`, or maps
    of `distillation.levels.INSIDE`.
    """

    maps: dict[str, Tensor]
    batch: Batch
    taught: Mapping[str, Tensor] = field(default_factory=dict)
    pivots: Callable[[Tensor], Tensor] | None = None
    teachers_heads: Mapping[str, Callable[[Tensor], Tensor]] = field(default_factory=dict)

    def at_centres(self, name: str) -> Tensor:
        """(K, n) float32: values of one map at the K object centres."""
        return self._at_centres(self.maps[name])

    def taught_at_centres(self, name: str) -> Tensor:
        """(K, n) float32: values of one of the teacher's maps at the K object centres."""
        return self._at_centres(self.taught[name])

    def pivot_vectors(self, vectors: Tensor) -> Tensor:
        """Raw re-ID vectors (K, D) through the network's pivot layer: (K, n)."""
        assert self.pivots is not None  # the recipe gives the network one where a part needs it
        return self.pivots(vectors)

    def _at_centres(self, values: Tensor) -> Tensor:
        batch = self.batch
        return values[batch.image_index, :, batch.ys, batch.xs].float()


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Sizes that a part with weights of its own is built from.

    Attributes:
        n_identities: identities 0 to n - 1 of the training set are classes; see
            `datasets.identities`.
        embedding_dim: length of a re-ID vector.
        teacher_dim: of a teacher's; 0 where there is no teacher.
        channels: of the student and of the teacher, by name of the maps inside that both have;
            see `distillation.levels.channels_of`.
    """

    n_identities: int
    embedding_dim: int
    teacher_dim: int = 0
    channels: Mapping[str, tuple[int, int]] = field(default_factory=dict)


class LossPart(nn.Module, ABC):
    """One named term; see `offline_training.losses` for the contract."""

    task = DETECTION
    # Of a teacher: heads, and names of maps inside it (`distillation.levels`).
    asks: frozenset[str] = frozenset()

    @abstractmethod
    def forward(self, predicted: Predicted, batch: Batch) -> Tensor:
        """A scalar, 0 where there is nothing to learn from."""
