"""CSTrack: parameter counts beside published ones, and its modules by hand."""

import pytest
import torch
from torch import nn

from mot_compress_ros.errors import InvalidOptionError
from mot_compress_ros.networks import fuse_batch_norm
from mot_compress_ros.networks.cstrack import ANCHORS_PX, box_map, Cstrack, CstrackConfig
from mot_compress_ros.networks.cstrack_modules import (
    ChannelAttention,
    ReciprocalNetwork,
    ScaleAwareAttention,
    SpatialAttention,
)
from mot_compress_ros.networks.cstrack_trunk import PanTrunk
from mot_compress_ros.options import from_mapping, to_mapping


def count(module):
    return sum(p.numel() for p in module.parameters())


def tiny(**options):
    torch.manual_seed(0)
    sizes = {'width': 0.0625, 'depth': 0.33, 'embedding_dim': 6, 'id_channels': 8}
    return Cstrack(CstrackConfig(**{**sizes, **options}))


def test_the_trunk_is_yolov5s():
    """With the layers of 80 classes: 7.46816e+06, as YOLOv5 of 2020 says of itself."""
    trunk = PanTrunk(width=0.5, depth=0.33)
    assert count(trunk) + sum((c + 1) * 3 * 85 for c in trunk.channels) == 7_468_157


def test_the_trunk_is_yolov5l():
    """47.8 M in the table of those releases."""
    with torch.device('meta'):
        trunk = PanTrunk(width=1.0, depth=1.0)
    assert trunk.channels == (256, 512, 1024)
    whole = count(trunk) + sum((c + 1) * 3 * 85 for c in trunk.channels)
    assert round(whole / 1e6, 1) == 47.8


def test_what_cstrack_adds_has_the_parameters_of_its_layers():
    with torch.device('meta'):
        network = Cstrack(CstrackConfig())
    channels = (256, 512, 1024)
    assert count(network.reciprocal) == sum(2 * (9 * c * c + c + 1) for c in channels)
    bn, spatial = 2 * 256, 256 * 64 + 2 * 64 + 2 * 49
    scales = sum(9 * c * 256 + bn + spatial for c in channels) + 256 * 16 + 256 * 64
    join = 3 + 2 * 768 + 768 * 768 + 9 * 768 * 256 + bn
    assert count(network.id) == scales + join + 257 * 512
    assert count(network.boxes) == sum((c + 1) * 18 for c in channels)


def test_maps_of_three_strides_and_embeddings_at_stride_8():
    network = tiny(n_class=3).eval()
    maps = network(torch.rand(2, 3, 64, 96))
    assert {name: tuple(m.shape) for name, m in maps.items()} == {
        **{box_map(s): (2, 24, 64 // s, 96 // s) for s in ANCHORS_PX},
        'id': (2, 6, 8, 12),
    }
    assert set(network(torch.rand(1, 3, 64, 64), heads=('id',))) == {'id'}
    assert 'id' not in network(torch.rand(1, 3, 64, 64), heads=('hm', 'wh'))
    unit = network.embeddings(torch.randn(5, 6))
    torch.testing.assert_close(unit.norm(dim=1), torch.ones(5))


def test_few_objects_are_expected_at_first():
    """8 in an image of 640 x 640, at every stride."""
    network = tiny()
    for layer, stride in zip(network.boxes, ANCHORS_PX, strict=True):
        nn.init.zeros_(layer.weight)
        with torch.no_grad():
            bias = layer.bias.view(3, -1)[:, 4] - torch.zeros(3)
        expected = 8 / (640 / stride) ** 2
        assert bias.exp().mean().item() == pytest.approx(expected, rel=0.5)


def test_reciprocal_network_by_hand():
    """Its formula, channel by channel, from the descriptions that it makes."""
    torch.manual_seed(0)
    block, x = ReciprocalNetwork(4).eval(), torch.randn(2, 4, 12, 20)
    with torch.no_grad():
        block.own.copy_(torch.tensor([0.3, 0.8]))
        psi = [d(nn.functional.adaptive_avg_pool2d(x, (6, 10))) for d in block.describe]
        found = block(x)
    for task, own in ((0, 0.3), (1, 0.8)):
        for b in range(2):
            mine, other = (psi[k][b].reshape(4, 60) for k in (task, 1 - task))
            weights = own * (mine @ mine.T).softmax(1) + (1 - own) * (mine @ other.T).softmax(1)
            expected = (weights @ x[b].reshape(4, -1)).reshape(4, 12, 20) + x[b]
            torch.testing.assert_close(found[task][b], expected, rtol=1e-4, atol=1e-5)
    assert not torch.equal(*found)


def test_without_a_description_every_channel_counts_alike():
    block, x = ReciprocalNetwork(4), torch.randn(1, 4, 6, 10)
    for describe in block.describe:
        nn.init.zeros_(describe[0].weight)
        nn.init.zeros_(describe[0].bias)
    for out in block(x):
        torch.testing.assert_close(out, x + x.mean(dim=1, keepdim=True))


@pytest.mark.parametrize('block', [SpatialAttention(8), ChannelAttention(8)])
def test_attention_without_an_opinion_weighs_by_one_and_a_half(block):
    x = torch.randn(2, 8, 5, 7)
    last = block.weigh if isinstance(block, SpatialAttention) else block.weigh[-1]
    nn.init.zeros_(last.weight)
    torch.testing.assert_close(block.eval()(x), 1.5 * x)


def test_scales_meet_at_stride_8():
    block = ScaleAwareAttention((8, 16, 32), hidden=8, embedding_dim=5).eval()
    features = [torch.randn(1, c, 12 // f, 20 // f) for c, f in ((8, 1), (16, 2), (32, 4))]
    assert block(features).shape == (1, 5, 12, 20)


def test_folding_batch_norm_changes_nothing():
    network, images = tiny().train(), torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        network(images)  # statistics that are not those of the start
        before = network.eval()(images)
        after = fuse_batch_norm(network)(images)
    for name, values in before.items():
        torch.testing.assert_close(after[name], values, rtol=1e-3, atol=1e-4)


def test_every_parameter_has_a_gradient():
    network = tiny().train()
    maps = network(torch.rand(2, 3, 64, 64))
    torch.stack([m.square().mean() for m in maps.values()]).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_a_manifest_makes_it_again():
    config = CstrackConfig(width=0.5, depth=0.33, n_class=3)
    assert from_mapping(CstrackConfig, to_mapping(config)) == config
    with pytest.raises(InvalidOptionError, match='name: got'):
        from_mapping(CstrackConfig, {'name': 'yolov5_light'})
