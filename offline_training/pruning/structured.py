"""Structured pruning: whole channels go, and the network is smaller and faster on any machine.

Channels are scored, the ratio that meets the goal is found by bisection on networks that are
really cut, and what is left is a smaller network of ordinary layers. In several steps the goal
comes nearer in equal parts, and the caller may mend the network after each (distillation).
A detector that lost half of its channels finds next to nothing before it is trained on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
import math
from typing import Generic, TypeVar

from torch import nn, Tensor

from mot_compress_ros.errors import InvalidOptionError
from mot_compress_ros.networks.resize import channel_counts, Counts
from mot_compress_ros.options import option
from offline_training.pruning.graph import channel_groups, ChannelGroup
from offline_training.pruning.importance import channel_scores, IMPORTANCES, Losses, Scores
from offline_training.pruning.measures import Measure, MeasuredBy, MEASURES, Target
from offline_training.pruning.removal import (
    changed_channels,
    Removal,
    shapes_without,
    without,
)
from offline_training.pruning.selection import choose, SCOPES

M = TypeVar('M', bound=nn.Module)
_BISECTIONS = 10  # to a thousandth of the ratio; rounded channels are coarser than that


@dataclass(frozen=True, kw_only=True)
class StructuredConfig:
    """How channels are chosen."""

    importance: str = option('l2', 'how channels are scored', choices=tuple(IMPORTANCES))
    scope: str = option(
        'global',
        'uniform: the same share of every group goes; global: the least of all groups together',
        choices=tuple(SCOPES),
    )
    steps: int = option(1, 'times that channels go, with training between', minimum=1, maximum=100)
    round_to: int = option(8, 'what stays is a multiple of this', minimum=1, maximum=256)
    most: float = option(
        0.9, 'largest share of a group that goes, over all steps', minimum=0.0, maximum=1.0
    )
    keep: tuple[str, ...] = option(
        (), 'layers whose channels all stay, by dotted name or its beginning'
    )
    seed: int = option(0, 'of the importance `random`', minimum=0)


@dataclass(frozen=True, kw_only=True)
class StepReport:
    """What a step did.

    Attributes:
        goal: of the measure.
        before: measure of the network that was cut.
        after: measure of what is left.
        ratio: that met the goal.
        channels: (before, after) of each group that lost some, by its name.
    """

    goal: float
    before: float
    after: float
    ratio: float
    channels: dict[str, tuple[int, int]]


@dataclass(frozen=True, eq=False, kw_only=True)
class Pruned(Generic[M]):
    """A pruned network.

    Attributes:
        network: of ordinary layers; its state dict fits `networks.resize.resized`.
        channels: what a bundle has to say of it (`removal.changed_channels`).
        steps: what was done.
    """

    network: M
    channels: Counts
    steps: tuple[StepReport, ...]


def prune_structured(
    network: M,
    config: StructuredConfig,
    target: Target,
    by: MeasuredBy,
    *,
    losses: Losses | None = None,
    between: Callable[[M, int], M] | None = None,
    images: Tensor | None = None,
) -> Pruned[M]:
    """Prune a network to a target.

    Args:
        network: it is left as it is.
        config: how channels are chosen.
        target: what is aimed at.
        by: how it is measured.
        losses: for importances that read gradients.
        between: mends the network after a step, which is counted from 1; it may train it in place
            and must leave its channels. It is called after the last step too.
        images: an input that the network takes, where that is not an image of 64 x 64 pixels.

    Raises:
        InvalidOptionError: the target cannot be reached.
    """
    measure = MEASURES[target.measure]
    floors = channel_floors(channel_groups(network, images=images), config)
    whole = measure.of(network, by)
    reports = []
    for goal in goals(whole, target.amount(whole), steps=config.steps):
        network, report = prune_step(
            network, config, measure, goal, by, floors=floors, losses=losses, images=images
        )
        reports.append(report)
        if between is not None:
            network = between(network, len(reports))
    return Pruned(network=network, channels=changed_channels(network), steps=tuple(reports))


def goals(whole: float, amount: float, *, steps: int) -> list[float]:
    """What each step aims at: from `whole` to `amount` in equal parts."""
    return [whole + (amount - whole) * (step + 1) / steps for step in range(steps)]


def channel_floors(groups: Sequence[ChannelGroup], config: StructuredConfig) -> dict[str, int]:
    """Channels that stay at least, by group, of the whole network's groups; all of those to keep.

    Raises:
        InvalidOptionError: there is no layer of a name in `keep`.
    """
    floors = {}
    met: set[str] = set()
    for group in groups:
        layers = {piece.layer for piece in group.slices if piece.side != 'in'}
        kept = [n for n in config.keep if any(layer.startswith(n) for layer in layers)]
        met.update(kept)
        floors[group.name] = (
            group.channels if kept else math.ceil((1 - config.most) * group.channels - 1e-9)
        )
    if unknown := sorted(set(config.keep) - met):
        raise InvalidOptionError(
            f'keep: no layer that could lose channels begins with {", ".join(unknown)}; '
            f'the groups are {", ".join(floors)}'
        )
    return floors


def prune_step(
    network: M,
    config: StructuredConfig,
    measure: Measure,
    goal: float,
    by: MeasuredBy,
    *,
    floors: dict[str, int],
    losses: Losses | None = None,
    images: Tensor | None = None,
) -> tuple[M, StepReport]:
    """One step, to at most `goal`; arguments as those of `prune_structured`.

    Raises:
        InvalidOptionError: it cannot be reached.
    """
    groups = channel_groups(network, images=images)
    scores = channel_scores(network, groups, config.importance, losses=losses, seed=config.seed)
    search = _Search(groups, scores, config, floors)
    before = measure.of(network, by)
    ratio = search.ratio_for(_measured_by(network, groups, measure, by), goal)
    smaller = without(network, groups, search.removal(ratio))
    after = measure.of(smaller, by)
    now = channel_counts(smaller)
    changed = {
        group.name: (group.channels, now[group.name][1])
        for group in groups
        if now[group.name][1] < group.channels
    }
    report = StepReport(goal=goal, before=before, after=after, ratio=ratio, channels=changed)
    return smaller, report


def _measured_by(
    network: nn.Module, groups: Sequence[ChannelGroup], measure: Measure, by: MeasuredBy
) -> Callable[[Removal], float]:
    """The measure of what a removal leaves; by shapes alone where they say it."""
    if measure.of_shapes is None:
        return lambda removal: measure.of(without(network, groups, removal), by)
    of_shapes = measure.of_shapes(network, by)
    return lambda removal: of_shapes(shapes_without(network, groups, removal))


class _Search:
    """The smallest ratio that meets a goal."""

    def __init__(
        self,
        groups: Sequence[ChannelGroup],
        scores: Scores,
        config: StructuredConfig,
        floors: dict[str, int],
    ) -> None:
        self._groups, self._scores = groups, scores
        self._config, self._floors = config, floors

    def removal(self, ratio: float) -> Removal:
        """What goes at a ratio."""
        return choose(
            self._scores,
            ratio,
            scope=self._config.scope,
            round_to=self._config.round_to,
            floors=self._floors,
        )

    def ratio_for(self, measured: Callable[[Removal], float], goal: float) -> float:
        """The least ratio, of those that bisection looks at, that meets the goal.

        Raises:
            InvalidOptionError: not even the smallest network meets it.
        """
        low, high = 0.0, 1.0
        smallest = measured(self.removal(high))
        if smallest > goal:
            raise InvalidOptionError(
                f'target: the smallest network has {smallest:.4g}, expected at most {goal:.4g}; '
                'ask for less, or raise --most, lower --round-to or shorten --keep'
            )
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            removal = self.removal(middle)
            if removal == self.removal(high) or measured(removal) <= goal:
                high = middle
            else:
                low = middle
        return high
