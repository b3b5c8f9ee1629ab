"""Scores of channels, by hand, and which channels go at a ratio."""

import pytest
import torch
from torch import nn

from mot_compress_ros.errors import InvalidOptionError
from offline_training.pruning.graph import channel_groups
from offline_training.pruning.importance import channel_scores, IMPORTANCES
from offline_training.pruning.removal import without
from offline_training.pruning.selection import choose, rounded, SCOPES


@pytest.fixture
def known(chain):
    """Channel 2 of `a` has the smallest filter, channel 3 the smallest norm, 1 is hardly read."""
    chain.a.weight.data = torch.ones(4, 3, 3, 3) * torch.tensor([3.0, -2, 1, 4]).view(4, 1, 1, 1)
    chain.norm.weight.data = torch.tensor([1.0, 2.0, -3.0, 0.5])
    chain.b.weight.data = torch.ones(3, 4, 3, 3) * torch.tensor([1.0, 0.1, 2, 3]).view(1, 4, 1, 1)
    return chain


def scores(network, name, **options):
    return channel_scores(network, channel_groups(network), name, **options)


def test_l1_is_of_the_filters(known):
    # 27 weights of 3, 2, 1 and 4; relative to their mean.
    assert scores(known, 'l1')['a'].tolist() == pytest.approx([1.2, 0.8, 0.4, 1.6])


def test_l2_is_of_all_that_goes_with_a_channel(known):
    # Squares: 27 of the filter, one of the norm, 27 of what reads it.
    norms = torch.tensor([27 * (9 + 1) + 1, 27 * (4 + 0.01) + 4, 27 * (1 + 4) + 9, 27 * 25 + 0.25])
    expected = norms.sqrt() / norms.sqrt().mean()
    assert scores(known, 'l2')['a'].tolist() == pytest.approx(expected.tolist())


def test_the_scale_of_batch_norm(known):
    found = scores(known, 'bn_scale')
    assert found['a'].tolist() == [1, 2, 3, 0.5]
    assert 'b' not in found  # has no BatchNorm, and stays whole


def test_taylor_is_the_change_of_a_linear_loss():
    """Without anything that bends, the first order is all there is."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 5, 3), nn.Conv2d(5, 4, 3), nn.Conv2d(4, 2, 1)).double()
    images = torch.rand(2, 3, 9, 9, dtype=torch.float64)

    def losses(model):
        yield model(images).sum()

    groups = channel_groups(network)
    found = channel_scores(network, groups, 'taylor', losses=losses)
    whole = float(network(images).sum().detach())
    for group in groups:
        for channel in range(group.channels):
            smaller = without(network, groups, {group.name: [channel]})
            change = (float(smaller(images).sum().detach()) - whole) ** 2
            assert float(found[group.name][channel]) == pytest.approx(change, rel=1e-4)
    assert all(p.grad is None for p in network.parameters())


def test_taylor_adds_batches_and_needs_them(chain):
    images = torch.rand(2, 3, 8, 8)

    def losses(count):
        return lambda model: (model(images).square().sum() for _ in range(count))

    once, twice = (scores(chain, 'taylor', losses=losses(n))['a'] for n in (1, 2))
    torch.testing.assert_close(twice, 2 * once)
    with pytest.raises(InvalidOptionError, match='--recipe'):
        scores(chain, 'taylor')


def test_random_is_seeded_and_of_the_channels_alone(chain):
    one, same, other = (scores(chain, 'random', seed=s)['a'] for s in (1, 1, 2))
    assert torch.equal(one, same) and not torch.equal(one, other)


@pytest.mark.parametrize('name', IMPORTANCES)
def test_every_member_scores_every_channel_of_a_detector(make_detector, name):
    network = make_detector('dla34_small', fusion='gated')

    def losses(model):
        yield sum(maps.square().mean() for maps in model(torch.rand(1, 3, 64, 64)).values())

    groups = channel_groups(network)
    found = channel_scores(network, groups, name, losses=losses)
    for group in groups:
        if group.name in found:
            score = found[group.name]
            assert score.shape == (group.channels,) and score.isfinite().all()
            assert (score >= 0).all()
    left_out = {group.name for group in groups} - set(found)
    assert all(not name.startswith('backbone') for name in left_out)


@pytest.mark.parametrize(
    ('wanted', 'channels', 'floor', 'expected'),
    [
        (20.0, 32, 1, 24),  # a tie goes up
        (19.9, 32, 1, 16),
        (1.0, 32, 1, 8),
        (30.0, 32, 1, 32),
        (4.0, 12, 1, 8),
        (11.0, 12, 1, 8),
        (12.0, 12, 1, 12),
        (2.0, 4, 1, 4),  # no multiple of 8 fits, so it stays whole
        (5.0, 64, 17, 24),
        (5.0, 20, 20, 20),
    ],
)
def test_what_stays_is_a_multiple_of_eight(wanted, channels, floor, expected):
    assert rounded(wanted, channels, multiple=8, floor=floor) == expected


SCORES = {'a': torch.tensor([4.0, 1, 3, 2]), 'b': torch.tensor([40.0, 10, 0.5, 20])}


def test_uniform_takes_the_least_of_each_group():
    removal = choose(SCORES, 0.5, scope='uniform', round_to=1, floors={})
    assert removal == {'a': [1, 3], 'b': [1, 2]}


def test_global_takes_the_least_of_all():
    removal = choose(SCORES, 0.5, scope='global', round_to=1, floors={})
    assert removal == {'a': [1, 2, 3], 'b': [2]}


def test_no_group_falls_below_its_floor():
    removal = choose(SCORES, 1.0, scope='global', round_to=1, floors={'a': 3})
    assert removal == {'a': [1], 'b': [1, 2, 3]}


@pytest.mark.parametrize('scope', SCOPES)
def test_a_ratio_of_zero_takes_nothing(scope):
    assert choose(SCORES, 0.0, scope=scope, round_to=1, floors={}) == {}
