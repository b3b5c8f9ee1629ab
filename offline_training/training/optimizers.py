"""Optimizers and learning-rate schedules by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
import math
from typing import Any, TYPE_CHECKING

from torch import nn
from torch.optim import Adam, AdamW, Optimizer, SGD

if TYPE_CHECKING:
    from offline_training.training.config import TrainConfig

Groups = Iterable[Mapping[str, Any]]


def _adamw(groups: Groups, config: TrainConfig) -> Optimizer:
    return AdamW(groups, lr=config.learning_rate)  # type: ignore[arg-type]


def _adam(groups: Groups, config: TrainConfig) -> Optimizer:
    """FairMOT's; its weight decay is part of the gradient."""
    return Adam(groups, lr=config.learning_rate)  # type: ignore[arg-type]


def _sgd(groups: Groups, config: TrainConfig) -> Optimizer:
    return SGD(groups, lr=config.learning_rate, momentum=config.momentum)  # type: ignore[arg-type]


# Name -> maker from parameter groups, which carry their own weight decay.
OPTIMIZERS: dict[str, Callable[[Groups, TrainConfig], Optimizer]] = {
    'adamw': _adamw,
    'adam': _adam,
    'sgd': _sgd,
}


def _cosine(config: TrainConfig, share: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * share))


def _step(config: TrainConfig, share: float) -> float:
    return config.gamma if share >= config.step_at else 1.0


def _constant(config: TrainConfig, share: float) -> float:
    return 1.0


# Name -> factor of the peak learning rate at a share (0..1) of the run.
SCHEDULES: dict[str, Callable[[TrainConfig, float], float]] = {
    'cosine': _cosine,
    'step': _step,
    'constant': _constant,
}


def learning_rate(config: TrainConfig, step: int) -> float:
    """Of optimizer step `step`, warm-up included; nothing of it has to be saved."""
    warm = min(1.0, (step + 1) / max(config.warmup_steps, 1))
    share = min(step / config.steps, 1.0)
    return config.learning_rate * warm * SCHEDULES[config.schedule](config, share)


def make_optimizer(network: nn.Module, criterion: nn.Module, config: TrainConfig) -> Optimizer:
    """Of everything that is not frozen, in two groups: with and without weight decay.

    Vectors and scalars of the criterion, such as learned weights of losses, never decay; those of
    the network, BatchNorm weights and biases, do where `decay_norm_and_bias` says so.
    """
    decayed: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for module, everything in ((network, config.decay_norm_and_bias), (criterion, False)):
        for parameter in module.parameters():
            if parameter.requires_grad:
                (decayed if everything or parameter.ndim > 1 else others).append(parameter)
    groups = [
        {'params': parameters, 'weight_decay': decay}
        for parameters, decay in ((decayed, config.weight_decay), (others, 0.0))
        if parameters
    ]
    return OPTIMIZERS[config.optimizer](groups, config)
