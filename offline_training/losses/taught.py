"""What the parts that compare features with a teacher's share."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn, Tensor

from mot_compress_ros.errors import InvalidOptionError
from offline_training.distillation.levels import FEATURES
from offline_training.losses.part import Sizes

_SMALLEST_STD = 1e-6  # a channel that never changes is 0 everywhere


def check_taught(part: str, sizes: Sizes) -> None:
    """Raise InvalidOptionError where there is no teacher."""
    if not sizes.teacher_dim:
        raise InvalidOptionError(
            f'loss.{part}: got a weight above 0 without a teacher; pass one with `train --teacher`'
        )


def feature_names(part: str, sizes: Sizes) -> tuple[str, ...]:
    """The maps of `FEATURES` that student and teacher both have.

    Raises:
        InvalidOptionError: there is no teacher, or no such map.
    """
    check_taught(part, sizes)
    return tuple(name for name in FEATURES if name in sizes.channels) or tuple(FEATURES)


def adapters(part: str, sizes: Sizes, names: Iterable[str]) -> nn.ModuleDict:
    """By map, what brings the student's channels to the teacher's.

    A 1x1 convolution where their numbers differ, which trains with the student and stays behind
    with the run; else nothing.

    Raises:
        InvalidOptionError: there is no teacher, or it has no such map.
    """
    check_taught(part, sizes)
    missing = [name for name in names if name not in sizes.channels]
    if missing:
        raise InvalidOptionError(
            f'loss.{part}: compares the maps {", ".join(names)}; of student and teacher are known '
            f'{", ".join(sizes.channels) or "none"}; take another part, or other networks'
        )
    return nn.ModuleDict({name: _adapter(*sizes.channels[name]) for name in names})


def _adapter(own: int, taught: int) -> nn.Module:
    return nn.Identity() if own == taught else nn.Conv2d(own, taught, 1)


def standardised(features: Tensor) -> Tensor:
    """(B, C, h, w) with mean 0 and deviation 1 of each channel over the batch and all cells.

    The squared difference of two such maps is 2 - 2r, r their correlation of Pearson, so neither
    scale nor offset of a channel counts. Source: PKD (Cao et al. 2022), section 3.2.
    """
    std, mean = torch.std_mean(features, dim=(0, 2, 3), correction=0, keepdim=True)
    return (features - mean) / (std + _SMALLEST_STD)


def spatial_attention(features: Tensor, *, temperature: float) -> Tensor:
    """Where a layer looks: (B, C, h, w) to (B, h, w), of mean 1 in each image.

    Source: FGD (Yang et al. 2022), eq. 2 and 4.
    """
    strength = features.abs().mean(dim=1)  # (B, h, w)
    share = (strength / temperature).flatten(1).softmax(dim=1)
    return (share * share.shape[1]).view_as(strength)


def nothing(values: Tensor) -> Tensor:
    """0, with a gradient of 0 to `values`."""
    return values.float().flatten()[:0].sum()
