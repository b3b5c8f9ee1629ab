"""Another activation in the place of SiLU: same weights, same keys, and nothing else changes."""

from dataclasses import replace
import json

import pytest
import torch
from torch import nn

from mot_compress_ros.errors import BundleError, InvalidOptionError
from mot_compress_ros.inference import load_bundle
from mot_compress_ros.inference.backends.torch_eager import load_network
from mot_compress_ros.inference.checkpoint import ModelManifest, save_bundle
from mot_compress_ros.networks import ArchitectureConfig, JointDetector, spelled_out
from mot_compress_ros.networks.activations import ACTIVATIONS, with_activation
from mot_compress_ros.networks.backbones import BACKBONES
from mot_compress_ros.networks.fusions import FUSIONS
from mot_compress_ros.options import from_mapping, to_mapping
from offline_training.distillation.start import open_start, started_network
from offline_training.fairmot_weights_export import export_tensors

OTHERS = [name for name in ACTIVATIONS if name != 'published']
SMALL = ArchitectureConfig(width=0.0625, embedding_dim=8)


def build(config):
    torch.manual_seed(3)
    return JointDetector(config).eval()


@pytest.fixture
def images():
    return torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))


def test_published_is_the_default_and_leaves_silu_where_it_was():
    network = build(SMALL)
    assert SMALL.activation == 'published'
    kinds = [type(m) for m in network.modules() if type(m).__module__.endswith('activation')]
    convolutions = [n for n, m in network.named_modules() if n.endswith('.bn')]
    assert set(kinds) == {nn.SiLU}
    assert len(kinds) == len(convolutions) + 4  # after each BatchNorm, and in each head


@pytest.mark.parametrize('name', OTHERS)
def test_only_the_activation_differs_to_the_bit(name, images):
    """Putting SiLU back gives the published network: keys, first weights and answers."""
    published, other = build(SMALL), build(replace(SMALL, activation=name))
    assert list(published.state_dict()) == list(other.state_dict())
    for key, value in published.state_dict().items():
        assert torch.equal(value, other.state_dict()[key]), key
    kind = type(ACTIVATIONS[name]())
    for place in [n for n, module in other.named_modules() if isinstance(module, kind)]:
        other.set_submodule(place, nn.SiLU(inplace=True))
    with torch.inference_mode():
        expected, found = published(images), other(images)
    assert all(torch.equal(expected[key], found[key]) for key in expected)


@pytest.mark.parametrize('backbone', list(BACKBONES))
@pytest.mark.parametrize('name', OTHERS)
def test_no_network_keeps_what_breaks_int8_chains(name, backbone):
    config = ArchitectureConfig(name=backbone, width=0.0625, activation=name, fusion='gated')
    with torch.device('meta'):
        network = JointDetector(config)
    assert not [n for n, m in network.named_modules() if isinstance(m, nn.SiLU)]
    assert network.config.activation == name


@pytest.mark.parametrize('backbone', ['resnet18', 'dla34_conv', 'mobilenetv2'])
def test_backbones_of_relu_stay_what_they_are(backbone, images):
    config = ArchitectureConfig(name=backbone, width=0.0625, embedding_dim=8)
    with torch.inference_mode():
        before = build(config)(images)
        after = build(replace(config, activation='relu'))(images)
    assert all(torch.equal(before[key], after[key]) for key in before)


@pytest.mark.parametrize('name', OTHERS)
def test_members_keep_zero(name):
    """The gated fusion does nothing where a prior is empty."""
    assert ACTIVATIONS[name]()(torch.zeros(3)).tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize('fusion', list(FUSIONS))
def test_an_empty_prior_changes_nothing_with_relu(fusion, images):
    network = build(replace(SMALL, fusion=fusion, activation='relu'))
    with torch.inference_mode():
        told = network(images, torch.zeros(2, network.prior_planes, 16, 24))
        silent = network(images)
    assert all(torch.equal(told[key], silent[key]) for key in told)


def test_nothing_happens_to_a_network_that_stays_published():
    network = build(SMALL)
    before = list(network.modules())
    assert with_activation(network, 'published') is network
    assert all(a is b for a, b in zip(before, network.modules(), strict=True))


def test_an_unknown_activation_is_refused():
    with pytest.raises(InvalidOptionError, match=r'activation.*gelu.*relu6'):
        from_mapping(ArchitectureConfig, {'activation': 'gelu'})


def write(folder, config):
    network = build(config)
    manifest = ModelManifest(
        name=folder.name,
        architecture=to_mapping(spelled_out(config)),
        class_names=('pedestrian', 'cyclist', 'vehicle'),
        input_size_wh=(96, 64),
        embedding_dim=8,
    )
    save_bundle(folder, manifest, {k: v.numpy() for k, v in network.state_dict().items()})
    return network


def test_a_manifest_says_which_it_is_and_an_old_one_means_published(tmp_path):
    write(tmp_path / 'relu', replace(SMALL, activation='relu'))
    assert load_network(load_bundle(tmp_path / 'relu')).config.activation == 'relu'
    path = tmp_path / 'relu' / 'model.json'
    content = json.loads(path.read_text())
    assert content['architecture'].pop('activation') == 'relu'
    path.write_text(json.dumps(content))
    assert load_network(load_bundle(tmp_path / 'relu')).config.activation == 'published'


def test_a_training_may_start_from_weights_with_silu(tmp_path, images):
    """`train --init`: the weights fit, and the network is the one with ReLU."""
    old = write(tmp_path / 'silu', SMALL)
    wanted = replace(SMALL, activation='relu')
    started = started_network(open_start(str(tmp_path / 'silu'), wanted), wanted).eval()
    for key, value in old.state_dict().items():
        assert torch.equal(value, started.state_dict()[key])
    assert not torch.equal(old(images)['hm'], started(images)['hm'])
    with pytest.raises(InvalidOptionError, match='width'):
        open_start(str(tmp_path / 'silu'), replace(wanted, width=0.125))


def test_fairmots_layout_takes_no_other_activation(tmp_path):
    """Its code would evaluate the weights with SiLU."""
    write(tmp_path / 'relu', replace(SMALL, activation='relu'))
    with pytest.raises(BundleError, match='activation relu, expected published'):
        export_tensors(load_bundle(tmp_path / 'relu'))
