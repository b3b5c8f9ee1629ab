"""Losses of a recipe's batches with a network, for importances that read gradients.

What needs more than the network and the labels is left out or replaced: an identity classifier is
in no bundle, so the embeddings are judged by the contrastive loss; parts that learn from a teacher
are off; and a network that takes a prior is shown that of the labels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn, Tensor

from mot_compress_ros.networks import JointDetector
from offline_training.datasets.collect import collect_sources
from offline_training.datasets.identities import number_identities
from offline_training.losses.config import TAUGHT
from offline_training.pruning.importance import Losses
from offline_training.recipes import Recipe, RecipeConfig
from offline_training.training.assembly import make_criterion, make_sampler, make_tutor
from offline_training.training.trainer import to_network_input


def recipe_losses(recipe: Recipe, data: Path, *, batches: int) -> Losses:
    """A function of a network: the losses of the recipe's first `batches` batches with it.

    Args:
        recipe: of the network's architecture.
        data: folder that its sources are relative to.
        batches: how many; they are the same at each call.

    Raises:
        InputError: a source cannot be read.
    """
    config = self_contained(recipe.config)
    sources, n_identities = number_identities(
        collect_sources(recipe.sources, data, n_class=len(config.class_names))
    )
    sampler = make_sampler(config, sources)
    criterion = make_criterion(config, n_identities=n_identities)

    def losses(network: nn.Module) -> Iterator[Tensor]:
        assert isinstance(network, JointDetector), 'recipes train these'
        tutor = make_tutor(config, network, None, device='cpu')
        for (batch,) in sampler.batches(start=0, stop=batches):
            images = to_network_input(batch.images)
            if tutor is None:
                yield criterion(network(images), batch)['total']
            else:
                lesson = tutor.lesson(batch, images, to_network_input)
                yield criterion(tutor.ask(images, lesson), batch, lesson)['total']

    return losses


def self_contained(config: RecipeConfig) -> RecipeConfig:
    """The recipe without what needs a teacher or weights that no bundle has."""
    loss = config.loss
    untaught = dict.fromkeys((*TAUGHT, 'identity_ce'), 0.0)
    replaced: dict[str, Any] = {**untaught, 'balance': 'fixed', 'reid': loss.reid or 0.3}
    prior = 'off' if config.attention.prior == 'off' else 'truth'
    return replace(
        config,
        architecture=replace(config.architecture, pivots=0),
        loss=replace(loss, **replaced),
        attention=replace(config.attention, prior=prior),
    )


def mean_loss(losses: Losses, network: nn.Module) -> float:
    """Of all batches, without gradients, in eval mode."""
    network.eval()
    with torch.no_grad():
        values = [float(loss) for loss in losses(network)]
    return sum(values) / len(values)
