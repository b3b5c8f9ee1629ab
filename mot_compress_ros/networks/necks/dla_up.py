"""The upward half of FairMOT's DLA-34: iterative deep aggregation to stride 4.

Names (`ida_i`, `proj_i`, `up_i`, `node_i`, `actf`, `conv`) follow the published key layout.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn, Tensor

MakeConv = Callable[[int, int], nn.Module]


class AggregationConv(nn.Module):
    """3x3 convolution (plain or deformable), BatchNorm, ReLU; height and width are kept."""

    batch_norm_pairs = (('conv', 'actf.0'),)

    def __init__(self, c_in: int, c_out: int, make_conv: MakeConv) -> None:
        super().__init__()
        self.actf = nn.Sequential(nn.BatchNorm2d(c_out), nn.ReLU(inplace=True))
        self.conv = make_conv(c_in, c_out)

    def forward(self, x: Tensor) -> Tensor:
        """Evaluate the block."""
        out: Tensor = self.actf(self.conv(x))
        return out


class IdaUp(nn.Module):
    """Joins maps one after the other, each brought to the size of the first.

    Args:
        c_out: channels of the first map and of all results.
        channels: of each map, finest first.
        factors: how much coarser each map is than the first; `factors[0]` is 1.
        make_conv: makes the 3x3 convolutions from channels in and out.
    """

    def __init__(
        self, c_out: int, channels: Sequence[int], factors: Sequence[int], make_conv: MakeConv
    ) -> None:
        super().__init__()
        self.steps = len(channels) - 1
        for i, (c_in, factor) in enumerate(zip(channels[1:], factors[1:], strict=True), start=1):
            self.add_module(f'proj_{i}', AggregationConv(c_in, c_out, make_conv))
            self.add_module(f'up_{i}', _bilinear_upsampling(c_out, factor))
            self.add_module(f'node_{i}', AggregationConv(c_out, c_out, make_conv))

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """The first map, and the joint one after each step, all of the first's size."""
        joint = [maps[0]]
        for i, coarse in enumerate(maps[1:], start=1):
            projected = self.get_submodule(f'proj_{i}')(coarse)
            fine = self.get_submodule(f'up_{i}')(projected)
            joint.append(self.get_submodule(f'node_{i}')(fine + joint[-1]))
        return joint


class DlaUp(nn.Module):
    """Joins maps of strides s, 2 s, 4 s, ... from the coarse end, (DLA, figure 4).

    Channels stay what they are: the result at each stride has those of the map that came in.
    """

    def __init__(self, channels: Sequence[int], make_conv: MakeConv) -> None:
        super().__init__()
        self.steps = len(channels) - 1
        for i in range(self.steps):
            start = self.steps - 1 - i
            c_out = channels[start]
            # Coarser maps went through the step before, which left all with these channels.
            inputs = [c_out, *[channels[start + 1]] * (i + 1)]
            self.add_module(f'ida_{i}', IdaUp(c_out, inputs, [1] + [2] * (i + 1), make_conv))

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """One map of each stride, finest first; the coarsest is passed through."""
        layers = list(maps)
        results = [layers[-1]]
        for i in range(self.steps):
            start = self.steps - 1 - i
            layers[start:] = self.get_submodule(f'ida_{i}')(layers[start:])
            results.insert(0, layers[-1])
        return results


def _bilinear_upsampling(channels: int, factor: int) -> nn.ConvTranspose2d:
    """Transposed convolution per channel that starts as bilinear interpolation."""
    size = 2 * factor
    layer = nn.ConvTranspose2d(
        channels, channels, size, factor, padding=factor // 2, groups=channels, bias=False
    )
    places = torch.arange(size, dtype=torch.float32)
    slope = 1 - (places / factor - (2 * factor - 1) / (2 * factor)).abs()  # (2 f,), a triangle
    with torch.no_grad():
        layer.weight.copy_(slope[:, None] * slope)
    return layer
