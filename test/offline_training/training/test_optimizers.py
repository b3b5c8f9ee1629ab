"""Schedules and single optimizer steps against values computed by hand."""

import math

import pytest
import torch
from torch import nn

from mot_compress_ros.errors import InvalidOptionError
from offline_training.training.config import TrainConfig
from offline_training.training.optimizers import learning_rate, make_optimizer, OPTIMIZERS


@pytest.mark.parametrize(
    ('schedule', 'rates'),
    [
        ('cosine', {0: 0.5, 1: 0.5 * (1 + math.cos(math.pi / 12)), 6: 0.5, 11: 0.0170370868}),
        ('step', {0: 0.5, 1: 1.0, 7: 1.0, 8: 0.1, 11: 0.1}),
        ('constant', {0: 0.5, 1: 1.0, 11: 1.0}),
    ],
)
def test_the_learning_rate_of_a_step(schedule, rates):
    """12 steps; 2 of warm-up, so half the rate at the first; the step schedule falls at 2/3."""
    config = TrainConfig(steps=12, warmup_steps=2, learning_rate=1.0, schedule=schedule)
    assert {s: learning_rate(config, s) for s in rates} == pytest.approx(rates)


def test_fairmots_schedule_is_ten_times_less_after_two_thirds():
    config = TrainConfig(steps=30, warmup_steps=0, learning_rate=1e-4, schedule='step')
    assert [learning_rate(config, s) for s in (0, 19, 20, 29)] == pytest.approx(
        [1e-4, 1e-4, 1e-5, 1e-5]
    )


@pytest.mark.parametrize(
    ('name', 'weight'),
    [
        # w = 2, gradient 0.5, rate 0.1, weight decay 0.2; Adam's first step is rate * sign.
        ('sgd', 2 - 0.1 * (0.5 + 0.2 * 2)),
        ('adam', 2 - 0.1),
        ('adamw', 2 * (1 - 0.1 * 0.2) - 0.1),
    ],
)
def test_the_first_step_of_each_optimizer(name, weight):
    layer = nn.Linear(1, 1)
    layer.weight.data.fill_(2.0)
    config = TrainConfig(optimizer=name, learning_rate=0.1, weight_decay=0.2)
    optimizer = make_optimizer(layer, nn.Module(), config)
    layer.weight.grad = torch.tensor([[0.5]])
    optimizer.step()
    assert layer.weight.item() == pytest.approx(weight, abs=1e-6)


def test_every_optimizer_is_an_option():
    for name in OPTIMIZERS:
        assert TrainConfig(optimizer=name).optimizer == name


@pytest.mark.parametrize(('everything', 'decayed'), [(True, 4), (False, 1)])
def test_frozen_things_and_what_does_not_decay(everything, decayed):
    """A convolution with bias and a BatchNorm; the criterion has a scalar and a classifier."""
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1))
    network[2].requires_grad_(False)
    criterion = nn.Module()
    criterion.classifier = nn.Linear(4, 7, bias=False)
    criterion.balance = nn.Parameter(torch.tensor(-1.85))
    config = TrainConfig(weight_decay=0.3, decay_norm_and_bias=everything)
    optimizer = make_optimizer(network, criterion, config)
    by_decay = {g['weight_decay']: g['params'] for g in optimizer.param_groups}
    assert len(by_decay[0.3]) == decayed + 1  # and the classifier
    assert any(p is criterion.balance for p in by_decay[0.0])
    assert sum(map(len, by_decay.values())) == 4 + 2
    given = [p for params in by_decay.values() for p in params]
    assert not any(p is q for p in given for q in network[2].parameters())


def test_shards_must_hold_pairs():
    TrainConfig(batch_size=12, shards=3)
    with pytest.raises(InvalidOptionError, match='12, in 4 shards, expected an even number'):
        TrainConfig(batch_size=12, shards=4)
