"""Fusions: what each head reads, the identity where the prior is empty, pivots, levels."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from mot_compress_ros.errors import InvalidOptionError
from mot_compress_ros.inference import TRUST_PLANES
from mot_compress_ros.networks import ArchitectureConfig, fuse_batch_norm, JointDetector
from mot_compress_ros.networks.backbones import BACKBONES
from mot_compress_ros.networks.fusions import FUSIONS
from mot_compress_ros.networks.fusions.gated import KERNEL, TRUST
from mot_compress_ros.networks.heads import HEADS
from offline_training.distillation.levels import evaluate, LEVELS, STRIDES

N_CLASS = 2
TAKING = [name for name in FUSIONS if name != 'none']


def build(fusion='none', seed=0, **changes):
    torch.manual_seed(seed)
    config = {'width': 0.125, 'n_class': N_CLASS, 'embedding_dim': 8, **changes}
    return JointDetector(ArchitectureConfig(fusion=fusion, **config)).eval()


def awake(network, seed=1):
    """The network after some training: no layer of the fusion is zero."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in network.fusion.parameters():
        parameter.data.normal_(0, 0.5, generator=generator)
    return network


def a_prior(network, batch=2, shape_hw=(16, 24)):
    generator = torch.Generator().manual_seed(3)
    return torch.rand(batch, network.prior_planes, *shape_hw, generator=generator)


@pytest.fixture
def images():
    return torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(2))


def test_planes_are_those_of_the_contract():
    planes = {name: build(name).prior_planes for name in FUSIONS}
    assert planes == {
        'none': 0,
        'concat': N_CLASS,
        'gated': N_CLASS + 2,
        'gated_heat': N_CLASS,
    }
    assert len(TRUST_PLANES) == TRUST


@pytest.mark.parametrize('fusion', FUSIONS)
def test_maps_keep_their_shapes_and_no_prior_is_an_empty_one(fusion, images):
    network = awake(build(fusion))
    with torch.inference_mode():
        maps = network(images)
        empty = network(images, torch.zeros_like(a_prior(network)))
    shapes = {name: value.shape[1] for name, value in maps.items()}
    assert shapes == {'hm': N_CLASS, 'wh': 4, 'id': 8, 'reg': 2}
    for name in HEADS:
        assert torch.equal(maps[name], empty[name])


@pytest.mark.parametrize('fusion', TAKING)
def test_the_prior_is_looked_at(fusion, images):
    network = awake(build(fusion))
    with torch.inference_mode():
        without, told = network(images), network(images, a_prior(network))
    assert (without['hm'] - told['hm']).abs().max() > 1e-3
    assert (without['id'] - told['id']).abs().max() > 1e-5


def test_without_a_fusion_nothing_is_new():
    keys = build().state_dict().keys()
    assert not [key for key in keys if key.startswith(('fusion.', 'pivot.'))]
    assert ArchitectureConfig() == ArchitectureConfig(fusion='none', pivots=0)


@pytest.mark.parametrize('fusion', FUSIONS)
def test_a_fusion_leaves_the_first_weights_of_the_backbone_alone(fusion):
    plain, fused = build().state_dict(), build(fusion).state_dict()
    for key in plain:
        if key.startswith('backbone.'):
            assert torch.equal(plain[key], fused[key])


def test_concat_by_hand(images):
    """Eq. 4: heat map and re-ID read the appended planes, the box heads the plain feature."""
    network = build('concat')
    prior = a_prior(network)
    with torch.inference_mode():
        feature = network.backbone(images)
        told = torch.cat([feature, prior], dim=1)
        maps = network(images, prior)
        for name, given in (('hm', told), ('id', told), ('wh', feature), ('reg', feature)):
            assert torch.equal(maps[name], getattr(network, name)(given))
    channels = network.backbone.out_channels
    inputs = {name: getattr(network, name)[0].in_channels - channels for name in HEADS}
    assert inputs == {'hm': N_CLASS, 'id': N_CLASS, 'wh': 0, 'reg': 0}


def test_the_gate_by_hand():
    channels = 5
    gate = FUSIONS['gated'](channels=channels, n_class=1)
    gain, shift = (layer.weight.data.normal_(0, 1) for layer in (gate.gain, gate.shift))
    generator = torch.Generator().manual_seed(0)
    feature = torch.randn(1, channels, 1, 1, generator=generator)
    prior = torch.randn(1, 3, 1, 1, generator=generator)
    middle = gate.look[0].weight[:, :, KERNEL // 2, KERNEL // 2] @ prior[0, :, 0, 0]
    seen = middle * middle.sigmoid()
    expected = feature[0, :, 0, 0] * (1 + (gain[:, :, 0, 0] @ seen).tanh())
    expected = expected + shift[:, :, 0, 0] @ seen
    torch.testing.assert_close(gate(feature, prior)['hm'][0, :, 0, 0], expected)


def test_the_gate_is_the_identity_where_the_prior_is_empty():
    """To the bit, whatever it has learned; and wherever nothing is painted within its reach."""
    gate = awake(build('gated')).fusion
    channels = gate.gain.out_channels
    feature = torch.randn(1, channels, 16, 24, generator=torch.Generator().manual_seed(0))
    prior = torch.zeros(1, N_CLASS + 2, 16, 24)
    assert torch.equal(gate(feature, prior)['hm'], feature)
    prior[..., 7, 9] = 0.7
    reach = KERNEL // 2
    same = (gate(feature, prior)['hm'] == feature).all(dim=1)[0]
    near = torch.zeros_like(same)
    near[7 - reach : 8 + reach, 9 - reach : 10 + reach] = True
    assert same[~near].all() and not same[7, 9]


def test_the_gate_starts_as_nothing(images):
    gated, plain = build('gated'), build()
    missing = gated.load_state_dict(plain.state_dict(), strict=False)
    assert all(key.startswith('fusion.') for key in missing.missing_keys)
    with torch.inference_mode():
        told, without = gated(images, a_prior(gated)), plain(images)
    for name in HEADS:
        assert torch.equal(told[name], without[name])


@pytest.mark.parametrize('fusion', TAKING)
def test_folding_batch_norm_changes_nothing_beside_a_prior(fusion, images):
    network = awake(build(fusion))
    network.train()
    for _ in range(2):
        network(images, a_prior(network))
    network.eval()
    prior = a_prior(network)
    with torch.inference_mode():
        before = network(images, prior)
        after = fuse_batch_norm(network)(images, prior)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in network.modules())
    for name, value in before.items():
        np.testing.assert_allclose(after[name], value, rtol=1e-3, atol=1e-4)


def test_heads_may_be_chosen(images):
    network = build()
    with torch.inference_mode():
        assert torch.equal(network(images, heads=('id',))['id'], network(images)['id'])
        assert list(network(images, heads=('id',))) == ['id']


def test_pivot_vectors_by_hand():
    """FairMOT's classifier: sqrt(2) ln(n - 1) times the unit vector, then a linear layer."""
    network = build(pivots=5)
    vectors = torch.randn(4, 8, generator=torch.Generator().manual_seed(0))
    rows = []
    for vector in vectors:
        given = math.sqrt(2) * math.log(4) * vector / vector.norm()
        rows.append(network.pivot.weight @ given + network.pivot.bias)
    expected = torch.stack(rows)
    with torch.no_grad():
        torch.testing.assert_close(network.pivot_vectors(vectors), expected)
        unit = expected / expected.norm(dim=1, keepdim=True)
        torch.testing.assert_close(network.embeddings(vectors), unit)
        plain = build().embeddings(vectors)
    torch.testing.assert_close(plain, vectors / vectors.norm(dim=1, keepdim=True))


@pytest.mark.parametrize('pivots', [1, 2])
def test_two_pivots_say_nothing(pivots):
    with pytest.raises(InvalidOptionError, match='expected 0 or at least 3'):
        ArchitectureConfig(pivots=pivots)


@pytest.mark.parametrize('name', BACKBONES)
def test_levels_are_those_of_the_strides(name):
    """And reading them leaves the network and its answer alone."""
    config = ArchitectureConfig(name=name, width=0.125, n_class=1, embedding_dim=4)
    torch.manual_seed(0)
    network = JointDetector(dataclasses.replace(config, head_channels=8)).eval()
    images = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        found = evaluate(network, images, levels=True)
        plain = evaluate(network, images)
    sizes = [tuple(found[level].shape[2:]) for level in LEVELS]
    assert sizes == [(64 // stride, 96 // stride) for stride in STRIDES]
    assert set(found) == {*HEADS, *LEVELS} and set(plain) == set(HEADS)
    assert all(torch.equal(found[head], plain[head]) for head in HEADS)
    assert not any(m._forward_hooks for m in network.modules())


@pytest.mark.parametrize('fusion', FUSIONS)
def test_told_nothing_is_told_zeros_to_the_bit(fusion, images):
    """Where there is no prior the way is shorter, and leads to the same place."""
    network = awake(build(fusion)) if fusion in ('gated', 'gated_heat') else build(fusion)
    batch, _, height, width = images.shape
    zeros = torch.zeros(batch, network.prior_planes, height // 4, width // 4)
    with torch.inference_mode():
        untold, told = network(images), network(images, zeros)
    assert all(torch.equal(untold[name], told[name]) for name in HEADS)
