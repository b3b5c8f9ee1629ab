"""2:4 sparsity: of each four weights in a row, the two smallest are zero.

Tensor cores of NVIDIA's Ampere and later multiply such matrices at up to twice the rate; nothing
else does, and no CPU runtime here. So the masks cost accuracy everywhere and may gain time there.
Source: Mishra et al. 2021, Accelerating Sparse Deep Neural Networks, sections 3 and 4.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import math
from typing import Any

import torch
from torch import nn, Tensor
from torch.nn.utils import prune

GROUP = 4
KEPT = 2


@dataclass(frozen=True, kw_only=True)
class Sparse24Report:
    """What was masked.

    Attributes:
        layers: names of the layers that have masks.
        left: names of those whose rows cannot be cut into fours.
        weights: weights of the masked layers.
        zeros: how many of them are zero now.
    """

    layers: tuple[str, ...]
    left: tuple[str, ...]
    weights: int
    zeros: int


def mask_24(weight: Tensor) -> Tensor:
    """1 for the two largest of each four along the inputs, else 0; of the weight's shape.

    The four are neighbours in the row (I k k) of an output (O, I, k, k) with the channels last,
    as the product of matrices reads them. Of equal ones the first are kept.

    Raises:
        ValueError: the row is not a multiple of four.
    """
    rows = _rows(weight).detach()  # (O, k k I)
    if rows.shape[1] % GROUP:
        raise ValueError(f'expected a multiple of {GROUP} inputs, got {rows.shape[1]}')
    groups = rows.abs().unflatten(1, (-1, GROUP))  # (O, n, 4)
    order = groups.argsort(dim=2, descending=True, stable=True)
    kept = torch.zeros_like(groups).scatter_(2, order[..., :KEPT], 1.0)
    return _unrows(kept.flatten(1), weight)


def sparsify_24(
    network: nn.Module, *, chosen: Callable[[str, nn.Module], bool] = lambda name, module: True
) -> Sparse24Report:
    """Mask convolutions and linear layers, in place, as `torch.nn.utils.prune` does.

    The masks hold while the network is trained on; `prune.remove` makes them permanent. Depthwise
    and other grouped convolutions are left: their rows are too short to gain.

    Args:
        network: changed in place.
        chosen: by name and module, which layers.
    """
    done, left, weights, zeros = [], [], 0, 0
    for name, module in network.named_modules():
        if not isinstance(module, (nn.Conv2d, nn.Linear)) or not chosen(name, module):
            continue
        weight = module.weight
        grouped = isinstance(module, nn.Conv2d) and module.groups > 1
        if grouped or math.prod(weight.shape[1:]) % GROUP:
            left.append(name)
            continue
        mask = mask_24(weight)
        prune.custom_from_mask(module, 'weight', mask)
        done.append(name)
        weights += weight.numel()
        zeros += int((mask == 0).sum())
    return Sparse24Report(layers=tuple(done), left=tuple(left), weights=weights, zeros=zeros)


def make_permanent(network: nn.Module) -> None:
    """Write the masks into the weights; the keys are those of before again."""
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)) and prune.is_pruned(module):
            prune.remove(module, 'weight')


def semi_structured_speedup(rows: int, inputs: int, columns: int) -> float | None:
    """Dense over sparse time of one fp16 product of (rows, inputs) with (inputs, columns).

    By `torch.sparse`'s semi-structured kernels; None where there is no GPU that has them.
    """
    if not torch.cuda.is_available() or torch.cuda.get_device_capability() < (8, 0):
        return None
    from torch.sparse import to_sparse_semi_structured

    weight = torch.randn(rows, inputs, device='cuda', dtype=torch.float16)
    given = torch.randn(inputs, columns, device='cuda', dtype=torch.float16)
    weight = weight * mask_24(weight)
    sparse: Any = to_sparse_semi_structured(weight)
    return _cuda_ms(lambda: weight @ given) / _cuda_ms(lambda: sparse @ given)


def _cuda_ms(call: Callable[[], Any], *, rounds: int = 50) -> float:
    for _ in range(5):
        call()
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    for _ in range(rounds):
        call()
    end.record()
    torch.cuda.synchronize()
    return float(start.elapsed_time(end)) / rounds


def _rows(weight: Tensor) -> Tensor:
    """(O, I, k, k) to (O, k k I); a linear weight is rows already."""
    return weight.movedim(1, -1).flatten(1) if weight.dim() > 2 else weight


def _unrows(rows: Tensor, like: Tensor) -> Tensor:
    if like.dim() == 2:
        return rows
    outputs, inputs, *kernel = like.shape
    return rows.reshape(outputs, *kernel, inputs).movedim(-1, 1).contiguous()
