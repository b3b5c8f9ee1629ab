"""Contract of every shipped architecture: shapes, gradients, folding, published sizes."""

import copy
import functools

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mot_compress_ros.networks import (
    ArchitectureConfig,
    fuse_batch_norm,
    JointDetector,
    spelled_out,
)
from mot_compress_ros.networks.backbones import BACKBONES
from mot_compress_ros.networks.deformable import DeformConv2d
from mot_compress_ros.networks.heads import HEADS
from mot_compress_ros.networks.zoo import ZOO
from offline_training.model_costs import count_costs

FULL_SIZE_WH = (1088, 608)  # of FairMOT
# FairMOT's network computes two projections whose result it drops; ours does not have them.
# Weights and BatchNorm of 64 -> 128 channels at stride 8, and of 128 -> 256 at stride 16.
DROPPED_PARAMETERS = 64 * 128 + 2 * 128 + 128 * 256 + 2 * 256
DROPPED_GMACS = (64 * 128 * 136 * 76 + 128 * 256 * 68 * 38) / 1e9
DROPPED_BY = ('fairmot_dla34_dcn', 'fairmot_dla34_conv')


def shapes(network, size_wh, batch=1):
    with torch.inference_mode():
        maps = network(torch.rand(batch, 3, *size_wh[::-1]))
    assert all(value.isfinite().all() for value in maps.values())
    return {name: tuple(value.shape) for name, value in maps.items()}


def expected_shapes(name, n_class, size_wh, batch=1):
    cells = (size_wh[1] // 4, size_wh[0] // 4)
    rows = {'hm': n_class, 'wh': 4, 'id': ZOO[name].embedding_dim, 'reg': 2}
    return {head: (batch, count, *cells) for head, count in rows.items()}


def stir(network):
    """Give BatchNorm and offsets values of a trained network, so that leaving one out shows."""
    generator = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight.data.uniform_(0.7, 1.3, generator=generator)
            module.bias.data.normal_(0, 0.2, generator=generator)
            module.running_mean.normal_(0, 0.2, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
            module.momentum = None  # from here on the plain mean over all batches
        if isinstance(module, DeformConv2d):
            module.conv_offset_mask.weight.data.normal_(0, 0.02, generator=generator)
    return network


@pytest.mark.parametrize('size_wh', [(96, 64), (32, 32), (64, 160)])
@pytest.mark.parametrize('name', ZOO)
def test_maps_have_stride_four(zoo_network, name, size_wh):
    assert shapes(zoo_network(name), size_wh) == expected_shapes(name, 1, size_wh)


@pytest.mark.parametrize('name', ZOO)
def test_the_heat_map_has_a_plane_per_class(zoo_network, name):
    network = zoo_network(name, n_class=3)
    assert shapes(network, (64, 32), batch=2) == expected_shapes(name, 3, (64, 32), batch=2)


@pytest.mark.parametrize('name', ZOO)
def test_in_training_all_is_finite_and_every_parameter_gets_a_gradient(zoo_network, name):
    network = copy.deepcopy(zoo_network(name)).train()
    torch.manual_seed(0)
    maps = network(torch.rand(2, 3, 64, 96))
    assert all(value.isfinite().all() for value in maps.values())
    sum(value.square().mean() for value in maps.values()).backward()
    gradients = {key: p.grad for key, p in network.named_parameters()}
    assert [k for k, g in gradients.items() if g is None or not g.any()] == []
    assert [k for k, g in gradients.items() if not g.isfinite().all()] == []


@pytest.mark.parametrize('name', ZOO)
def test_folding_batch_norm_changes_nothing(zoo_network, name):
    network = stir(copy.deepcopy(zoo_network(name))).double()
    torch.manual_seed(0)
    images = torch.rand(2, 3, 32, 64, dtype=torch.float64)
    with torch.no_grad():
        network.train()(images)  # statistics of real maps: what follows is of ordinary size
        network.eval()
        before = network.backbone(images)
        maps = network(images)
        folded = fuse_batch_norm(network)
        assert before.std() > 0.01
        torch.testing.assert_close(folded.backbone(images), before, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(folded(images), maps, rtol=1e-9, atol=1e-9)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    convolutions = [m for m in folded.modules() if hasattr(m, 'weight') and m.weight.dim() == 4]
    ups = [m for m in convolutions if isinstance(m, nn.ConvTranspose2d) and m.groups > 1]
    assert all(m.bias is not None for m in convolutions if m not in ups)


@pytest.mark.parametrize('name', ZOO)
def test_eval_does_not_depend_on_the_batch(zoo_network, name):
    network = zoo_network(name)
    torch.manual_seed(0)
    images = torch.rand(2, 3, 32, 64)
    with torch.inference_mode():
        together, alone = network(images), network(images[1:])
    for head in HEADS:
        torch.testing.assert_close(together[head][1:], alone[head], rtol=1e-4, atol=1e-5)


@functools.cache
def costs(name, **changes):
    config = ArchitectureConfig(**{**vars(ZOO[name]), **changes})
    with torch.device('meta'):
        return count_costs(JointDetector(config), size_wh=FULL_SIZE_WH)


def millions(name, *parts, **changes):
    counted = costs(name, **changes)
    return (counted.below(*parts) if parts else counted).parameters / 1e6


@pytest.mark.parametrize(
    ('name', 'changes', 'expected'),
    [
        ('fairmot_dla34_dcn', {}, 19.837),  # FairMOT, arch dla_34
        ('fairmot_dla34_conv', {}, 19.197),  # arch dlaconv_34
        ('dla34_small', {}, 16.596),  # AttTrack says 16.55 of a network it does not describe
        ('fairmot_light', {}, 5.014),  # FairMOT, arch yolo; AttTrack's YOLOv5: 5.01
        ('fairmot_light', {'embedding_dim': 128}, 5.018),
        ('light_mid', {}, 1.259),
        ('light_mid', {'head_channels': 128}, 1.377),  # AttTrack: 1.38
        ('light_small', {}, 0.318),  # AttTrack: 0.31
    ],
)
def test_parameters_are_the_published_ones(name, changes, expected):
    dropped = DROPPED_PARAMETERS / 1e6 if name in DROPPED_BY else 0
    assert round(millions(name, **changes) + dropped, 3) == expected


@pytest.mark.parametrize(
    ('name', 'expected'),
    [
        # torchvision 0.20: resnet18 11 689 512, resnet34 21 797 672, less 513 000 of the
        # classifier; mobilenet_v2 3 504 872, less 1 281 000 and the 412 160 of its layer 18.
        ('resnet18', 11_176_512),
        ('resnet34', 21_284_672),
        ('mobilenetv2', 1_811_712),
    ],
)
def test_trunks_have_the_parameters_of_torchvision(name, expected):
    whole = costs(name).below('backbone').parameters
    neck = costs(name).below('backbone.deconv_layers', 'backbone.neck').parameters
    assert whole - neck == expected


def test_the_parts_of_dla34_have_the_published_parameters():
    base = millions('fairmot_dla34_dcn', 'backbone.base') + DROPPED_PARAMETERS / 1e6
    parts = [millions('fairmot_dla34_dcn', f'backbone.{part}') for part in ('dla_up', 'ida_up')]
    heads = millions('fairmot_dla34_dcn', *HEADS)
    assert [round(n, 3) for n in (base, *parts, heads)] == [15.271, 3.515, 0.425, 0.626]


@pytest.mark.parametrize(
    ('name', 'expected', 'expected_heads'),
    [
        ('fairmot_dla34_dcn', 90.2, 25.8),
        ('fairmot_dla34_conv', 84.3, 25.8),
        ('fairmot_light', 18.1, 6.3),
        ('light_mid', 4.72, 1.62),
        ('light_small', 1.27, 0.43),
    ],
)
def test_multiply_adds_are_the_published_ones(name, expected, expected_heads):
    counted = costs(name)
    dropped = DROPPED_GMACS if name in DROPPED_BY else 0
    assert counted.macs / 1e9 + dropped == pytest.approx(expected, rel=0.005)
    assert counted.below(*HEADS).macs / 1e9 == pytest.approx(expected_heads, rel=0.01)


@pytest.mark.parametrize('name', ZOO)
def test_multiply_adds_are_those_that_torch_counts(zoo_network, name):
    """An independent count: torch's, of the operators that ran."""
    counter = FlopCounterMode(display=False)
    network = zoo_network(name)
    with counter, torch.no_grad():
        network(torch.zeros(1, 3, 32, 64))
    assert counter.get_total_flops() == 2 * count_costs(network, size_wh=(64, 32)).macs


@pytest.mark.parametrize('name', BACKBONES)
def test_defaults_are_the_published_network(name):
    """Width 0 and head channels 0 stand for what the publication has."""
    published = next(config for config in ZOO.values() if config.name == name)
    default = ArchitectureConfig(name=name, n_class=1, embedding_dim=published.embedding_dim)
    with torch.device('meta'):
        ours, theirs = JointDetector(default), JointDetector(published)
    assert {k: v.shape for k, v in ours.state_dict().items()} == {
        k: v.shape for k, v in theirs.state_dict().items()
    }


@pytest.mark.parametrize('name', BACKBONES)
def test_nothing_is_left_open_in_what_a_network_says_of_itself(name):
    """A bundle must not change with a table of defaults."""
    published = next(config for config in ZOO.values() if config.name == name)
    default = ArchitectureConfig(name=name, n_class=1, embedding_dim=published.embedding_dim)
    assert spelled_out(default) == spelled_out(published) == published


@pytest.mark.parametrize('name', ZOO)
def test_heads_start_as_published(zoo_network, name):
    """DLA-34 draws them as torch does, within 1 / sqrt(inputs); the others' last layer is small.

    All biases but those of the heat map are zero.
    """
    network = zoo_network(name)
    for head in ('wh', 'id', 'reg'):
        first, _, last = getattr(network, head)
        assert not first.bias.any() and not last.bias.any()
        if ZOO[name].name.startswith('dla34'):
            assert 0.9 / 16 < last.weight.abs().max() <= 1 / 16  # 256 inputs
        else:
            assert 0 < last.weight.abs().max() < 6e-3  # N(0, 0.001)
    assert (network.hm[2].bias == -2.19).all() and network.hm[0].bias.any()


@pytest.mark.parametrize('name', BACKBONES)
@pytest.mark.parametrize('width', [0.25, 0.37])
def test_every_backbone_can_be_narrow(name, width):
    torch.manual_seed(0)
    network = JointDetector(ArchitectureConfig(name=name, width=width, n_class=2)).eval()
    maps = shapes(network, (64, 32))
    assert maps['hm'] == (1, 2, 8, 16)
    assert network.backbone.out_channels % 8 == 0
    published = BACKBONES[name].make(width=BACKBONES[name].width).out_channels
    assert network.backbone.out_channels < published
