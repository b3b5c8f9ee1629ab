"""Re-ID loss over the objects of one batch of image pairs."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

TEMPERATURE = 0.1


def contrastive(
    embeddings: Tensor, identities: Tensor, class_ids: Tensor, nameless_clips: Tensor
) -> Tensor:
    """Supervised contrastive loss: an object is to be found among all objects of its class.

    Args:
        embeddings: (K, D) raw re-ID vectors at object centres.
        identities: (K,) int64; objects of one number are positives of each other.
        class_ids: (K,) int64; the tracker compares within a class only, so does the loss.
        nameless_clips: (K,) int64; objects of one clip (from 0) may be the same under two numbers,
            so they are never negatives of each other. -1: not of such a clip.

    Returns:
        Mean over objects that have a positive, 0 when none has.

    Source: Khosla et al. 2020, eq. 2. It replaces FairMOT's identity classifier, whose size grows
    with the number of identities, where most boxes have no identity beyond their own image.
    """
    unit = F.normalize(embeddings.float(), dim=1)
    itself = torch.eye(len(unit), dtype=torch.bool, device=unit.device)
    same = (identities[:, None] == identities[None, :]) & ~itself  # (K, K)
    one_clip = nameless_clips[:, None] == nameless_clips[None, :]  # (K, K)
    unsure = one_clip & (nameless_clips >= 0) & ~same  # (K, K)
    comparable = (class_ids[:, None] == class_ids[None, :]) & ~itself & ~unsure  # (K, K)
    similarity = unit @ unit.T / TEMPERATURE  # (K, K)
    log_p = similarity - similarity.masked_fill(~comparable, -1e4).logsumexp(dim=1, keepdim=True)
    positives = same.sum(dim=1)  # (K,)
    per_object = -(log_p * same).sum(dim=1) / positives.clamp(min=1)
    found = positives > 0
    return (per_object * found).sum() / found.sum().clamp(min=1)
