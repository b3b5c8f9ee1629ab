"""A student with more than its first bundle starts as the network of that bundle."""

import pytest
import torch

from mot_compress_ros.errors import BundleError, InvalidOptionError
from mot_compress_ros.inference import load_bundle
from mot_compress_ros.inference.checkpoint import ModelManifest, save_bundle
from mot_compress_ros.networks import ArchitectureConfig, JointDetector
from mot_compress_ros.networks.heads import HEADS
from mot_compress_ros.options import to_mapping
from offline_training.distillation.start import open_start, started_network
from offline_training.fairmot_weights_export import export_tensors

PLAIN = {'width': 0.0625, 'n_class': 3, 'embedding_dim': 8}


def write(folder, **changes):
    config = ArchitectureConfig(**{**PLAIN, **changes})
    torch.manual_seed(5)
    network = JointDetector(config).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
    manifest = ModelManifest(
        name=folder.name,
        architecture=to_mapping(config),
        class_names=('pedestrian', 'cyclist', 'vehicle'),
        input_size_wh=(96, 64),
        embedding_dim=config.pivots or 8,
    )
    save_bundle(folder, manifest, {k: v.numpy() for k, v in network.state_dict().items()})
    return network


def start(folder, **changes):
    wanted = ArchitectureConfig(**{**PLAIN, **changes})
    torch.manual_seed(6)
    return started_network(open_start(str(folder), wanted), wanted).eval()


@pytest.mark.parametrize('fusion', ['none', 'concat', 'gated'])
def test_the_start_is_the_old_network_whatever_it_is_told(tmp_path, fusion):
    old = write(tmp_path / 'old')
    network = start(tmp_path / 'old', fusion=fusion)
    images = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    prior = torch.rand(2, network.prior_planes, 16, 24)
    with torch.inference_mode():
        before, after = old(images), network(images, prior)
    for name in HEADS:
        torch.testing.assert_close(after[name], before[name], rtol=1e-5, atol=1e-6)


def test_what_the_bundle_lacks_starts_fresh_and_learns(tmp_path):
    """The new channels are zeros, and get a gradient."""
    write(tmp_path / 'old')
    network = start(tmp_path / 'old', fusion='concat').train()
    channels = network.backbone.out_channels
    assert (network.hm[0].weight[:, channels:] == 0).all()
    prior = torch.rand(1, 3, 16, 24)
    network(torch.rand(1, 3, 64, 96), prior)['hm'].square().sum().backward()
    assert network.hm[0].weight.grad[:, channels:].abs().sum() > 0


def test_what_is_drawn_after_the_start_does_not_depend_on_what_is_added(tmp_path):
    """The classifier of the loss, which comes next, begins alike for all that are compared."""
    write(tmp_path / 'old')
    torch.manual_seed(6)
    expected = torch.rand(3)
    for more in ({}, {'fusion': 'concat'}, {'fusion': 'gated'}, {'pivots': 5}):
        start(tmp_path / 'old', **more)
        assert torch.equal(torch.rand(3), expected), more


def test_a_fusion_goes_on_with_its_own_weights(tmp_path):
    old = write(tmp_path / 'old', fusion='gated')
    old_state, state = old.state_dict(), start(tmp_path / 'old', fusion='gated').state_dict()
    assert all(torch.equal(state[key], old_state[key]) for key in old_state)


def test_another_fusion_is_another_network(tmp_path):
    write(tmp_path / 'old', fusion='concat')
    with pytest.raises(InvalidOptionError, match="fusion 'concat', the recipe says 'gated'"):
        start(tmp_path / 'old', fusion='gated')
    with pytest.raises(InvalidOptionError, match="fusion 'concat', the recipe says 'none'"):
        start(tmp_path / 'old')


def test_a_gate_may_be_left_behind(tmp_path):
    """Told nothing, the network with the gate is the one without it."""
    old = write(tmp_path / 'old', fusion='gated')
    network = start(tmp_path / 'old')
    assert not [key for key in network.state_dict() if key.startswith('fusion.')]
    images = torch.rand(1, 3, 64, 96)
    with torch.inference_mode():
        expected, maps = old.eval()(images), network.eval()(images)
    assert all(torch.equal(maps[name], expected[name]) for name in expected)


def test_pivots_of_other_identities_start_fresh(tmp_path):
    old = write(tmp_path / 'old', pivots=5)
    same, other = start(tmp_path / 'old', pivots=5), start(tmp_path / 'old', pivots=7)
    assert torch.equal(same.pivot.weight, old.pivot.weight)
    assert other.pivot.weight.shape == (7, 8) and other.pivot.weight.abs().sum() > 0
    assert not hasattr(start(tmp_path / 'old'), 'pivot')


@pytest.mark.parametrize('more', [{'fusion': 'gated'}, {'fusion': 'concat'}, {'pivots': 5}])
def test_fairmot_has_no_such_network(tmp_path, more):
    write(tmp_path / 'old', **more)
    with pytest.raises(BundleError, match='no network with a fusion or with pivots'):
        export_tensors(load_bundle(tmp_path / 'old'))
