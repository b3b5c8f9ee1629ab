"""Which objects of a batch a metric loss may compare."""

from __future__ import annotations

import torch
from torch import Tensor


def comparisons(
    identities: Tensor, class_ids: Tensor, nameless_clips: Tensor
) -> tuple[Tensor, Tensor]:
    """Masks (K, K) of positives and of negatives of each object; symmetric.

    Args:
        identities: (K,) int64; objects of one number are positives of each other.
        class_ids: (K,) int64; the tracker compares within a class only, so do the losses.
        nameless_clips: (K,) int64; objects of one clip (from 0) may be the same under two numbers,
            so they are never negatives of each other. -1: not of such a clip.
    """
    itself = torch.eye(len(identities), dtype=torch.bool, device=identities.device)
    equal = identities[:, None] == identities[None, :]
    one_class = class_ids[:, None] == class_ids[None, :]
    one_clip = nameless_clips[:, None] == nameless_clips[None, :]
    unsure = one_clip & (nameless_clips >= 0)
    return one_class & equal & ~itself, one_class & ~equal & ~unsure
