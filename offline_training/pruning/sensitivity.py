"""What a score loses when one group of channels, or one layer's weights, is pruned alone.

The groups that lose nothing are those to prune first, and `--keep` is for those that lose much.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from offline_training.pruning.graph import channel_groups
from offline_training.pruning.importance import channel_scores, Losses
from offline_training.pruning.removal import without
from offline_training.pruning.selection import choose
from offline_training.pruning.unstructured import CONVOLUTIONS, smallest
from offline_training.reports.content import Chart, Theme

SHARES = (0.25, 0.5, 0.75)
_ROW_IN = 0.2


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """One group or layer, pruned alone.

    Attributes:
        name: of the group or layer.
        share: that was asked to go, 0..1.
        gone: share that went, after rounding.
        parameters: of the whole network that went, or became zero.
        drop: of the score; positive is worse.
    """

    name: str
    share: float
    gone: float
    parameters: float
    drop: float


Candidates = Iterator[tuple[str, float, float, nn.Module]]


def structured_candidates(
    network: nn.Module,
    *,
    importance: str = 'l2',
    round_to: int = 8,
    shares: Sequence[float] = SHARES,
    losses: Losses | None = None,
    images: torch.Tensor | None = None,
) -> Candidates:
    """For each group and share: name, share, share that went, and the network without it.

    A share that rounding turns into one that was there before is left out.
    """
    groups = channel_groups(network, images=images)
    scores = channel_scores(network, groups, importance, losses=losses)
    for group in groups:
        seen = {0}
        for share in shares if group.name in scores else ():
            alone = {group.name: scores[group.name]}
            removal = choose(alone, share, scope='uniform', round_to=round_to, floors={})
            count = len(removal.get(group.name, ()))
            if count not in seen:
                seen.add(count)
                smaller = without(network, groups, removal)
                yield group.name, share, count / group.channels, smaller


def unstructured_candidates(
    network: nn.Module,
    *,
    shares: Sequence[float] = SHARES,
    module_types: tuple[type[nn.Module], ...] = CONVOLUTIONS,
) -> Candidates:
    """For each layer and share: name, share, share that went, and the network with its zeros."""
    for name, layer in network.named_modules():
        if not isinstance(layer, module_types):
            continue
        weight = layer.get_parameter('weight')
        for share in shares:
            count = round(share * weight.numel())
            kept = smallest({name: weight}, count=count)[name]
            sparse = copy.deepcopy(network)
            with torch.no_grad():
                sparse.get_submodule(name).get_parameter('weight').mul_(kept)
            yield name, share, count / weight.numel(), sparse


def sensitivities(
    network: nn.Module,
    candidates: Candidates,
    score: Callable[[Any], float],
    *,
    progress: Callable[[int, str], None] = lambda done, name: None,
) -> list[Sensitivity]:
    """What each candidate loses, in their order.

    Args:
        network: the whole one; it is left as it is.
        candidates: of it, such as `structured_candidates`.
        score: of a network; higher is better.
        progress: is told how many are done, and the name of the last.
    """
    before = score(network)
    values = _values(network)
    rows = []
    for name, share, gone, pruned in candidates:
        rows.append(
            Sensitivity(
                name=name,
                share=share,
                gone=gone,
                parameters=1 - _values(pruned) / values,
                drop=before - score(pruned),
            )
        )
        progress(len(rows), name)
    return rows


def _values(network: nn.Module) -> int:
    """Parameters that are not zero."""
    return sum(int(p.count_nonzero()) for p in network.parameters())


def sensitivity_chart(rows: Sequence[Sensitivity], *, score: str) -> Chart:
    """A line for each group in order of the network, a mark for each share at its drop."""
    names = list(dict.fromkeys(row.name for row in rows))
    shares = sorted({row.share for row in rows})

    def draw(figure: Any, theme: Theme) -> None:
        from offline_training.reports.runs import COLORS, MARKERS

        axes = figure.subplots()
        for k, share in enumerate(shares):
            chosen = [row for row in rows if row.share == share]
            axes.plot(
                [row.drop for row in chosen],
                [names.index(row.name) for row in chosen],
                linestyle='none',
                marker=MARKERS[k % len(MARKERS)],
                markersize=4.5,
                color=COLORS[k % len(COLORS)],
                label=f'{share:.0%} pruned',
            )
        axes.set_yticks(range(len(names)), names, fontsize=6.5)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.axvline(0, color=theme.soft, linewidth=0.8)
        axes.set_xlabel(f'loss of {score}')
        figure.legend(loc='outside lower center', ncols=len(shares))

    return Chart(
        name='pruning-sensitivity',
        title='What is lost when one part alone is pruned',
        width_in=9.6,
        height_in=max(3.0, 1.4 + _ROW_IN * len(names)),
        draw=draw,
    )
