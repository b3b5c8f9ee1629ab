import copy
import warnings

import pytest
import torch
from torch import nn

from mot_compress_ros.errors import InvalidOptionError
from offline_training.quantization.eager import (
    chains,
    convert_layers,
    fold_batch_norm,
    OBSERVERS,
    quantize_eager,
    state_bytes,
    without_batch_norm,
)


def classifier():
    """Convolutions with BatchNorm, a linear layer with BatchNorm, statistics that matter."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 3, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(8 * 8 * 8, 32),
        nn.BatchNorm1d(32),
        nn.Dropout(),
        nn.ReLU(),
        nn.Linear(32, 3),
    )
    for module in network.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            module.running_mean.normal_(0, 0.5)
            module.running_var.uniform_(0.05, 0.2)
            module.weight.data.uniform_(0.5, 2)
            module.bias.data.normal_(0, 0.5)
    return network.eval()


@pytest.fixture(scope='module')
def batches():
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(16, 3, 16, 16, generator=generator) for _ in range(3)]


def test_chains_are_found_whatever_lies_between_that_does_nothing():
    network = classifier()
    assert chains(network, (nn.Conv2d, nn.Linear), (nn.BatchNorm1d, nn.BatchNorm2d)) == [
        ['0', '1'],
        ['7', '8'],
    ]
    network.set_submodule('8', nn.Identity())
    assert chains(network, nn.Linear, nn.ReLU) == [['7', '10']]


class Twice(nn.Module):
    """A convolution that two layers read."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

    def forward(self, x):
        out = self.conv(x)
        return self.norm(out) + out


def test_what_another_layer_reads_is_not_folded():
    assert chains(Twice(), nn.Conv2d, nn.BatchNorm2d) == []


def test_a_folded_batch_norm_computes_the_same(batches):
    network = classifier()
    folded = fold_batch_norm(copy.deepcopy(network))
    assert not [m for m in folded.modules() if isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d))]
    torch.testing.assert_close(folded(batches[0]), network(batches[0]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('observer', OBSERVERS)
def test_int8_with_batch_norm_folded_keeps_the_answers(batches, observer):
    network = classifier()
    eight = quantize_eager(network, batches, observer=observer)
    with torch.inference_mode():
        expected, found = network(batches[0]), eight(batches[0])
    assert (expected.argmax(1) == found.argmax(1)).float().mean() > 0.9
    assert 0 < (found - expected).abs().max() < 0.1 * expected.abs().max()
    kinds = [type(m).__name__ for m in eight.modules()]
    assert kinds.count('ConvReLU2d') == 2 and kinds.count('LinearReLU') == 1
    assert state_bytes(eight) < 0.3 * state_bytes(network)
    assert not [m for m in network.modules() if 'Quant' in type(m).__name__], 'left as it was'


def test_int8_with_batch_norm_removed_loses_them(batches):
    """The paper's way, without the training that it takes: another function."""
    network = classifier()
    bare = without_batch_norm(network)
    assert set(bare.state_dict()) == {k for k in network.state_dict() if k[:2] not in ('1.', '8.')}
    with torch.inference_mode():
        expected = network(batches[0])
        folded = quantize_eager(network, batches)(batches[0])
        removed = quantize_eager(bare, batches)(batches[0])
    assert (removed - expected).square().mean() > 20 * (folded - expected).square().mean()


def test_bytes_count_each_weight_once_and_its_scales():
    """8 weights of one byte, 2 float64 zero points aside, 2 scales, 2 biases of four bytes."""
    network = nn.Sequential(nn.Linear(4, 2))
    assert state_bytes(network) == 4 * (8 + 2)
    eight = quantize_eager(network, [torch.randn(5, 4)])
    assert 8 + 2 * 4 + 2 * 4 <= state_bytes(eight) <= 8 + 2 * 4 + 2 * 4 + 40


def test_layers_of_any_network_one_by_one(make_relu_network):
    network = make_relu_network()
    from mot_compress_ros.networks import fuse_batch_norm

    folded = fuse_batch_norm(copy.deepcopy(network))
    images = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(2))
    eight = convert_layers(copy.deepcopy(folded), [(images,)])
    with torch.inference_mode():
        expected, found = folded(images)['hm'].sigmoid(), eight(images)['hm'].sigmoid()
    assert 0 < (found - expected).abs().max() < 0.3
    convolutions = [m for m in eight.modules() if type(m) is nn.Conv2d]
    assert convolutions == []


def test_only_the_known_deprecations_are_silenced(batches):
    """Warnings are errors in these tests; another one still is."""
    network = classifier()
    network.register_forward_hook(lambda *_: warnings.warn('mine', UserWarning, stacklevel=2))
    with pytest.warns(UserWarning, match='mine'):
        quantize_eager(network, batches[:1])


def test_an_unknown_observer_is_refused(batches):
    with pytest.raises(InvalidOptionError, match=r'observer.*entropy'):
        quantize_eager(classifier(), batches, observer='entropy')
