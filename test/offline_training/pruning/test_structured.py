"""Pruning to a target, in steps."""

import pytest
import torch
from torch import nn

from mot_compress_ros.errors import InvalidOptionError
from mot_compress_ros.networks.backbones import BACKBONES
from mot_compress_ros.networks.resize import channel_counts
from offline_training.model_costs import count_costs
from offline_training.pruning.graph import channel_groups
from offline_training.pruning.measures import MeasuredBy, parse_target, Target
from offline_training.pruning.structured import prune_structured, StructuredConfig

SIZE_WH = (96, 64)
BY = MeasuredBy(size_wh=SIZE_WH)


def pruned(network, *, target=('macs', 0.6), by=BY, between=None, **options):
    aim = Target(measure=target[0], value=target[1])
    return prune_structured(network, StructuredConfig(**options), aim, by, between=between)


def macs(network):
    return count_costs(network, size_wh=SIZE_WH).macs


@pytest.mark.parametrize('name', BACKBONES)
def test_every_backbone_meets_its_target_in_multiples_of_eight(make_detector, name):
    network = make_detector(name, width=0.25)
    found = pruned(network, target=('macs', 0.6))
    assert 0.3 * macs(network) < macs(found.network) <= 0.6 * macs(network)
    for group in channel_groups(found.network):
        assert group.channels % 8 == 0
    with torch.no_grad():
        maps = found.network(torch.rand(1, 3, 64, 96))
    assert {head: value.shape[1] for head, value in maps.items()} == {
        'hm': 3,
        'wh': 4,
        'id': 8,
        'reg': 2,
    }
    assert all(value.isfinite().all() for value in maps.values())
    assert found.channels == {
        layer: pair
        for layer, pair in channel_counts(found.network).items()
        if pair != channel_counts(network)[layer]
    }


def test_parameters_are_a_target_too(make_detector):
    network = make_detector(width=0.25)
    whole = sum(p.numel() for p in network.parameters())
    found = pruned(network, target=('parameters', 0.3), scope='uniform')
    left = sum(p.numel() for p in found.network.parameters())
    assert 0.15 * whole < left <= 0.3 * whole
    (step,) = found.steps
    assert (step.before, step.after) == (whole, left)
    assert step.goal == pytest.approx(0.3 * whole)
    assert all(after < before for before, after in step.channels.values())


def test_milliseconds_are_asked_of_the_caller(make_detector):
    """A clock that takes 1 ms for each channel of the stem makes the answer known."""
    network = make_detector(width=0.25)
    stem = 'backbone.model.0.conv.conv'
    asked = []

    def latency(candidate):
        asked.append(candidate)
        return float(candidate.get_submodule(stem).out_channels)

    by = MeasuredBy(size_wh=SIZE_WH, latency=latency)
    found = pruned(network, target=('ms', 9.0), by=by, scope='uniform')
    assert found.network.get_submodule(stem).out_channels == 8
    assert 3 < len(asked) < 15 and all(isinstance(n, nn.Module) for n in asked)
    half = pruned(network, target=('time', 0.5), by=by, scope='uniform')
    assert half.network.get_submodule(stem).out_channels == 8
    with pytest.raises(InvalidOptionError, match='measured'):
        pruned(network, target=('ms', 9.0))


def test_steps_come_nearer_in_equal_parts_and_are_mended_between(make_detector):
    network = make_detector(width=0.25)
    seen = []

    def mend(candidate, step):
        seen.append((step, macs(candidate) / macs(network)))
        for parameter in candidate.parameters():
            parameter.data.mul_(1.5)
        return candidate

    found = pruned(network, steps=3, target=('macs', 0.4), between=mend)
    assert [step for step, _ in seen] == [1, 2, 3]
    shares = [share for _, share in seen]
    assert shares == sorted(shares, reverse=True)
    assert all(s <= g for s, g in zip(shares, (0.8, 0.6, 0.4), strict=True))
    kept = found.network.hm[2].bias / network.hm[2].bias  # mended three times
    torch.testing.assert_close(kept, torch.full_like(kept, 1.5**3))


def test_what_is_kept_stays_whole(make_detector):
    network = make_detector(width=0.25)
    counts = channel_counts(network)
    found = pruned(network, keep=('id', 'backbone.model.0'), target=('macs', 0.7))
    after = channel_counts(found.network)
    assert after['id.0'][1] == counts['id.0'][1]
    assert after['backbone.model.0.conv.conv'] == counts['backbone.model.0.conv.conv']
    assert found.channels  # of other layers
    with pytest.raises(InvalidOptionError, match='begins with nowhere'):
        pruned(network, keep=('nowhere',))


def test_no_group_loses_more_than_the_most_over_all_steps(make_detector):
    network = make_detector('resnet18', width=0.5)
    found = pruned(network, most=0.5, steps=3, target=('macs', 0.4), importance='random')
    before = {group.name: group.channels for group in channel_groups(network)}
    for group in channel_groups(found.network):
        assert group.channels >= 0.5 * before[group.name]


def test_a_target_out_of_reach_says_what_can_be_had(make_detector):
    with pytest.raises(InvalidOptionError, match='the smallest network has'):
        pruned(make_detector(), target=('macs', 0.01))


def test_a_target_that_is_met_takes_nothing(make_detector):
    network = make_detector()
    by = MeasuredBy(size_wh=SIZE_WH, latency=lambda candidate: 5.0)
    found = pruned(network, target=('ms', 10.0), by=by)
    assert found.channels == {} and found.steps[0].channels == {}


def test_the_given_network_is_left_alone(make_detector):
    network = make_detector()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    pruned(network)
    assert all(torch.equal(before[key], v) for key, v in network.state_dict().items())


def test_any_network_of_images_can_be_pruned():
    """The classifiers of the first paper, a flattened map before a linear layer among them."""
    network = nn.Sequential(
        *(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.Flatten()),
        *(nn.Linear(32 * 16, 24), nn.ReLU(), nn.Linear(24, 10)),
    ).eval()
    images = torch.rand(1, 3, 8, 8)
    aim = Target(measure='parameters', value=0.5)
    by = MeasuredBy(size_wh=(8, 8))
    found = prune_structured(network, StructuredConfig(), aim, by, images=images)
    assert found.network(images).shape == (1, 10)
    conv, linear = found.network[3], found.network[6]
    assert linear.in_features == 16 * conv.out_channels < 512


@pytest.mark.parametrize('text', ['macs', 'macs=half', '=', 'ms='])
def test_targets_that_are_no_name_and_number(text):
    with pytest.raises(InvalidOptionError, match='NAME=NUMBER'):
        parse_target(text)


@pytest.mark.parametrize(
    ('measure', 'value'), [('macs', 1.5), ('time', 0.0), ('ms', -1.0), ('weight', 0.5)]
)
def test_targets_out_of_range(measure, value):
    with pytest.raises(InvalidOptionError, match='expected a share'):
        Target(measure=measure, value=value)
