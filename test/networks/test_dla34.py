"""The wiring of DLA-34, against a second way to say it: formulas over the public state dict.

Shapes and key names do not tell in which order a root joins its maps, or what a step of the upward
half adds; imported weights depend on both.
"""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from mot_compress_ros.networks import ArchitectureConfig, JointDetector
from mot_compress_ros.networks.deformable import deform_conv2d
from mot_compress_ros.networks.public_layout import to_public


class Formulas:
    """FairMOT's network as functions of its public state dict, evaluation mode."""

    def __init__(self, state):
        self.state = state

    def convolve(self, x, key, **options):
        weight = self.state[f'{key}.weight']
        bias = self.state.get(f'{key}.bias')
        return F.conv2d(x, weight, bias, padding=weight.shape[-1] // 2, **options)

    def normalise(self, x, key):
        names = ('running_mean', 'running_var', 'weight', 'bias')
        return F.batch_norm(x, *(self.state[f'{key}.{name}'] for name in names))

    def conv_level(self, x, key, stride=1):
        return self.normalise(self.convolve(x, f'{key}.0', stride=stride), f'{key}.1').relu()

    def block(self, x, key, stride, shortcut):
        x = self.normalise(self.convolve(x, f'{key}.conv1', stride=stride), f'{key}.bn1').relu()
        return (self.normalise(self.convolve(x, f'{key}.conv2'), f'{key}.bn2') + shortcut).relu()

    def tree(self, x, key, *, stride=2, seen_by_root=()):
        """A tree of level 1; `seen_by_root` are maps from outside."""
        shortcut = F.max_pool2d(x, stride) if stride > 1 else x
        if f'{key}.project.0.weight' in self.state:
            projected = self.convolve(shortcut, f'{key}.project.0')
            shortcut = self.normalise(projected, f'{key}.project.1')
        first = self.block(x, f'{key}.tree1', stride, shortcut)
        second = self.block(first, f'{key}.tree2', 1, first)
        joint = self.convolve(torch.cat([second, first, *seen_by_root], 1), f'{key}.root.conv')
        return self.normalise(joint, f'{key}.root.bn').relu()

    def level(self, x, key, *, level_root):
        """A level that may be a tree of trees; with `level_root` the last root sees its input."""
        seen = [F.max_pool2d(x, 2)] if level_root else []
        if f'{key}.root.conv.weight' in self.state:
            return self.tree(x, key, seen_by_root=seen)
        first = self.tree(x, f'{key}.tree1')
        return self.tree(first, f'{key}.tree2', stride=1, seen_by_root=[*seen, first])

    def aggregate(self, x, key):
        """A 3x3 convolution of the upward half, deformable where it has offsets."""
        if f'{key}.conv.conv_offset_mask.weight' in self.state:
            numbers = self.convolve(x, f'{key}.conv.conv_offset_mask')
            weight, bias = self.state[f'{key}.conv.weight'], self.state[f'{key}.conv.bias']
            x = deform_conv2d(x, numbers[:, :18], numbers[:, 18:].sigmoid(), weight, bias)
        else:
            x = self.convolve(x, f'{key}.conv')
        return self.normalise(x, f'{key}.actf.0').relu()

    def merge(self, layers, key, start, stop):
        """Overwrites `layers[start + 1:stop]` one after the other, as FairMOT does."""
        for i in range(start + 1, stop):
            step = i - start
            up = self.state[f'{key}.up_{step}.weight']
            factor = up.shape[-1] // 2
            x = self.aggregate(layers[i], f'{key}.proj_{step}')
            x = F.conv_transpose2d(x, up, stride=factor, padding=factor // 2, groups=len(up))
            layers[i] = self.aggregate(x + layers[i - 1], f'{key}.node_{step}')

    def feature(self, images):
        """The map of stride 4."""
        x = self.conv_level(images, 'base.base_layer')
        x = self.conv_level(x, 'base.level0')
        x = self.conv_level(x, 'base.level1', stride=2)
        layers = []
        for number in (2, 3, 4, 5):
            x = self.level(x, f'base.level{number}', level_root=number > 2)
            layers.append(x)
        up = [layers[-1]]
        for i in range(3):
            self.merge(layers, f'dla_up.ida_{i}', 2 - i, 4)
            up.insert(0, layers[-1])
        last = up[:3]
        self.merge(last, 'ida_up', 0, 3)
        return last[-1]

    def maps(self, images):
        feature = self.feature(images)
        return {
            head: self.convolve(self.convolve(feature, f'{head}.0').relu(), f'{head}.2')
            for head in ('hm', 'wh', 'id', 'reg')
        }


@pytest.mark.parametrize('name', ['dla34_dcn', 'dla34_conv', 'dla34_small'])
def test_the_network_is_what_its_formulas_say(name):
    torch.manual_seed(0)
    config = ArchitectureConfig(name=name, width=0.25, embedding_dim=8, head_channels=16)
    network = JointDetector(config).double()
    for module in network.modules():  # no weight may be 1, and no offset 0
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.3)
            module.momentum = None
    for key, parameter in network.named_parameters():
        if 'conv_offset_mask' in key:
            nn.init.normal_(parameter, std=0.05)
    images = torch.rand(2, 3, 32, 64).double()
    with torch.no_grad():
        network.train()(images)
        maps = network.eval()(images)
        expected = Formulas(to_public(network.state_dict(), name)).maps(images)
    for head, value in expected.items():
        assert value.std() > 1e-5
        torch.testing.assert_close(maps[head], value, rtol=1e-9, atol=1e-12)


def test_upsampling_starts_as_bilinear_interpolation():
    torch.manual_seed(0)
    network = JointDetector(ArchitectureConfig(name='dla34_conv', width=0.25))
    ups = [m for m in network.modules() if isinstance(m, nn.ConvTranspose2d)]
    assert sorted({up.stride[0] for up in ups}) == [2, 4]
    for up in ups:
        factor = up.stride[0]
        x = torch.rand(1, up.in_channels, 6, 7)
        expected = F.interpolate(x, scale_factor=factor, mode='bilinear', align_corners=False)
        inner = (..., slice(factor, -factor), slice(factor, -factor))  # borders read zeros
        torch.testing.assert_close(up(x)[inner], expected[inner])
