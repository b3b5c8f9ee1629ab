"""How much a network would miss each channel of a group; the least missed go first.

A member is an `Importance`: a function of a network and a group that gives one number a channel.
Numbers of different groups are compared where channels are chosen over the whole network: those
that depend on the size of a layer are divided by their mean over the group (`relative`).
`IMPORTANCES` names them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn, Tensor

from mot_compress_ros.errors import InvalidOptionError
from offline_training.pruning.graph import BOTH, ChannelGroup, cuts_of, IN, OUT, Slice

# Losses of some batches with a network; each is a scalar with a gradient.
Losses = Callable[[nn.Module], Iterable[Tensor]]
Scores = Mapping[str, Tensor]
_SIDES = (IN, OUT, BOTH)


@dataclass(frozen=True, kw_only=True)
class Importance:
    """A way to tell which channels matter.

    Attributes:
        score: (network, group, generator) to (channels,) float32, larger for what matters more;
            None where it cannot tell, and nothing of the group goes.
        relative: whether numbers of different groups have no common scale.
        by_gradient: whether it reads gradients of a loss; scores of several batches are added.
    """

    score: Callable[[nn.Module, ChannelGroup, torch.Generator], Tensor | None]
    relative: bool = True
    by_gradient: bool = False


def _rows(network: nn.Module, piece: Slice, values: Callable[[nn.Parameter], Tensor]) -> Tensor:
    """`values` of the weight of a slice as (n, -1), a row for each of its channels."""
    layer = network.get_submodule(piece.layer)
    (path, dimension), *_ = cuts_of(layer, piece.side)
    by_channel = values(layer.get_parameter(path)).transpose(0, dimension)
    rows = by_channel[piece.index.to(by_channel.device)].float().cpu()
    return rows.reshape(len(rows), -1)


def _sum_by_channel(group: ChannelGroup, pieces: Iterable[tuple[Slice, Tensor]]) -> Tensor:
    """One value for each channel of a slice, added where the group has it; (channels,)."""
    total = torch.zeros(group.channels)
    for piece, values in pieces:
        total.scatter_add_(0, piece.channel, values)
    return total


def _is_norm(network: nn.Module, piece: Slice) -> bool:
    return isinstance(network.get_submodule(piece.layer), nn.BatchNorm2d)


def _weights(parameter: nn.Parameter) -> Tensor:
    return parameter.detach()


def l1(network: nn.Module, group: ChannelGroup, generator: torch.Generator) -> Tensor | None:
    """Sum of absolute weights of the filters that make the channel (Li et al. 2017, section 3)."""
    makers = [piece for piece in group.slices if piece.side == OUT]
    return _sum_by_channel(group, ((p, _rows(network, p, _weights).abs().sum(1)) for p in makers))


def l2(network: nn.Module, group: ChannelGroup, generator: torch.Generator) -> Tensor | None:
    """Euclidean norm of all that goes with the channel: its makers, norms and readers.

    Source: Fang et al. 2023 (DepGraph), section 3.3.
    """
    squares = ((p, _rows(network, p, _weights).square().sum(1)) for p in group.slices)
    return _sum_by_channel(group, squares).sqrt()


def bn_scale(network: nn.Module, group: ChannelGroup, generator: torch.Generator) -> Tensor | None:
    """Absolute factors of the BatchNorms of the channel, their mean (Liu et al. 2017, Slimming).

    The hidden channels of the heads have no BatchNorm, and stay.
    """
    norms = [piece for piece in group.slices if _is_norm(network, piece)]
    if not norms:
        return None
    scales = ((p, _rows(network, p, _weights).abs().sum(1)) for p in norms)
    return _sum_by_channel(group, scales) / len(norms)


def taylor(network: nn.Module, group: ChannelGroup, generator: torch.Generator) -> Tensor | None:
    """Squared first-order change of the loss when what reads the channel reads zero instead.

    The readers' weights of the channel times their gradients: the gradient of a gate on the
    channel, and unlike at its makers no BatchNorm behind them makes it vanish.
    Source: Molchanov et al. 2019, eq. 8 with a gate.
    """
    readers = [piece for piece in group.slices if piece.side == IN]
    changes = ((p, _rows(network, p, _weight_times_gradient).sum(1)) for p in readers)
    return _sum_by_channel(group, changes).square()


def _weight_times_gradient(parameter: nn.Parameter) -> Tensor:
    if parameter.grad is None:
        return torch.zeros_like(parameter)
    return parameter.detach() * parameter.grad


def at_random(
    network: nn.Module, group: ChannelGroup, generator: torch.Generator
) -> Tensor | None:
    """Any channel as good as any other: what the others have to beat."""
    return torch.rand(group.channels, generator=generator)


IMPORTANCES: Mapping[str, Importance] = {
    'l1': Importance(score=l1),
    'l2': Importance(score=l2),
    'bn_scale': Importance(score=bn_scale, relative=False),
    'taylor': Importance(score=taylor, relative=False, by_gradient=True),
    'random': Importance(score=at_random, relative=False),
}


def channel_scores(
    network: nn.Module,
    groups: Sequence[ChannelGroup],
    name: str,
    *,
    losses: Losses | None = None,
    seed: int = 0,
) -> Scores:
    """Scores (channels,) of the groups by name; groups that it cannot tell of are left out.

    Args:
        network: its weights stay; gradients are dropped.
        groups: of the network.
        name: a key of `IMPORTANCES`.
        losses: what gradients are of; only some members need them.
        seed: of what is drawn.

    Raises:
        InvalidOptionError: gradients are needed and there are no losses.
    """
    member = IMPORTANCES[name]
    generator = torch.Generator().manual_seed(seed)
    if not member.by_gradient:
        return _once(network, groups, member, generator)
    check_losses(name, losses)
    assert losses is not None, 'checked'
    total: dict[str, Tensor] = {}
    network.eval()
    for loss in losses(network):
        network.zero_grad(set_to_none=True)
        loss.backward()
        for key, value in _once(network, groups, member, generator).items():
            total[key] = total[key] + value if key in total else value
    network.zero_grad(set_to_none=True)
    return total


def check_losses(name: str, losses: Losses | None) -> None:
    """Check that a member that reads gradients has something to read them of.

    Raises:
        InvalidOptionError: it has not.
    """
    if losses is None and IMPORTANCES[name].by_gradient:
        raise InvalidOptionError(
            f'importance: {name} reads gradients of a training loss, and there is none; pass '
            '--recipe and --data, or take one of '
            f'{", ".join(n for n, m in IMPORTANCES.items() if not m.by_gradient)}'
        )


def _once(
    network: nn.Module,
    groups: Sequence[ChannelGroup],
    member: Importance,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    found = {group.name: member.score(network, group, generator) for group in groups}
    known = {name: score for name, score in found.items() if score is not None}
    if not member.relative:
        return known
    return {name: s / s.mean().clamp(min=torch.finfo().tiny) for name, s in known.items()}
