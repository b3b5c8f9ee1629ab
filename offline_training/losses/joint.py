"""The joint loss of detection and re-ID, by named parts."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn, Tensor

from mot_compress_ros.errors import InvalidOptionError
from offline_training.datasets.targets import Batch
from offline_training.distillation.tutor import Lesson
from offline_training.losses import PARTS
from offline_training.losses.balance import BALANCES, LossBalance
from offline_training.losses.config import LossConfig
from offline_training.losses.part import (
    BESIDE,
    DETECTION,
    IDENTITY,
    LossPart,
    Predicted,
    Sizes,
)


class JointCriterion(nn.Module):
    """The chosen parts, weighted and balanced; what they learn trains and is saved with a run.

    Args:
        config: weights of the parts, their options, and the balance.
        n_identities: identities of the training set that are classes, as
            `datasets.identities.number_identities` counts them.
        embedding_dim: length of the network's re-ID vectors.
        teacher_dim: length of a teacher's; 0 for none.
        channels: as `part.Sizes`.

    Raises:
        InvalidOptionError: all weights are 0, or a part cannot learn from that.
    """

    def __init__(
        self,
        config: LossConfig,
        *,
        n_identities: int = 0,
        embedding_dim: int = 0,
        teacher_dim: int = 0,
        channels: Mapping[str, tuple[int, int]] | None = None,
    ) -> None:
        super().__init__()
        sizes = Sizes(
            n_identities=n_identities,
            embedding_dim=embedding_dim,
            teacher_dim=teacher_dim,
            channels=channels or {},
        )
        self.weights = {n: w for n in PARTS if (w := getattr(config, n)) > 0}
        if not self.weights:
            raise InvalidOptionError('loss: every part has weight 0; give one of them a weight')
        self.parts = nn.ModuleDict({name: PARTS[name](config, sizes) for name in self.weights})
        self.tasks = {name: _task(part) for name, part in self.parts.items()}
        start = {DETECTION: config.s_detection, IDENTITY: config.s_identity}
        self.balance: LossBalance = BALANCES[config.balance](
            {task: s for task, s in start.items() if task in self.tasks.values()}
        )

    def forward(
        self, maps: dict[str, Tensor], batch: Batch, lesson: Lesson | None = None
    ) -> dict[str, Tensor]:
        """Named parts, their balanced sum `total`, and what the balance has learned.

        Args:
            maps: raw network maps `hm`, `wh`, `reg`, `id`, each (B, n, h, w).
            batch: targets of the same images.
            lesson: what a teacher says of them, where there is one.
        """
        lesson = lesson or Lesson()
        predicted = Predicted(maps, batch, lesson.taught, lesson.pivots, lesson.teachers_heads)
        parts = {name: part(predicted, batch) for name, part in self.parts.items()}
        sums = self._sums(parts)
        beside = sums.pop(BESIDE, None)
        total = self.balance(sums) if sums else torch.zeros_like(next(iter(parts.values())))
        total = total if beside is None else total + beside
        return {'total': total, **parts, **self.balance.shown()}

    def _sums(self, parts: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Weighted sum of the parts of each task."""
        return {
            task: torch.stack(
                [self.weights[name] * parts[name] for name in parts if self.tasks[name] == task]
            ).sum()
            for task in dict.fromkeys(self.tasks.values())
        }


def _task(part: nn.Module) -> str:
    assert isinstance(part, LossPart)
    return part.task
