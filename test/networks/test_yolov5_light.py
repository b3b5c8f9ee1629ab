"""The wiring of the light network, against a second way to say it: formulas over its state dict.

Shapes and key names do not tell in which order maps are joined, which pixels come first, or which
epsilon a BatchNorm has; imported weights depend on all of them.
"""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from mot_compress_ros.networks import ArchitectureConfig, JointDetector


class Formulas:
    """FairMOT's light network as functions of its public state dict, evaluation mode."""

    def __init__(self, state):
        self.state = state

    def conv(self, x, key, stride=1):
        weight = self.state[f'{key}.conv.weight']
        x = F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)
        names = ('running_mean', 'running_var', 'weight', 'bias')
        return F.silu(F.batch_norm(x, *(self.state[f'{key}.bn.{n}'] for n in names), eps=1e-3))

    def c3(self, x, key, shortcut):
        inner, depth = self.conv(x, f'{key}.cv1'), 0
        while f'{key}.m.{depth}.cv1.conv.weight' in self.state:
            step = self.conv(self.conv(inner, f'{key}.m.{depth}.cv1'), f'{key}.m.{depth}.cv2')
            inner, depth = inner + step if shortcut else step, depth + 1
        return self.conv(torch.cat([inner, self.conv(x, f'{key}.cv2')], 1), f'{key}.cv3')

    def spp(self, x, key):
        x = self.conv(x, f'{key}.cv1')
        pooled = [F.max_pool2d(x, k, 1, k // 2) for k in (5, 9, 13)]
        return self.conv(torch.cat([x, *pooled], 1), f'{key}.cv2')

    def feature(self, images):
        """The map of stride 4."""
        layer = 'backbone.model.{}'.format
        # Focus: rows and columns from (0, 0), (0, 1), (1, 0), (1, 1) as (column, row).
        parts = [images[..., row::2, column::2] for column in (0, 1) for row in (0, 1)]
        x = self.conv(torch.cat(parts, 1), layer('0.conv'))
        kept = []
        for number in (1, 3, 5):
            x = self.c3(self.conv(x, layer(number), 2), layer(number + 1), shortcut=True)
            kept.append(x)
        x = self.spp(self.conv(x, layer(7), 2), layer(8))
        x = self.c3(x, layer(9), shortcut=False)
        for number in (10, 14, 18):
            up = F.interpolate(self.conv(x, layer(number)), scale_factor=2, mode='nearest')
            x = self.c3(torch.cat([up, kept.pop()], 1), layer(number + 3), shortcut=False)
        return x

    def head(self, x, name):
        weights = {
            i: (self.state[f'{name}.{i}.weight'], self.state[f'{name}.{i}.bias']) for i in '02'
        }
        return F.conv2d(F.silu(F.conv2d(x, *weights['0'], padding=1)), *weights['2'])


@pytest.mark.parametrize('width', [0.125, 0.25])
def test_the_network_is_what_its_formulas_say(width):
    torch.manual_seed(0)
    config = ArchitectureConfig(name='yolov5_light', width=width, embedding_dim=8)
    network = JointDetector(config).double()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):  # small variances, so that the epsilon shows
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.3)
            module.momentum = None
    images = torch.rand(2, 3, 64, 96).double()
    with torch.no_grad():
        network.train()(images)
        maps = network.eval()(images)
        formulas = Formulas(network.state_dict())
        feature = formulas.feature(images)
    assert feature.std() > 0.01
    with torch.no_grad():
        torch.testing.assert_close(network.backbone(images), feature, rtol=1e-9, atol=1e-12)
        for name, found in maps.items():
            torch.testing.assert_close(found, formulas.head(feature, name), rtol=1e-9, atol=1e-12)


def test_batch_norm_learns_as_fast_as_published():
    """Which weights do not tell: eps 1e-3 and momentum 0.03 in the light model alone."""
    for name, eps, momentum in (('yolov5_light', 1e-3, 0.03), ('dla34_dcn', 1e-5, 0.1)):
        with torch.device('meta'):
            network = JointDetector(ArchitectureConfig(name=name, width=0.25))
        norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
        assert norms and {(m.eps, m.momentum) for m in norms} == {(eps, momentum)}
