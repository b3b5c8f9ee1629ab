"""How the sums of the two tasks become one number.

A member is built from the starting values of its log variances, by task; `forward` maps the sums
of the tasks at hand to the total, and `shown()` names what it has learned, for the log.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import nn, Tensor


class LossBalance(nn.Module, ABC):
    """The contract of the members."""

    def __init__(self, start: Mapping[str, float]) -> None:
        super().__init__()

    @abstractmethod
    def forward(self, sums: Mapping[str, Tensor]) -> Tensor:
        """The total, a scalar."""

    def shown(self) -> dict[str, Tensor]:
        """What it has learned, by name; nothing unless a member says otherwise."""
        return {}


class FixedBalance(LossBalance):
    """The plain sum; the weights of the parts say what counts how much."""

    def forward(self, sums: Mapping[str, Tensor]) -> Tensor:
        """Sum over tasks."""
        return torch.stack(list(sums.values())).sum()


class UncertaintyBalance(LossBalance):
    """Half the sum over tasks of exp(-s) * loss + s, with s learned for each task.

    Source: FairMOT eq. 6, after Kendall et al. 2018. It can become negative.
    """

    def __init__(self, start: Mapping[str, float]) -> None:
        super().__init__(start)
        self.log_variance = nn.ParameterDict(
            {task: nn.Parameter(torch.tensor(value)) for task, value in start.items()}
        )

    def forward(self, sums: Mapping[str, Tensor]) -> Tensor:
        """The balanced sum over tasks."""
        terms = [
            torch.exp(-self.log_variance[task]) * loss + self.log_variance[task]
            for task, loss in sums.items()
        ]
        return 0.5 * torch.stack(terms).sum()

    def shown(self) -> dict[str, Tensor]:
        """The learned log variances as `s_<task>`."""
        return {f's_{task}': s.detach().clone() for task, s in self.log_variance.items()}


BALANCES: dict[str, type[LossBalance]] = {'fixed': FixedBalance, 'learned': UncertaintyBalance}
