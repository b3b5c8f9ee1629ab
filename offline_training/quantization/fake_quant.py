"""Numbers of 8 bits played in float32: round to the grid of a range, and let gradients through.

A weight is symmetric and has a range per output channel: q = clamp(round(w / s), -127, 127) with
s = max|w| / 127. An activation is asymmetric and has one range per tensor, which holds 0:
q = clamp(round(x / s) + z, 0, 255) with s = (max - min) / 255 and z = round(-min / s).
Source: Jacob et al. 2018, Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference, sections 2.1 and 3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn, Tensor

from mot_compress_ros.networks.fuse import CONVOLUTIONS

WEIGHT_LEVELS = 127  # on each side of 0; -128 is left out, so that both sides are alike
ACTIVATION_LEVELS = 255
_SMALLEST_SCALE = 1e-12
LAYERS = (*CONVOLUTIONS, nn.Linear)
Hook = Callable[[nn.Module, tuple[Tensor, ...]], tuple[Tensor, ...] | None]


class Snap(torch.autograd.Function):
    """x to the nearest point of a grid within its ends; the gradient passes where x is within."""

    @staticmethod
    def forward(
        ctx: torch.autograd.function.FunctionCtx,
        x: Tensor,
        scale: Tensor,
        zero: Tensor,
        ends: tuple[int, int],
    ) -> Tensor:
        """Evaluate; `scale` and `zero` broadcast to `x`, `ends` are whole numbers."""
        steps = torch.round(x / scale) + zero
        inside = (steps >= ends[0]) & (steps <= ends[1])
        ctx.save_for_backward(inside)
        return (steps.clamp(*ends) - zero) * scale

    @staticmethod
    def backward(
        ctx: torch.autograd.function.FunctionCtx, gradient: Tensor
    ) -> tuple[Tensor, None, None, None]:
        """Straight through (Bengio et al. 2013), and nothing for what was cut off."""
        (inside,) = ctx.saved_tensors  # type: ignore[attr-defined]
        return gradient * inside, None, None, None


def snapped_weight(weight: Tensor, *, channel_dim: int = 0) -> Tensor:
    """A weight on its grids, one per channel of `channel_dim`."""
    others = [d for d in range(weight.dim()) if d != channel_dim]
    largest = weight.detach().abs().amax(dim=others, keepdim=True)
    scale = (largest / WEIGHT_LEVELS).clamp(min=_SMALLEST_SCALE)
    ends = (-WEIGHT_LEVELS, WEIGHT_LEVELS)
    out: Tensor = Snap.apply(weight, scale, torch.zeros_like(scale), ends)
    return out


class Range:
    """Smallest and largest value that an activation took."""

    def __init__(self) -> None:
        self.low, self.high = 0.0, 0.0  # 0 is always on the grid, for the padding

    def see(self, x: Tensor) -> None:
        """Widen to the values of `x`."""
        low, high = x.detach().aminmax()
        self.low, self.high = min(self.low, float(low)), max(self.high, float(high))

    def snap(self, x: Tensor) -> Tensor:
        """`x` on the grid of the range."""
        scale = max((self.high - self.low) / ACTIVATION_LEVELS, _SMALLEST_SCALE)
        zero = torch.tensor(float(round(-self.low / scale)), device=x.device)
        out: Tensor = Snap.apply(
            x, torch.tensor(scale, device=x.device), zero, (0, ACTIVATION_LEVELS)
        )
        return out


class FakeQuantized:
    """Plays 8 bits in chosen layers of a network: their inputs and weights, nothing else.

    Args:
        network: BatchNorm folded, eval mode; it is left as it is outside `playing`.
        inputs: that calibrate, each the arguments of the network.
    """

    def __init__(self, network: nn.Module, inputs: Iterable[Sequence[Tensor]]) -> None:
        self.network = network
        self.layers = {n: m for n, m in network.named_modules() if isinstance(m, LAYERS)}
        self.ranges = {name: Range() for name in self.layers}
        hooks = [
            module.register_forward_pre_hook(self._watcher(name))
            for name, module in self.layers.items()
        ]
        with torch.inference_mode():
            for given in inputs:
                network(*given)
        for hook in hooks:
            hook.remove()

    @contextmanager
    def playing(self, names: Iterable[str]) -> Iterator[nn.Module]:
        """The network with the named layers in 8 bits, for as long as this lasts."""
        chosen = list(names)
        weights = {name: self.layers[name].weight for name in chosen}
        hooks = []
        try:
            for name in chosen:
                layer = self.layers[name]
                dim = 1 if isinstance(layer, nn.ConvTranspose2d) and layer.groups == 1 else 0
                snapped = snapped_weight(weights[name].detach(), channel_dim=dim)
                layer.weight = nn.Parameter(snapped, requires_grad=False)
                hooks.append(layer.register_forward_pre_hook(self._snapper(name)))
            yield self.network
        finally:
            for hook in hooks:
                hook.remove()
            for name, weight in weights.items():
                self.layers[name].weight = weight

    def _watcher(self, name: str) -> Hook:
        def watch(_: nn.Module, given: tuple[Tensor, ...]) -> None:
            self.ranges[name].see(given[0])

        return watch

    def _snapper(self, name: str) -> Hook:
        def snap(_: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            return (self.ranges[name].snap(given[0]), *given[1:])

        return snap
