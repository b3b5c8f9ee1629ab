"""Deformable convolutions in other runtimes against ours, which has a loop as its oracle."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from torch import nn

from mot_compress_ros.inference.backends.openvino_core import shared_core
from mot_compress_ros.networks import ArchitectureConfig, JointDetector
from mot_compress_ros.networks.deformable import DeformConv2d
from offline_training.export.deformable import (
    AsOperator,
    DOMAIN,
    GridSampled,
    lowered,
    OPERATOR,
)
from offline_training.export.onnx_engine import make_onnx, make_onnx_for_openvino
from offline_training.export.openvino_engine import make_openvino


def draw_layer(spread):
    """A layer whose taps read up to some `spread` cells away, over the border too."""
    torch.manual_seed(0)
    layer = DeformConv2d(3, 4)
    nn.init.normal_(layer.conv_offset_mask.weight, std=0.3 * spread)
    nn.init.normal_(layer.conv_offset_mask.bias, std=spread)
    nn.init.normal_(layer.bias)
    return layer.eval()


@pytest.mark.parametrize('kind', [GridSampled, AsOperator])
@pytest.mark.parametrize('spread', [0.0, 0.5, 8.0])
@pytest.mark.parametrize('shape', [(2, 3, 5, 6), (1, 3, 1, 4), (1, 3, 7, 1)])
@torch.inference_mode()
def test_a_lowered_layer_is_the_same(kind, spread, shape):
    layer = draw_layer(spread)
    torch.manual_seed(1)
    x = torch.randn(shape)
    torch.testing.assert_close(kind(layer)(x), layer(x), atol=2e-5, rtol=1e-4)


class TwoLayers(nn.Module):
    """A network with what an exporter asks of one, and nothing but deformable convolutions."""

    input_names, output_names = ('images',), ('hm',)

    def __init__(self):
        super().__init__()
        self.first, self.second = draw_layer(1.5), DeformConv2d(4, 2)
        nn.init.normal_(self.second.conv_offset_mask.bias, std=1.5)
        self.example = (torch.zeros(1, 3, 8, 16),)

    def forward(self, images):
        return (self.second(self.first(images).relu()),)


@pytest.fixture(scope='module')
def network():
    with torch.random.fork_rng():
        return TwoLayers().eval()


@pytest.fixture(scope='module')
def images():
    return torch.rand(1, 3, 8, 16, generator=torch.Generator().manual_seed(0))


@torch.inference_mode()
def test_onnx_runtime_says_the_same(network, images):
    (data,) = make_onnx(network, precision='fp32')
    session = ort.InferenceSession(data, providers=['CPUExecutionProvider'])
    found = session.run(list(network.output_names), {'images': images.numpy()})
    for values, expected in zip(found, network(images), strict=True):
        np.testing.assert_allclose(values, expected, atol=2e-5, rtol=1e-4)


@torch.inference_mode()
def test_openvino_says_the_same_with_its_own_operator(network, images):
    xml, weights = make_openvino(network)
    assert xml.count(b'type="DeformableConvolution"') == sum(
        isinstance(m, DeformConv2d) for m in network.modules()
    )
    core = shared_core()
    model = core.read_model(model=xml, weights=weights)
    compiled = core.compile_model(model, 'CPU', {'INFERENCE_PRECISION_HINT': 'f32'})
    found = compiled([images.numpy()])
    for name, expected in zip(network.output_names, network(images), strict=True):
        np.testing.assert_allclose(found[name], expected, atol=2e-5, rtol=1e-4)


def test_no_operator_of_ours_is_left_for_onnx(network):
    (data,) = make_onnx(network, precision='fp32')
    plain = onnx.load_from_string(data)
    onnx.checker.check_model(plain, full_check=True)
    assert {node.domain for node in plain.graph.node} == {''}
    assert sum(node.op_type == 'GridSample' for node in plain.graph.node) == 2 * 9
    own = onnx.load_from_string(make_onnx_for_openvino(network))
    assert [n.op_type for n in own.graph.node if n.domain == DOMAIN] == [OPERATOR] * 2


def test_a_whole_network_is_lowered():
    with torch.device('meta'):
        detector = JointDetector(ArchitectureConfig(name='dla34_small'))
    copied = lowered(detector, AsOperator)
    kinds = [type(m) for m in copied.modules() if isinstance(m, (AsOperator, DeformConv2d))]
    # Each of ours holds the one it stands for.
    assert kinds.count(AsOperator) == kinds.count(DeformConv2d) > 10


def test_the_network_is_left_as_it_was(network):
    copied = lowered(network, GridSampled)
    assert any(isinstance(m, GridSampled) for m in copied.modules())
    assert not any(isinstance(m, GridSampled) for m in network.modules())
