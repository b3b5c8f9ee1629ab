"""Modulated deformable convolution (DCNv2) in plain torch: trains, and runs on any device."""

from __future__ import annotations

from collections.abc import Callable
import functools
import importlib
import math

import torch
from torch import nn, Tensor
from torch.nn import functional as F

Implementation = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]

KERNEL = 3
TAPS = KERNEL * KERNEL


class DeformConv2d(nn.Module):
    """3x3 convolution, stride 1, that reads each tap at a learned place with a learned weight.

    (B, C_in, H, W) -> (B, C_out, H, W). `conv_offset_mask` says for each cell where the 9 taps
    read (18 numbers, in cells) and how much they count (9 logits). It starts at zero, where this
    is a plain convolution of half the weight.

    Parameter names are those of the public layout: `weight`, `bias`, `conv_offset_mask.*`.
    Source: Zhu et al., Deformable ConvNets v2, section 3.2; one deformable group.
    """

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(c_in * TAPS)
        self.weight = nn.Parameter(torch.empty(c_out, c_in, KERNEL, KERNEL))
        self.bias = nn.Parameter(torch.zeros(c_out))
        nn.init.uniform_(self.weight, -bound, bound)
        self.conv_offset_mask = nn.Conv2d(c_in, 3 * TAPS, KERNEL, padding=1)
        nn.init.zeros_(self.conv_offset_mask.weight)
        nn.init.zeros_(self.conv_offset_mask.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Evaluate the convolution."""
        first, second, mask = self.conv_offset_mask(x).chunk(3, dim=1)
        offsets = torch.cat([first, second], dim=1)  # (B, 18, H, W), y and x of each tap in turn
        compute = fastest(x.device.type, x.dtype)
        return compute(x, offsets, mask.sigmoid(), self.weight, self.bias)


def deform_conv2d(
    x: Tensor, offsets: Tensor, mask: Tensor, weight: Tensor, bias: Tensor
) -> Tensor:
    """Deformable 3x3 convolution with stride 1 and zero padding 1, tap by tap.

    Only one tap's samples are held at a time, so inference needs little memory.

    Args:
        x: (B, C_in, H, W).
        offsets: (B, 18, H, W) in cells; rows 2 k and 2 k + 1 are y and x of tap k, and taps go
            row by row through the window (the order of `torchvision.ops.deform_conv2d`).
        mask: (B, 9, H, W), the weight of each tap.
        weight: (C_out, C_in, 3, 3).
        bias: (C_out,).

    Returns:
        (B, C_out, H, W). Cells outside the map read as zero, and so does the half of a sample
        that lies outside.
    """
    batch, channels, height, width = x.shape
    rows = x.permute(0, 2, 3, 1).reshape(-1, channels)  # (B * H * W, C_in), one cell per row
    index, share = _corners(offsets.unflatten(1, (TAPS, 2)))
    share = share * mask.transpose(0, 1).reshape(TAPS, -1, 1)
    weights = weight.flatten(2).permute(2, 1, 0)  # (9, C_in, C_out)
    out = bias.expand(len(rows), -1)  # (B * H * W, C_out)
    for tap in range(TAPS):
        out = torch.addmm(out, _weighted_rows(rows, index[tap], share[tap]), weights[tap])
    return out.view(batch, height, width, -1).permute(0, 3, 1, 2)


def _corners(offsets: Tensor) -> tuple[Tensor, Tensor]:
    """The four cells around each place that `offsets` (B, 9, 2, H, W) make a tap read.

    Returns:
        Their row numbers and bilinear shares, (9, B * H * W, 4). The share is zero outside.
    """
    batch, (height, width) = len(offsets), offsets.shape[-2:]
    # Half precision cannot hold a position of 1000 and a fraction of a cell.
    precise = offsets.to(torch.promote_types(offsets.dtype, torch.float32)).transpose(0, 1)
    window = torch.arange(KERNEL, device=offsets.device) - 1
    tap_y, tap_x = window.repeat_interleave(KERNEL), window.repeat(KERNEL)  # (9,)
    rows = torch.arange(height, device=offsets.device) + tap_y[:, None]  # (9, H)
    columns = torch.arange(width, device=offsets.device) + tap_x[:, None]  # (9, W)
    cell_y, share_y = _neighbours(precise[:, :, 0] + rows[:, None, :, None], height)
    cell_x, share_x = _neighbours(precise[:, :, 1] + columns[:, None, None, :], width)
    image = torch.arange(batch, device=offsets.device)[:, None, None, None, None]
    index = (image * height + cell_y[..., None]) * width + cell_x[..., None, :]
    share = share_y[..., None] * share_x[..., None, :]  # (9, B, H, W, 2, 2)
    return index.view(TAPS, -1, 4), share.view(TAPS, -1, 4)


def _neighbours(place: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The two cells of a line of `size` cells around each place, and how near each is, (..., 2).

    A cell outside the line is replaced by one inside, with share zero.
    """
    low = place.detach().floor()
    fraction = place - low
    cells = torch.stack([low, low + 1], -1)
    share = torch.stack([1 - fraction, fraction], -1)
    inside = (cells >= 0) & (cells < size)
    # Replaced before it becomes an integer: an offset may have overflowed, or be no number.
    return torch.where(inside, cells, 0).long(), torch.where(inside, share, 0)


def _weighted_rows(rows: Tensor, index: Tensor, share: Tensor) -> Tensor:
    """Sum over the 4 rows that `index` (N, 4) names, each times its `share`: (N, C)."""
    # One fused pass; three times faster than four gathers, forward and backward.
    return F.embedding_bag(index, rows, per_sample_weights=share.to(rows.dtype), mode='sum')


@functools.cache
def fastest(device_type: str, dtype: torch.dtype) -> Implementation:
    """The kernel of torchvision where it works for this device and type, else ours."""
    kernel = _torchvision_kernel()
    if kernel is None:
        return deform_conv2d
    x = torch.ones(1, 1, 3, 3, device=device_type, dtype=dtype)
    try:
        kernel(x, x.new_zeros(1, 18, 3, 3), x.new_ones(1, 9, 3, 3), x, x.new_zeros(1))
    except (RuntimeError, NotImplementedError):  # no kernel for this device or type
        return deform_conv2d
    return kernel


def _torchvision_kernel() -> Implementation | None:
    """`torchvision.ops.deform_conv2d` with our arguments, or None where it cannot be imported."""
    try:
        ops = importlib.import_module('torchvision.ops')
    except (ImportError, RuntimeError):  # RuntimeError: built for another torch
        return None

    def kernel(x: Tensor, offsets: Tensor, mask: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        out: Tensor = ops.deform_conv2d(x, offsets, weight, bias, padding=1, mask=mask)
        return out

    return kernel
