"""Networks whose right answer is known, and one of each backbone."""

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from mot_compress_ros.inference.checkpoint import ModelManifest, save_bundle
from mot_compress_ros.networks import ArchitectureConfig, JointDetector
from mot_compress_ros.options import to_mapping


def stirred(network, seed=1):
    """Give BatchNorm and all that starts at zero values of a trained network."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight.data.uniform_(0.7, 1.3, generator=generator)
            module.bias.data.normal_(0, 0.2, generator=generator)
            module.running_mean.normal_(0, 0.2, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
    for parameter in network.parameters():
        if not parameter.any():
            parameter.data.normal_(0, 0.1, generator=generator)
    return network.eval()


@pytest.fixture(scope='session')
def make_detector():
    """Makes a small seeded detector of a backbone; nothing in it is zero."""

    def make(name='yolov5_light', **options):
        torch.manual_seed(0)
        config = ArchitectureConfig(**{'name': name, 'width': 0.25, 'embedding_dim': 8, **options})
        return stirred(JointDetector(config))

    return make


class Chain(nn.Module):
    """conv (4) - norm - relu - conv (3) - relu - conv (2): two groups, of 4 and 3 channels."""

    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.b = nn.Conv2d(4, 3, 3, padding=1)
        self.c = nn.Conv2d(3, 2, 1)

    def forward(self, x):
        return self.c(self.b(self.norm(self.a(x)).relu()).relu())


class Crossing(nn.Module):
    """A sum, a concatenation and a depthwise convolution: channels tied across layers."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 1)
        self.side = nn.Conv2d(6, 6, 1)
        self.each = nn.Conv2d(6, 6, 3, padding=1, groups=6)
        self.other = nn.Conv2d(6, 4, 1)
        self.last = nn.Conv2d(10, 5, 1)

    def forward(self, x):
        x = self.stem(x).relu()
        x = x + self.each(self.side(x)).relu()
        return self.last(torch.cat([self.other(x).relu(), x], dim=1))


@pytest.fixture
def chain():
    torch.manual_seed(0)
    return stirred(Chain())


@pytest.fixture
def crossing():
    torch.manual_seed(0)
    return Crossing().eval()


@pytest.fixture(scope='session')
def data(tmp_path_factory):
    """A folder of data with one MOT sequence, `road`: boxes over a noisy dark ground."""
    folder = tmp_path_factory.mktemp('data')
    (folder / 'road' / 'img1').mkdir(parents=True)
    (folder / 'road' / 'gt').mkdir()
    lines = []
    for frame in range(1, 5):
        image = np.random.default_rng(frame).integers(20, 60, (120, 160, 3), dtype=np.uint8)
        for track, left in ((1, 20 + 4 * frame), (2, 110)):
            image[60:100, left : left + 40] = (80 * track, 60, 220)
            lines.append(f'{frame},{track},{left},60,40,40,1,3,1.0\n')
        cv2.imwrite(str(folder / 'road' / 'img1' / f'{frame:06d}.png'), image)
    (folder / 'road' / 'gt' / 'gt.txt').write_text(''.join(lines))
    (folder / 'road' / 'seqinfo.ini').write_text(
        '[Sequence]\nname=road\nimDir=img1\nframeRate=10\nseqLength=4\n'
        'imWidth=160\nimHeight=120\nimExt=.png\n'
    )
    return folder


@pytest.fixture(scope='session')
def recipe(tmp_path_factory):
    """A recipe of the detector of `bundle` that trains for three steps."""
    path = tmp_path_factory.mktemp('recipe') / 'recipe.yaml'
    path.write_text(
        'architecture: {width: 0.125, embedding_dim: 8}\n'
        'train: {steps: 3, batch_size: 4, precision: fp32, warmup_steps: 1, ema_decay: 0.5}\n'
        'augment: {width_px: 96, height_px: 64, min_full_width_px: 96, max_full_width_px: 128}\n'
        'sources:\n  - {layout: mot, path: road, weight: 1}\n'
    )
    return path


@pytest.fixture(scope='session')
def bundle(tmp_path_factory, make_detector):
    """A bundle of a small detector in half precision that finds peaks everywhere."""
    network = make_detector(width=0.125)
    dark = 0.2 * torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        last, logits = network.hm[2], network(dark)['hm']
        scale = 2 / logits.std()
        last.weight.mul_(scale)
        last.bias.copy_((last.bias - logits.mean(dim=(0, 2, 3))) * scale)
    folder = tmp_path_factory.mktemp('models') / 'whole'
    manifest = ModelManifest(
        name='whole',
        architecture=to_mapping(network.config),
        class_names=('pedestrian', 'cyclist', 'vehicle'),
        input_size_wh=(96, 64),
        embedding_dim=8,
        metrics={'hota': 0.5},
    )
    state = network.state_dict()
    tensors = {
        key: (value.half() if value.is_floating_point() else value).numpy()
        for key, value in state.items()
    }
    return save_bundle(folder, manifest, tensors)
