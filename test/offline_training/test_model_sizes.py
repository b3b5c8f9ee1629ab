"""Model sizes against figures that were computed by hand from the published definitions."""

import json

import pytest
import torch
from torch import nn

from mot_compress_ros.networks import ArchitectureConfig, JointDetector
from mot_compress_ros.networks.zoo import ZOO
from offline_training.__main__ import main
from offline_training.model_sizes import (
    classifier_bytes,
    dead_parameters,
    model_sizes,
    shipped_bytes,
)

MB = 1e6


@pytest.mark.parametrize(
    ('name', 'identities', 'paper_mb'),
    [
        # 20.35 M x 12 B, and 14 455 x 129 x 8 B of the classifier: 259.4 MB were reported.
        ('fairmot_dla34_dcn', 14_455, 259.1),
        ('fairmot_dla34_dcn', 0, 244.2),
        # 5.014 M x 12 B = 60.2 MB, with the classifier 67.7 MB: 60 and 68 MB were reported.
        ('fairmot_light', 0, 60.2),
        ('fairmot_light', 14_455, 67.7),
    ],
)
def test_the_size_of_the_papers(name, identities, paper_mb):
    sizes = model_sizes(ZOO[name], identities=identities)
    assert sizes.paper / MB == pytest.approx(paper_mb, abs=0.06)


def test_without_moments_of_the_unused_classifier_it_is_255_mb():
    sizes = model_sizes(ZOO['fairmot_dla34_dcn'])
    assert (sizes.paper - 8 * 513_000) / MB == pytest.approx(255.0, abs=0.06)
    assert (sizes.paper - sizes.paper_dead * 8 / 12) / MB == pytest.approx(254.7, abs=0.06)


def test_what_the_paper_figure_is_made_of():
    sizes = model_sizes(ZOO['fairmot_dla34_dcn'])
    assert sizes.paper_classifier == 14_455 * (128 + 1) * 2 * 4
    # base.fc: 1000 x 512 and 1000; the projections of levels 3 and 4: 1x1 and BatchNorm.
    projections = 64 * 128 + 2 * 128 + 128 * 256 + 2 * 256
    assert sizes.paper_dead == 12 * (513_000 + projections)
    assert sizes.paper == 12 * sizes.parameters + sizes.paper_dead + sizes.paper_classifier
    assert (sizes.parameters + projections) / 1e6 == pytest.approx(19.837, abs=0.0005)


@pytest.mark.parametrize(
    ('name', 'megabytes'),
    [
        ('fairmot_dla34_dcn', {'fp32': 79, 'fp16': 40, 'int8': 20}),
        ('fairmot_light', {'fp32': 20, 'fp16': 10, 'int8': 5}),
    ],
)
def test_the_size_as_shipped(name, megabytes):
    shipped = model_sizes(ZOO[name]).shipped
    assert {precision: round(size / MB) for precision, size in shipped.items()} == megabytes


def test_shipped_bytes_by_hand():
    """A 3x3 convolution 2 -> 4 with BatchNorm, and a 1x1 convolution 4 -> 1 with bias."""
    network = nn.Sequential(
        nn.Conv2d(2, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 1, 1)
    )
    before = sorted(network.state_dict())
    values = (4 * 2 * 9 + 4) + (4 + 1)  # BatchNorm leaves a bias of 4 behind
    int8 = 4 * 2 * 9 + 4 * 4 + 4 * 4 + 4 + 1 * 4 + 1 * 4  # weights, scales, biases
    assert shipped_bytes(network) == {'fp32': 4 * values, 'fp16': 2 * values, 'int8': int8}
    assert sorted(network.state_dict()) == before


def test_the_classifier_grows_with_identities_and_embedding():
    assert classifier_bytes(identities=0, embedding_dim=128) == 0
    assert classifier_bytes(identities=10, embedding_dim=3) == 10 * 4 * 8


@pytest.mark.parametrize('name', sorted(ZOO))
def test_every_entry_of_the_zoo_has_sizes(name):
    sizes = model_sizes(ZOO[name], identities=0)
    with torch.device('meta'):
        network = JointDetector(ZOO[name])
    assert sizes.paper == 12 * (sizes.parameters + dead_parameters(network))
    assert (dead_parameters(network) > 0) == (name in ('fairmot_dla34_dcn', 'fairmot_dla34_conv'))
    shipped = sizes.shipped
    # BatchNorm's two vectors become at most a bias, so folding never adds.
    assert shipped['fp32'] <= 4 * sizes.parameters
    assert shipped['fp16'] * 2 == shipped['fp32'] > 3.5 * shipped['int8']


def test_the_command_counts_bundles_and_zoo(tmp_path, write_tiny_bundle, capsys):
    bundle = write_tiny_bundle(tmp_path / 'tiny')
    file = tmp_path / 'sizes.json'
    words = ['sizes', str(bundle), 'fairmot_light', '--identities', '100', '--json', str(file)]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert '| fairmot_light | 1088x608 |    5.014 M' in said and '| tiny' in said
    content = json.loads(file.read_text())
    assert content['kind'] == 'sizes' and content['identities'] == 100
    tiny, light = content['models']
    assert tiny['input_size_wh'] == [96, 64]
    assert tiny['file_bytes'] == (bundle / 'weights.safetensors').stat().st_size
    assert light['file_bytes'] is None
    assert light['macs'] / 1e9 == pytest.approx(18.1, abs=0.05)
    assert light['paper_bytes'] == 12 * light['parameters'] + 100 * 65 * 8


def test_the_command_refuses_what_it_cannot_count(scripted_bundle, capsys):
    assert main(['sizes', 'no_such_model']) == 2
    assert 'the model zoo has fairmot_dla34_dcn' in capsys.readouterr().err
    assert main(['sizes', str(scripted_bundle)]) == 2
    assert 'no network that can be counted' in capsys.readouterr().err
    assert main(['sizes', '--identities', '-1']) == 2


def test_the_default_of_the_command_is_that_of_the_library():
    from offline_training.commands import sizes
    from offline_training.model_sizes import FAIRMOT_IDENTITIES

    assert sizes.DEFAULT_IDENTITIES == FAIRMOT_IDENTITIES
    assert model_sizes(ArchitectureConfig()).paper_classifier == 14_455 * 65 * 8
