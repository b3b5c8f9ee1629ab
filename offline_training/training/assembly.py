"""From a recipe to the things that are trained with: shared by `train` and its benchmark."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from offline_training.datasets.frame_cache import read_frame, StoredFrame
from offline_training.datasets.sampler import Sampler, SAMPLERS
from offline_training.datasets.training_images import TrainingSource
from offline_training.losses.joint import JointCriterion
from offline_training.recipes import RecipeConfig


def make_sampler(
    config: RecipeConfig,
    sources: Sequence[TrainingSource],
    *,
    read: Callable[[Path], StoredFrame] = read_frame,
) -> Sampler:
    """The recipe's sampler over its sources; `read` opens an image file."""
    return SAMPLERS[config.sampler](
        sources,
        config=config.augment,
        batch_size=config.train.batch_size,
        n_class=len(config.class_names),
        seed=config.train.seed,
        read=read,
    )


def make_criterion(config: RecipeConfig, *, n_identities: int) -> JointCriterion:
    """The recipe's loss; `n_identities` are those of its sources, as they are numbered."""
    return JointCriterion(
        config.loss,
        n_identities=n_identities,
        embedding_dim=config.architecture.embedding_dim,
    )
