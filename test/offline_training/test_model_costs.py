"""Parameters and multiply-adds, counted by hand."""

import pytest
from torch import nn

from mot_compress_ros.errors import InputError
from mot_compress_ros.networks.deformable import DeformConv2d
from offline_training.model_costs import count_costs, ModuleCost

SIZE_WH = (8, 4)


def only(network):
    """The one module with parameters."""
    (module,) = count_costs(nn.Sequential(network), size_wh=SIZE_WH).modules
    return module


@pytest.mark.parametrize(
    ('layer', 'parameters', 'macs'),
    [
        (nn.Conv2d(3, 5, 3, padding=1), 5 * 3 * 9 + 5, 8 * 4 * 5 * 3 * 9),
        (nn.Conv2d(3, 5, 3, stride=2, padding=1, bias=False), 5 * 3 * 9, 4 * 2 * 5 * 3 * 9),
        (nn.Conv2d(3, 6, 1, groups=3), 6 + 6, 8 * 4 * 6),
        (nn.ConvTranspose2d(3, 5, 4, 2, padding=1), 3 * 5 * 16 + 5, 8 * 4 * 3 * 5 * 16),
        (nn.ConvTranspose2d(3, 3, 4, 2, padding=1, groups=3, bias=False), 48, 8 * 4 * 48),
        (nn.Linear(8, 2), 18, 3 * 4 * 8 * 2),
        (nn.BatchNorm2d(3), 6, 0),
    ],
)
def test_layers_cost_what_a_hand_counts(layer, parameters, macs):
    kind = type(layer).__name__
    assert only(layer) == ModuleCost(name='0', kind=kind, parameters=parameters, macs=macs)


def test_a_deformable_convolution_costs_its_own_products_and_those_of_its_offsets():
    costs = count_costs(DeformConv2d(3, 5), size_wh=SIZE_WH)
    assert costs.macs == 8 * 4 * 9 * 3 * (5 + 27)
    assert costs.below('conv_offset_mask').macs == 8 * 4 * 9 * 3 * 27
    assert costs.parameters == 5 * 27 + 5 + 27 * 27 + 27


def test_a_layer_used_twice_has_its_parameters_once():
    layer = nn.Conv2d(3, 3, 1, bias=False)
    costs = count_costs(nn.Sequential(layer, layer), size_wh=SIZE_WH)
    assert (costs.parameters, costs.macs) == (9, 2 * 8 * 4 * 9)


def test_names_select_whole_parts():
    network = nn.Sequential()
    network.add_module('part', nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 1, 1)))
    network.add_module('part2', nn.Conv2d(1, 1, 1))
    costs = count_costs(network, size_wh=SIZE_WH)
    assert costs.below('part').macs == 8 * 4 * (12 + 4)
    assert costs.below('part', 'part2').macs == costs.macs == 8 * 4 * 17


def test_the_network_is_left_as_it_is():
    network = nn.Conv2d(3, 4, 3).train()
    count_costs(network, size_wh=SIZE_WH)
    assert network.training and network.weight.device.type == 'cpu'
    assert not network._forward_hooks


def test_a_layer_without_a_rule_is_refused():
    with pytest.raises(InputError, match='cannot count a Bilinear'):
        count_costs(nn.Sequential(nn.Bilinear(2, 2, 2)), size_wh=SIZE_WH)


def test_costs_grow_with_the_area():
    network = nn.Conv2d(3, 4, 3, padding=1)
    assert (
        count_costs(network, size_wh=(64, 32)).macs
        == 64 * count_costs(network, size_wh=SIZE_WH).macs
    )
