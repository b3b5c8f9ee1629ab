"""What every part of the joint loss is given."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import nn, Tensor

from offline_training.datasets.targets import Batch

DETECTION = 'detection'
IDENTITY = 'identity'


@dataclass(frozen=True, eq=False)
class Predicted:
    """Raw maps of the network for the B images of a batch.

    Attributes:
        maps: `hm`, `wh`, `reg`, `id`, each (B, n, h, w).
        batch: the targets; its centres say where the maps are read.
    """

    maps: dict[str, Tensor]
    batch: Batch

    def at_centres(self, name: str) -> Tensor:
        """(K, n) float32: values of one map at the K object centres."""
        batch = self.batch
        return self.maps[name][batch.image_index, :, batch.ys, batch.xs].float()


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Sizes that a part with weights of its own is built from.

    Attributes:
        n_identities: identities 0 to n - 1 of the training set are classes; see
            `datasets.identities`.
        embedding_dim: length of a re-ID vector.
    """

    n_identities: int
    embedding_dim: int


class LossPart(nn.Module, ABC):
    """One named term; see `offline_training.losses` for the contract."""

    task = DETECTION

    @abstractmethod
    def forward(self, predicted: Predicted, batch: Batch) -> Tensor:
        """A scalar, 0 where there is nothing to learn from."""
