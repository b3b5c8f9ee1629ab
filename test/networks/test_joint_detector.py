"""The light family: sizes, shapes, key layout, gradients."""

import numpy as np
import pytest
import torch

from mot_compress_ros.networks import ArchitectureConfig, JointDetector
from mot_compress_ros.networks.fuse import fuse_batch_norm

FAMILY = [
    # width, embedding, parameters in millions as published (FairMOT; AttTrack table 1)
    (0.5, 128, 5.018),
    (0.5, 64, 5.014),
    (0.125, 64, 0.318),
]
WIDTHS = [0.5, 0.25, 0.125]


def build(width, embedding_dim=64, n_class=1):
    torch.manual_seed(0)
    return JointDetector(
        ArchitectureConfig(width=width, embedding_dim=embedding_dim, n_class=n_class)
    )


@pytest.mark.parametrize(('width', 'embedding_dim', 'millions'), FAMILY)
def test_parameter_counts_are_the_published_ones(width, embedding_dim, millions):
    count = sum(p.numel() for p in build(width, embedding_dim).parameters())
    assert round(count / 1e6, 3) == millions


@pytest.mark.parametrize('width', WIDTHS)
@pytest.mark.parametrize('n_class', [1, 3])
def test_maps_have_stride_four(width, n_class):
    model = build(width, n_class=n_class).eval()
    with torch.inference_mode():
        maps = model(torch.rand(2, 3, 64, 96))
    shapes = {name: tuple(value.shape) for name, value in maps.items()}
    assert shapes == {
        'hm': (2, n_class, 16, 24),
        'wh': (2, 4, 16, 24),
        'id': (2, 64, 16, 24),
        'reg': (2, 2, 16, 24),
    }
    assert all(value.isfinite().all() for value in maps.values())


@pytest.mark.parametrize('width', WIDTHS)
def test_every_parameter_gets_a_gradient(width):
    model = build(width, n_class=3)
    maps = model(torch.rand(2, 3, 64, 64))
    sum(value.square().sum() for value in maps.values()).backward()
    without = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []


def test_keys_are_the_public_layout():
    keys = build(0.5).state_dict().keys()
    heads = {
        f'{h}.{i}.{k}'
        for h in ('hm', 'wh', 'id', 'reg')
        for i in (0, 2)
        for k in ('weight', 'bias')
    }
    assert heads <= keys
    trunk = {key for key in keys if key not in heads}
    assert all(key.startswith('backbone.model.') for key in trunk)
    # Layers with weights, by their public numbers; 11, 12, 15, 16, 19 and 20 have none.
    assert {int(key.split('.')[2]) for key in trunk} == {*range(11), 13, 14, 17, 18, 21}
    for key in (
        'backbone.model.0.conv.conv.weight',
        'backbone.model.1.bn.running_mean',
        'backbone.model.2.m.0.cv1.conv.weight',
        'backbone.model.6.m.2.cv2.bn.weight',
        'backbone.model.8.cv2.conv.weight',
        'backbone.model.21.cv3.conv.weight',
    ):
        assert key in keys


def test_untrained_heat_map_says_a_tenth():
    """The bias of -2.19 is what keeps the focal loss from exploding at the first step."""
    model = build(0.125).eval()
    with torch.inference_mode():
        heat = model(torch.rand(1, 3, 64, 64))['hm'].sigmoid()
    assert heat.mean() == pytest.approx(0.1, abs=0.03)


def test_folding_batch_norm_changes_nothing():
    model = build(0.125, n_class=3)
    model.train()
    for _ in range(3):  # statistics and affine values that are not the identity
        model(torch.rand(2, 3, 64, 64))
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 2)
            torch.nn.init.uniform_(module.bias, -1, 1)
    model.eval()
    images = torch.rand(1, 3, 64, 96)
    with torch.inference_mode():
        before = model(images)
        after = fuse_batch_norm(model)(images)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in model.modules())
    for name, value in before.items():
        np.testing.assert_allclose(after[name], value, rtol=1e-3, atol=1e-4)
