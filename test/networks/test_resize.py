"""Networks with other channels than their architecture has."""

import copy

import pytest
import torch
from torch import nn

from mot_compress_ros.errors import BundleError
from mot_compress_ros.networks import ArchitectureConfig, JointDetector
from mot_compress_ros.networks.backbones import BACKBONES
from mot_compress_ros.networks.deformable import DeformConv2d
from mot_compress_ros.networks.resize import channel_counts, resized


class Odd(nn.Module):
    """One of each layer that can be resized."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 5, 2, 1, dilation=2, bias=False)
        self.norm = nn.BatchNorm2d(8, eps=0.5, momentum=0.25)
        self.depthwise = nn.Conv2d(8, 8, 3, groups=8)
        self.up = nn.ConvTranspose2d(8, 6, 4, 2, 1, output_padding=1)
        self.up_each = nn.ConvTranspose2d(6, 6, 2, 2, groups=6, bias=False)
        self.deformable = DeformConv2d(6, 4)
        self.last = nn.Linear(4, 2)


def test_counts_are_read_from_every_kind_of_layer():
    assert channel_counts(Odd()) == {
        'first': (3, 8),
        'norm': (8, 8),
        'depthwise': (8, 8),
        'up': (8, 6),
        'up_each': (6, 6),
        'deformable': (6, 4),  # with the convolution inside it, which has no name of its own here
        'last': (4, 2),
    }


def test_named_layers_change_and_keep_their_other_settings():
    network = Odd().double().eval()
    wanted = {
        'first': [3, 5],
        'norm': [5, 5],
        'depthwise': [5, 5],
        'up': [5, 3],
        'up_each': [3, 3],
        'deformable': [3, 2],
        'last': [2, 2],
    }
    assert resized(network, wanted) is network
    assert channel_counts(network) == {name: tuple(pair) for name, pair in wanted.items()}
    first = network.first
    assert (first.stride, first.padding, first.dilation) == ((2, 2), (1, 1), (2, 2))
    assert first.bias is None and first.weight.shape == (5, 3, 5, 5)
    assert (network.norm.eps, network.norm.momentum) == (0.5, 0.25)
    assert network.depthwise.groups == 5 and network.depthwise.bias is not None
    assert network.up.output_padding == (1, 1) and network.up_each.groups == 3
    assert network.deformable.conv_offset_mask.weight.shape == (27, 3, 3, 3)
    assert {p.dtype for p in network.parameters()} == {torch.float64}
    assert not any(module.training for module in network.modules())


def test_layers_that_are_not_named_keep_their_weights():
    network = Odd()
    before = copy.deepcopy(network.state_dict())
    resized(network, {'last': [3, 2], 'norm': [8, 8]})
    after = network.state_dict()
    assert after['last.weight'].shape == (2, 3)
    for key in set(before) - {'last.weight', 'last.bias'}:
        assert torch.equal(before[key], after[key])


@pytest.mark.parametrize(
    ('channels', 'reason'),
    [
        ({'middle': [3, 4]}, 'middle is no layer'),
        ({'': [3, 4]}, 'is no layer'),
        ({'norm': [8, 4]}, 'the same number'),
        ({'depthwise': [8, 4]}, 'the same number'),
        ({'first': [3, 0]}, 'at least 1'),
    ],
)
def test_what_cannot_be_is_refused(channels, reason):
    with pytest.raises(BundleError, match=reason):
        resized(Odd(), channels)


def test_a_grouped_convolution_wants_multiples_of_its_groups():
    network = nn.Sequential(nn.Conv2d(8, 8, 3, groups=2))
    assert resized(network, {'0': [4, 6]})[0].weight.shape == (6, 2, 3, 3)
    with pytest.raises(BundleError, match='2 groups'):
        resized(network, {'0': [5, 6]})


@pytest.mark.parametrize('name', BACKBONES)
def test_a_network_of_its_own_counts_is_the_same(name):
    config = ArchitectureConfig(name=name, width=0.25, fusion='gated')
    with torch.device('meta'):
        network = JointDetector(config)
        counts = channel_counts(network)
        assert {key: v.shape for key, v in network.state_dict().items()} == {
            key: v.shape for key, v in resized(JointDetector(config), counts).state_dict().items()
        }
    parameters = sum(p.numel() for p in network.parameters())
    covered = sum(
        sum(p.numel() for p in network.get_submodule(layer).parameters()) for layer in counts
    )
    assert covered == parameters  # no layer with weights is left out
