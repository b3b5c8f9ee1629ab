"""When weights of a classifier or a detector of the tables become zero, and which.

Masks and counts are those of `offline_training.pruning`. Of the toy problem "we pruned both
convolutional and fully connected layers" (section 3.1.1).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import nn

from offline_training.pruning.schedules import one_shot, repeated, rounds
from offline_training.pruning.unstructured import Masks, sparsity_report

PRUNED: tuple[type[nn.Module], ...] = (nn.Conv2d, nn.Linear)
_ROUNDS = 5


def iterative(amount: float, done: float) -> float:
    """In five rounds; each is followed by as long a time of fine-tuning."""
    return rounds(amount, _ROUNDS)[min(_ROUNDS - 1, int(done * _ROUNDS + 1e-9))]


# The wanted share of zeros and the done share of the training, to the share of zeros by now.
SCHEDULES: Mapping[str, Callable[[float, float], float]] = {
    'one_shot': one_shot,
    'during_training': repeated,
    'iterative': iterative,
}


class TrainingMasks:
    """The zeros of a network in training.

    Args:
        network: the one that is trained.
        schedule: of `SCHEDULES`.
        amount: share of the weights that are zero in the end; 0 prunes nothing.
    """

    def __init__(self, network: nn.Module, *, schedule: str, amount: float) -> None:
        self._network, self._amount = network, amount
        self._schedule = SCHEDULES[schedule]
        self._masks = Masks(network, PRUNED) if amount else None

    def before_epoch(self, epoch: int, epochs: int) -> None:
        """Prune as far as the schedule says; in the last epoch all that is wanted is zero.

        What is zero by now is smallest, so that a training that goes on from a checkpoint finds
        the same masks.
        """
        if self._masks:
            done = 1.0 if epoch + 1 == epochs else epoch / epochs
            self._masks.raise_to(self._schedule(self._amount, done))
            self._masks.apply(self._network)

    def after_step(self, *averages: nn.Module) -> None:
        """Set the zeros again, in the network and in averages of it."""
        if self._masks:
            self._masks.apply(self._network, *averages)


def pruned_at_once(network: nn.Module, amount: float) -> None:
    """Set the smallest weights to zero, in place, and do no more."""
    TrainingMasks(network, schedule='one_shot', amount=amount).before_epoch(0, 1)


def share_of_zeros(network: nn.Module) -> float:
    """Of the weights that pruning may take, 0..1."""
    return sparsity_report(network, PRUNED).sparsity
