"""What a student learns from a frozen teacher's re-ID vectors: IFM and EFM of AttTrack."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from mot_compress_ros.errors import InvalidOptionError
from offline_training.losses.identity_classifier import MIN_IDENTITIES, NO_IDENTITY
from offline_training.losses.part import BESIDE, IDENTITY, LossPart, Predicted, Sizes

if TYPE_CHECKING:
    from offline_training.datasets.targets import Batch
    from offline_training.losses.config import LossConfig


def check_teacher(part: str, sizes: Sizes) -> None:
    """Raise InvalidOptionError where there is no teacher, or its vectors are of another length."""
    if not sizes.teacher_dim:
        raise InvalidOptionError(
            f'loss.{part}: got a weight above 0 without a teacher; pass one with `train --teacher`'
        )
    if sizes.teacher_dim != sizes.embedding_dim:
        raise InvalidOptionError(
            f'loss.{part}: the embeddings of the teacher have {sizes.teacher_dim} values, those '
            f'of the student {sizes.embedding_dim}; set architecture.embedding_dim to '
            f'{sizes.teacher_dim}, or take another teacher'
        )


class ImplicitFeatureMapping(LossPart):
    """Squared distance of the student's unit embedding from the teacher's, 0 to 4.

    Mean over the object centres of the image. It is added beside the balance of the tasks.
    Source: AttTrack, section 4.4 (IFM) and eq. 6.

    Raises:
        InvalidOptionError: there is no teacher, or the lengths differ.
    """

    task = BESIDE
    asks = frozenset({'id'})

    def __init__(self, config: LossConfig, sizes: Sizes) -> None:
        super().__init__()
        check_teacher('ifm', sizes)

    def forward(self, predicted: Predicted, batch: Batch) -> Tensor:
        """Mean over all objects, with an identity or without."""
        own = F.normalize(predicted.at_centres('id'), dim=1)  # (K, D)
        taught = F.normalize(predicted.taught_at_centres('id'), dim=1)
        return (own - taught).square().sum() / max(len(own), 1)


class ExplicitFeatureMapping(LossPart):
    """Cross entropy of the student's and of the teacher's vectors through one pivot layer.

    The layer is the student's (`JointDetector.pivot_vectors`), has one row for each identity and
    is scaled as the identity classifier is, whose place this part takes: the student's half is
    that loss. The teacher's half moves the layer alone. Identities of n and above are left out.
    Source: AttTrack, section 4.4 (EFM).

    Raises:
        InvalidOptionError: there is no teacher, the lengths differ, or there are fewer than 3
            identities.
    """

    task = IDENTITY
    asks = frozenset({'id'})

    def __init__(self, config: LossConfig, sizes: Sizes) -> None:
        super().__init__()
        check_teacher('efm', sizes)
        if sizes.n_identities < MIN_IDENTITIES:
            raise InvalidOptionError(
                f'loss.efm: the sources have {sizes.n_identities} identities, expected at least '
                f'{MIN_IDENTITIES}; add data, or map embeddings by loss.ifm'
            )
        self.n_identities = sizes.n_identities

    def forward(self, predicted: Predicted, batch: Batch) -> Tensor:
        """The sum of both means over objects of known identity."""
        known = batch.identities < self.n_identities  # (K,)
        target = torch.where(known, batch.identities, NO_IDENTITY)
        total = predicted.at_centres('id').new_zeros(())
        for vectors in (predicted.at_centres('id'), predicted.taught_at_centres('id')):
            total = total + F.cross_entropy(
                predicted.pivot_vectors(vectors).float(),
                target,
                ignore_index=NO_IDENTITY,
                reduction='sum',
            )
        return total / known.sum().clamp(min=1)
