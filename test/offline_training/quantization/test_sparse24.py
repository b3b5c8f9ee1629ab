import pytest
import torch
from torch import nn

from offline_training.quantization.sparse24 import (
    make_permanent,
    mask_24,
    semi_structured_speedup,
    sparsify_24,
)


def test_a_linear_mask_by_hand():
    weight = torch.tensor([[1.0, -3.0, 2.0, 0.5, 4.0, 4.0, 4.0, -4.0]])
    assert mask_24(weight).tolist() == [[0, 1, 1, 0, 1, 1, 0, 0]]


def test_fours_of_a_convolution_are_neighbouring_channels():
    """With the channels last, as the product of matrices reads them: per pixel of the kernel."""
    weight = torch.arange(1.0, 9.0).reshape(1, 4, 1, 2)  # pixel 0: 1 3 5 7, pixel 1: 2 4 6 8
    assert mask_24(weight).tolist() == [[[[0, 0]], [[0, 0]], [[1, 1]], [[1, 1]]]]


def test_each_four_keeps_its_two_largest():
    weight = torch.randn(8, 16, 3, 3, generator=torch.Generator().manual_seed(0))
    mask = mask_24(weight)
    rows = (weight * mask).movedim(1, -1).reshape(8, -1, 4)
    assert ((rows != 0).sum(dim=2) == 2).all()
    kept = rows.abs().sum(dim=2)
    best = weight.movedim(1, -1).reshape(8, -1, 4).abs().topk(2, dim=2).values.sum(dim=2)
    torch.testing.assert_close(kept, best)


def test_a_row_that_cannot_be_cut_is_refused():
    with pytest.raises(ValueError, match=r'multiple of 4.*6'):
        mask_24(torch.ones(2, 6))


def test_masks_hold_while_training_and_become_permanent():
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 8, 1),  # three inputs: left
        nn.Conv2d(8, 8, 3, groups=8),  # depthwise: left
        nn.Conv2d(8, 4, 3),
        nn.Flatten(),
        nn.Linear(4, 2),
    )
    keys = list(network.state_dict())
    report = sparsify_24(network)
    assert report.layers == ('2', '4') and report.left == ('0', '1')
    assert (report.weights, report.zeros) == (8 * 4 * 9 + 8, (8 * 4 * 9 + 8) // 2)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    network(torch.randn(2, 3, 5, 5)).square().sum().backward()
    optimizer.step()
    make_permanent(network)
    assert sorted(network.state_dict()) == sorted(keys)
    assert (network[2].weight == 0).float().mean() == 0.5
    assert (network[0].weight != 0).all()


def test_layers_can_be_chosen():
    network = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    assert sparsify_24(network, chosen=lambda name, module: name == '1').layers == ('1',)
    assert (network[0].weight != 0).all()


def test_speed_is_only_measured_where_there_are_such_kernels():
    speedup = semi_structured_speedup(64, 64, 64)
    able = torch.cuda.is_available() and torch.cuda.get_device_capability() >= (8, 0)
    assert (speedup is None) is not able
