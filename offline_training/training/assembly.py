"""From a recipe to the things that are trained with: shared by `train` and its benchmark."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mot_compress_ros.errors import InvalidOptionError
from offline_training.datasets.frame_cache import read_frame, StoredFrame
from offline_training.datasets.sampler import Sampler, SAMPLERS
from offline_training.datasets.training_images import TrainingSource
from offline_training.distillation.levels import Network
from offline_training.distillation.tutor import Curriculum, Tutor
from offline_training.losses import PARTS
from offline_training.losses.config import TAUGHT
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
        attention=config.attention,
        steps=config.train.steps,
    )


def make_tutor(
    config: RecipeConfig, student: Network, teacher: Network | None, *, device: str
) -> Tutor | None:
    """Who shows `student` its priors and asks `teacher`; None where the recipe wants neither.

    Raises:
        InvalidOptionError: there is no teacher, and the recipe asks one.
    """
    if config.needs_teacher and teacher is None:
        raise InvalidOptionError(
            f'attention.prior: {config.attention.prior}, or a loss, asks a teacher, and there is '
            'none here; take attention.prior=truth and no loss of '
            f'{", ".join(TAUGHT)}'
        )
    if not config.needs_teacher and config.attention.prior == 'off':
        return None
    asked = {a for name in TAUGHT if getattr(config.loss, name) > 0 for a in PARTS[name].asks}
    curriculum = Curriculum.of(asked, update=config.attention.update)
    return Tutor(student, teacher, curriculum, device=device)


def make_criterion(
    config: RecipeConfig,
    *,
    n_identities: int,
    teacher_dim: int = 0,
    channels: Mapping[str, tuple[int, int]] | None = None,
) -> JointCriterion:
    """The recipe's loss.

    Args:
        config: the recipe.
        n_identities: those of its sources, as they are numbered.
        teacher_dim: length of a teacher's re-ID vectors; 0 for no teacher.
        channels: of student and teacher inside, as `distillation.levels.shared_channels`; needed
            where features are compared.
    """
    return JointCriterion(
        config.loss,
        n_identities=n_identities,
        embedding_dim=config.network.embedding_dim,
        teacher_dim=teacher_dim,
        channels=channels,
    )
