"""Deformable convolutions as operators that other runtimes know.

Ours is made of an embedding bag, which no runtime takes. `GridSampled` is made of the ONNX
standard's `GridSample`, which all of them have. `AsOperator` becomes one node, for runtimes with a
kernel of their own: it is faster, and it computes places in float32 even where the rest is bf16,
in which a place beyond 256 cells has no fraction.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn, Tensor
from torch.nn import functional as F

from mot_compress_ros.networks.deformable import deform_conv2d, DeformConv2d, KERNEL, TAPS

DOMAIN, OPERATOR = 'mot_compress_ros', 'DeformConv'


class GridSampled(nn.Module):
    """A `DeformConv2d` tap by tap: sampled, weighted and given to a 1x1 convolution."""

    def __init__(self, layer: DeformConv2d) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) -> (B, C_out, H, W)."""
        height, width = x.shape[-2:]
        offsets, mask = split_offsets(self.layer, x)
        rows = torch.arange(height, dtype=x.dtype, device=x.device)[:, None]
        columns = torch.arange(width, dtype=x.dtype, device=x.device)
        out = self.layer.bias[:, None, None]
        for tap in range(TAPS):
            down, right = tap // KERNEL, tap % KERNEL
            y = offsets[:, 2 * tap] + (rows + (down - 1))  # (B, H, W), cells
            z = offsets[:, 2 * tap + 1] + (columns + (right - 1))
            # -1 and 1 are the outer edges of the first and the last cell.
            grid = torch.stack([(2 * z + 1) / width - 1, (2 * y + 1) / height - 1], dim=-1)
            sampled = F.grid_sample(
                x, grid, mode='bilinear', padding_mode='zeros', align_corners=False
            )
            weight = self.layer.weight[:, :, down, right, None, None]  # (C_out, C_in, 1, 1)
            out = out + F.conv2d(sampled * mask[:, tap : tap + 1], weight)
        return out


class AsOperator(nn.Module):
    """A `DeformConv2d` as one node `mot_compress_ros.DeformConv` of the exported graph."""

    def __init__(self, layer: DeformConv2d) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) -> (B, C_out, H, W)."""
        offsets, mask = split_offsets(self.layer, x)
        out: Tensor = _Operator.apply(x, offsets, mask, self.layer.weight, self.layer.bias)
        return out


class _Operator(torch.autograd.Function):
    """Our kernel in torch, one node in ONNX."""

    @staticmethod
    def forward(ctx: Any, *given: Tensor) -> Tensor:
        """As `deform_conv2d`."""
        return deform_conv2d(*given)

    @staticmethod
    def symbolic(g: Any, x: Any, offsets: Any, mask: Any, weight: Any, bias: Any) -> Any:
        """The node; its result has the rows and columns of its input."""
        out = g.op(f'{DOMAIN}::{OPERATOR}', x, offsets, mask, weight, bias)
        sizes = x.type().sizes()
        c_out = weight.type().sizes()[0]
        out.setType(x.type().with_sizes([sizes[0], c_out, *sizes[2:]]))
        return out


def split_offsets(layer: DeformConv2d, x: Tensor) -> tuple[Tensor, Tensor]:
    """Offsets (B, 18, H, W), y and x of each tap in turn, and weights (B, 9, H, W) of the taps."""
    said = layer.conv_offset_mask(x)
    return said[:, : 2 * TAPS], said[:, 2 * TAPS :].sigmoid()


def lowered(network: nn.Module, kind: type[GridSampled] | type[AsOperator]) -> nn.Module:
    """A copy of a network with every deformable convolution as `kind`."""
    copied = copy.deepcopy(network)
    layers = [(n, m) for n, m in copied.named_modules() if isinstance(m, DeformConv2d)]
    for name, layer in layers:
        copied.set_submodule(name, kind(layer))
    return copied
