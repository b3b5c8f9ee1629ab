"""When weights become zero: values that a training loop asks for, and what holds them there.

A member of `SCHEDULES` is a function of the amount that is wanted in the end and of the share of
the training that is done, both 0..1, to the share of zeros by now; None leaves the zeros that
there are. `rounds` is for several trainings one after the other, which hold theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import nn

from mot_compress_ros.errors import InvalidOptionError
from mot_compress_ros.options import option
from offline_training.pruning.unstructured import Masks

Schedule = Callable[[float, float], float | None]
OFF, ROUNDS = 'off', 'rounds'
_TIMES = 20  # how often `gradual` and `repeated` prune


def hold(amount: float, done: float) -> None:
    """The zeros that the network starts with, and no more."""


def one_shot(amount: float, done: float) -> float:
    """All at once, before the training."""
    return amount


def gradual(amount: float, done: float) -> float:
    """Fast at first, slowly at the end: s (1 - (1 - t)^3) (Zhu & Gupta 2017, eq. 1).

    From the start of the training to its third quarter; the last one mends what is left.
    """
    return amount * (1 - (1 - _stair(done)) ** 3)


def repeated(amount: float, done: float) -> float:
    """The same share of what is left, again and again: 1 - (1 - s)^t.

    What calling torch's global pruning every epoch does, with the share chosen so that `amount`
    is met at the third quarter of the training.
    """
    return 1 - (1 - amount) ** _stair(done)


def _stair(done: float) -> float:
    """Progress 0..1 over the first three quarters, in `_TIMES` steps of which the first is one."""
    return min(1.0, (int(done / 0.75 * _TIMES + 1e-9) + 1) / _TIMES)


SCHEDULES: Mapping[str, Schedule | None] = {
    OFF: None,
    'hold': hold,
    'one_shot': one_shot,
    'gradual': gradual,
    'repeated': repeated,
}


def rounds(amount: float, count: int) -> list[float]:
    """Shares of zeros of `count` rounds of pruning and training (iterative pruning)."""
    return [amount * (k + 1) / count for k in range(count)]


@dataclass(frozen=True, kw_only=True)
class SparsityConfig:
    """Unstructured pruning during a training."""

    schedule: str = option(
        OFF,
        'when the smallest weights of the convolutions become zero. off: never; hold: those that '
        'are zero at the start stay so; one_shot: before the first step; gradual: cubic; '
        'repeated: the same share of what is left each time',
        choices=tuple(SCHEDULES),
    )
    amount: float = option(0.2, 'share of zeros in the end', minimum=0.0, maximum=1.0)


@dataclass(frozen=True, kw_only=True)
class UnstructuredConfig:
    """How a finished network is pruned to zeros."""

    steps: int = option(1, 'times that weights go, with training between', minimum=1, maximum=100)
    schedule: str = option(
        ROUNDS,
        'rounds: before each training, which holds the zeros; gradual and repeated: during one',
        choices=(ROUNDS, 'gradual', 'repeated'),
    )

    def __post_init__(self) -> None:
        if self.schedule != ROUNDS and self.steps != 1:
            raise InvalidOptionError(
                f'steps: got {self.steps} with schedule {self.schedule}, expected 1: it makes all '
                'zeros in one training'
            )


class Sparsifier:
    """Keeps a network in training as sparse as its schedule says.

    Args:
        network: the one that is trained, from a checkpoint or from the start; what is zero in it
            at the first step stays zero, except in layers that are zero as a whole.
        config: of a schedule that is not off.
    """

    def __init__(self, network: nn.Module, config: SparsityConfig) -> None:
        schedule = SCHEDULES[config.schedule]
        assert schedule is not None, 'who has no schedule has no sparsifier'
        self._network = network
        self._schedule, self._amount = schedule, config.amount
        self._masks: Masks | None = None  # made at the first step, when a checkpoint is loaded
        self._now: float | None = None

    def before_step(self, done: float) -> None:
        """Prune where the schedule says so.

        Args:
            done: share of the training that is done, 0..1.
        """
        if self._masks is None:
            self._masks = Masks(self._network)
        wanted = self._schedule(self._amount, done)
        if wanted is not None and wanted != self._now:
            self._masks.raise_to(wanted)
            self._masks.apply(self._network)
            self._now = wanted

    def after_step(self, *networks: nn.Module) -> None:
        """Set the zeros again in the network and in averages of it, which a step has moved."""
        if self._masks is not None:
            self._masks.apply(*networks)


def make_sparsifier(network: nn.Module, config: SparsityConfig) -> Sparsifier | None:
    """Of a recipe; None where its schedule is off."""
    return Sparsifier(network, config) if SCHEDULES[config.schedule] else None
