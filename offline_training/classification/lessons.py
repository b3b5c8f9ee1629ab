"""What a network is trained to say: the labels, or what a teacher says too.

A lesson is `lesson(logits, labels, taught) -> loss`, where `taught` are the teacher's logits of
the same images. `LESSONS` names how they are made from `LessonOptions`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor
import torch.nn.functional as F

from mot_compress_ros.errors import InvalidOptionError
from mot_compress_ros.options import option
from offline_training.classification.losses import logit_loss, soft_target_loss


@dataclass(frozen=True, kw_only=True)
class LessonOptions:
    """What a loss is made of."""

    kind: str = option('labels', 'loss', choices=('labels', 'soft_targets', 'logits'))
    temperature: float = option(4.0, 'T of equation 1', minimum=0.1)
    alpha: float = option(0.9, "the teacher's share", minimum=0.0, maximum=1.0)
    label_smoothing: float = option(0.0, 'of the labels alone', minimum=0.0, maximum=0.9)


class Lesson(Protocol):
    """The loss of a batch."""

    def __call__(self, logits: Tensor, labels: Tensor, taught: Tensor | None) -> Tensor:
        """From logits (B, C), classes (B,) and the teacher's logits (B, C)."""


def _labels(options: LessonOptions) -> Lesson:
    def lesson(logits: Tensor, labels: Tensor, taught: Tensor | None) -> Tensor:
        return F.cross_entropy(logits, labels, label_smoothing=options.label_smoothing)

    return lesson


def _soft_targets(options: LessonOptions) -> Lesson:
    def lesson(logits: Tensor, labels: Tensor, taught: Tensor | None) -> Tensor:
        return soft_target_loss(
            logits,
            _given(taught),
            labels,
            temperature=options.temperature,
            alpha=options.alpha,
        )

    return lesson


def _logits(options: LessonOptions) -> Lesson:
    def lesson(logits: Tensor, labels: Tensor, taught: Tensor | None) -> Tensor:
        return logit_loss(logits, _given(taught), labels, alpha=options.alpha)

    return lesson


LESSONS: Mapping[str, Callable[[LessonOptions], Lesson]] = {
    'labels': _labels,
    'soft_targets': _soft_targets,
    'logits': _logits,
}


def _given(taught: Tensor | None) -> Tensor:
    if taught is None:
        raise InvalidOptionError('this lesson learns from a teacher; expected one, got none')
    return taught
