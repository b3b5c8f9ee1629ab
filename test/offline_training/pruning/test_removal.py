"""What belongs together, and networks without some of it."""

import copy

import pytest
import torch
from torch import nn
import torch_pruning

from mot_compress_ros.networks import JointDetector, resized
from mot_compress_ros.networks.backbones import BACKBONES
from mot_compress_ros.networks.fusions import FUSIONS
from mot_compress_ros.networks.resize import channel_counts
from offline_training.pruning.graph import BOTH, channel_groups, cuts_of, IN, OUT
from offline_training.pruning.removal import changed_channels, without

IMAGES = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(2))


def members(group):
    return {(piece.layer, piece.side) for piece in group.slices}


def half_of(groups, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {
        group.name: torch.randperm(group.channels, generator=generator)[
            : group.channels // 2
        ].tolist()
        for group in groups
    }


def zeroed(network, groups, removal):
    """The whole network with the channels at zero: what makes them is zero."""
    network = copy.deepcopy(network)
    for group in groups:
        gone = torch.tensor(removal.get(group.name, []), dtype=torch.int64)
        for piece in group.slices:
            layer = network.get_submodule(piece.layer)
            index = piece.index[torch.isin(piece.channel, gone)]
            for path, dimension in cuts_of(layer, piece.side) if piece.side != IN else ():
                if not path.startswith('running'):
                    layer.get_parameter(path).data.index_fill_(dimension, index, 0)
    return network


def answers(network, prior=None):
    with torch.no_grad():
        return network(IMAGES) if prior is None else network(IMAGES, prior)


def test_a_chain_has_a_group_for_each_map_inside(chain):
    first, second = channel_groups(chain)
    assert (first.name, first.channels) == ('a', 4)
    assert members(first) == {('a', OUT), ('norm', BOTH), ('b', IN)}
    assert (second.name, second.channels) == ('b', 3)
    assert members(second) == {('b', OUT), ('c', IN)}


def test_sums_and_concatenations_tie_channels(crossing):
    groups = {group.name: group for group in channel_groups(crossing)}
    assert set(groups) == {'stem', 'other'}  # the answer, `last`, is in none
    assert members(groups['stem']) == {
        *(('stem', OUT), ('side', IN), ('side', OUT), ('each', BOTH)),
        *(('other', IN), ('last', IN)),
    }
    (piece,) = (p for p in groups['stem'].slices if p.layer == 'last')
    assert piece.index.tolist() == [4, 5, 6, 7, 8, 9]  # after the four of `other`
    assert piece.channel.tolist() == [0, 1, 2, 3, 4, 5]


def test_removal_is_what_one_would_do_by_hand(crossing):
    before = copy.deepcopy(crossing.state_dict())
    smaller = without(crossing, channel_groups(crossing), {'stem': [1, 4], 'other': [0]})
    kept, others = [0, 2, 3, 5], [1, 2, 3]
    state = smaller.state_dict()
    assert torch.equal(state['stem.weight'], before['stem.weight'][kept])
    assert torch.equal(state['stem.bias'], before['stem.bias'][kept])
    assert torch.equal(state['side.weight'], before['side.weight'][kept][:, kept])
    assert torch.equal(state['each.weight'], before['each.weight'][kept])
    assert torch.equal(state['other.weight'], before['other.weight'][others][:, kept])
    columns = others + [4 + k for k in kept]
    assert torch.equal(state['last.weight'], before['last.weight'][:, columns])
    assert torch.equal(state['last.bias'], before['last.bias'])
    assert smaller.each.groups == 4
    assert all(torch.equal(before[key], v) for key, v in crossing.state_dict().items())


def test_removal_is_what_torch_pruning_does(make_detector):
    network = make_detector('resnet18')
    groups = channel_groups(network)
    removal = half_of(groups)
    theirs = copy.deepcopy(network)
    graph = torch_pruning.DependencyGraph().build_dependency(
        theirs, torch.rand(1, 3, 64, 64), forward_fn=lambda m, x: list(m(x).values())
    )
    for name, channels in removal.items():
        layer = theirs.get_submodule(name)
        graph.get_pruning_group(
            layer, graph.get_pruner_of_module(layer).prune_out_channels, channels
        ).prune()
    ours = without(network, groups, removal)
    assert channel_counts(ours) == channel_counts(theirs)
    for key, value in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[key], value), key


@pytest.mark.parametrize('name', BACKBONES)
def test_without_channels_is_with_these_channels_at_zero(make_detector, name):
    network = make_detector(name)
    groups = channel_groups(network)
    removal = half_of(groups)
    smaller = without(network, groups, removal)
    expected, whole = answers(zeroed(network, groups, removal)), answers(network)
    found = answers(smaller)
    for head, values in expected.items():
        scale = float(values.abs().max())
        assert float((found[head] - values).abs().max()) < 1e-5 * scale
        assert float((whole[head] - values).abs().max()) > 1e-3 * scale  # it did matter
    assert smaller.hm[2].out_channels == 3 and smaller.id[2].out_channels == 8


@pytest.mark.parametrize('fusion', FUSIONS)
def test_a_prior_goes_through_what_is_left(make_detector, fusion):
    network = make_detector(fusion=fusion)
    generator = torch.Generator().manual_seed(3)
    planes = network.prior_planes
    prior = torch.rand(2, planes, 16, 24, generator=generator) if planes else None
    groups = channel_groups(network)
    removal = half_of(groups)
    smaller = without(network, groups, removal)
    found = answers(smaller, prior)
    for head, values in answers(zeroed(network, groups, removal), prior).items():
        torch.testing.assert_close(found[head], values, rtol=1e-4, atol=1e-5)
    assert smaller.prior_planes == planes
    if planes:
        assert not torch.equal(found['hm'], answers(smaller)['hm'])


@pytest.mark.parametrize('name', BACKBONES)
def test_counts_rebuild_the_network(make_detector, name):
    network = make_detector(name)
    groups = channel_groups(network)
    smaller = without(network, groups, half_of(groups))
    channels = changed_channels(smaller)
    assert changed_channels(network) == {}
    again = resized(JointDetector(network.config), channels).eval()
    again.load_state_dict(smaller.state_dict())
    for head, values in answers(smaller).items():
        assert torch.equal(answers(again)[head], values)
    whole = channel_counts(network)
    assert all(pair != whole[layer] for layer, pair in channels.items())
    plain = (nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d)
    assert any(isinstance(again.get_submodule(layer), plain) for layer in channels)


def test_tracing_leaves_the_network_as_it_was(make_detector):
    network = make_detector('dla34_small').train()
    network.requires_grad_(False)
    before = copy.deepcopy(network.state_dict())
    channel_groups(network)
    assert network.training
    assert not any(p.requires_grad for p in network.parameters())
    assert all(torch.equal(before[key], v) for key, v in network.state_dict().items())
