"""The two networks of the three-class problem, their sizes beside the paper's."""

import pytest
import torch

from offline_training.classification.images import rendered_images
from offline_training.classification.measuring import (
    checkpoint_mb,
    quantized_mb,
    seconds_of_passes,
    shipped_mb,
)
from offline_training.classification.networks import build_network
from offline_training.experiments.compression_classifiers import MMAC
from offline_training.experiments.compression_paper import TABLE_1
from offline_training.model_costs import count_costs
from offline_training.quantization.eager import quantize_eager


def count(network):
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize(('name', 'parameters'), [('base', 2_165_795), ('student', 529_763)])
def test_parameters_are_those_of_the_paper_when_its_digits_are_cut_off(name, parameters):
    network = build_network(name)
    assert count(network) == parameters
    assert int(parameters / 1e4) / 100 == TABLE_1[name]['parameters_m']


def test_the_base_is_the_sum_of_its_layers():
    convolutions = (27 * 32 + 32) + (288 * 32 + 32) + (288 * 64 + 64) + (576 * 64 + 64)
    linear, norm = (64 * 8 * 8) * 512 + 512 + 512 * 3 + 3, 2 * 512
    assert count(build_network('base')) == convolutions + linear + norm
    assert count(build_network('base', norm=False)) == convolutions + linear


@pytest.mark.parametrize('name', ['base', 'student'])
def test_a_checkpoint_has_the_size_of_the_paper(name):
    found = checkpoint_mb(build_network(name))
    assert found == pytest.approx(TABLE_1[name]['checkpoint_mb'], abs=0.05)
    assert found == pytest.approx(12e-6 * count(build_network(name)), rel=0.01)


def test_an_int8_file_has_the_size_of_the_paper():
    network = build_network('base', norm=False)
    int8 = quantize_eager(network, [torch.rand(4, 3, 32, 32)])
    assert quantized_mb(int8) == pytest.approx(TABLE_1['int8']['checkpoint_mb'], abs=0.05)


def test_shipped_sizes_are_bytes_by_values_after_folding():
    shipped = shipped_mb(build_network('student'))
    values = 529_763 - 2 * 64  # BatchNorm's weights and biases are part of fc1's
    assert shipped['fp32'] == pytest.approx(4 * values / 1e6)
    assert shipped['fp16'] == pytest.approx(2 * values / 1e6)
    vectors = 16 + 32 + 64 + 3
    assert shipped['int8'] == pytest.approx((values - vectors + 4 * vectors + 4 * vectors) / 1e6)


@pytest.mark.parametrize('name', ['base', 'student'])
def test_the_estimate_of_time_knows_the_multiply_adds(name):
    macs = count_costs(build_network(name), size_wh=(32, 32)).macs
    assert macs / 1e6 == pytest.approx(MMAC[name], rel=0.03)


def test_a_pass_is_timed_for_every_network_and_turn():
    networks = {name: build_network(name).eval() for name in ('base', 'student')}
    found = seconds_of_passes(networks, rendered_images(6, seed=0), repeats=2)
    assert {name: len(turns) for name, turns in found.items()} == {'base': 2, 'student': 2}
    assert all(turn > 0 for turns in found.values() for turn in turns)
