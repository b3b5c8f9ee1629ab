import copy

import pytest
import torch
from torch import nn

from mot_compress_ros.networks import fuse_batch_norm
from offline_training.quantization.fake_quant import FakeQuantized, Range, Snap, snapped_weight


def test_a_weight_by_hand():
    """Scales 1 and 0.5: halves go to the even step, and the largest stays what it is."""
    weight = torch.tensor([[127.0, 0.5, 1.5, -2.4], [63.5, 0.3, -0.2, 0.0]])
    expected = [[127.0, 0.0, 2.0, -2.0], [63.5, 0.5, 0.0, 0.0]]
    assert snapped_weight(weight).tolist() == expected


def test_a_weight_agrees_with_torchs_own():
    weight = torch.randn(6, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    scales = weight.abs().amax(dim=(1, 2, 3)) / 127
    oracle = torch.fake_quantize_per_channel_affine(
        weight, scales, torch.zeros(6, dtype=torch.int32), 0, -127, 127
    )
    torch.testing.assert_close(snapped_weight(weight), oracle, rtol=0, atol=1e-6)


def test_transposed_convolutions_have_their_outputs_second():
    weight = torch.tensor([[[[1.0]], [[100.0]]], [[[127.0]], [[12700.0]]]])  # (I, O, 1, 1)
    assert snapped_weight(weight, channel_dim=1).flatten().tolist() == [1.0, 100.0, 127.0, 12700.0]


def test_an_activation_by_hand():
    """Range -1 to 254: the scale is 1 and 0 lies at step 1; what is beyond is cut off."""
    seen = Range()
    seen.see(torch.tensor([-1.0, 254.0]))
    given = torch.tensor([-9.0, -0.6, 0.0, 0.4, 2.6, 300.0])
    assert seen.snap(given).tolist() == [-1.0, -1.0, 0.0, 0.0, 3.0, 254.0]


def test_a_range_holds_zero_and_only_widens():
    seen = Range()
    seen.see(torch.tensor([5.0, 7.0]))
    assert (seen.low, seen.high) == (0.0, 7.0)
    seen.see(torch.tensor([-2.0, 1.0]))
    assert (seen.low, seen.high) == (-2.0, 7.0)


def test_gradients_pass_straight_through_what_was_not_cut_off():
    x = torch.tensor([-300.0, -127.0, 0.2, 126.6, 127.6], requires_grad=True)
    one, zero = torch.tensor(1.0), torch.tensor(0.0)
    (Snap.apply(x, one, zero, (-127, 127)) * torch.arange(1.0, 6.0)).sum().backward()
    assert x.grad.tolist() == [0.0, 2.0, 3.0, 4.0, 0.0]


def test_playing_is_what_one_would_compute_by_hand_and_leaves_no_trace():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(2, 3, 1), nn.ReLU(), nn.Conv2d(3, 1, 1)).eval()
    given = torch.randn(1, 2, 4, 4)
    before = copy.deepcopy(network.state_dict())
    played = FakeQuantized(network, [(given,)])
    with torch.no_grad():
        plain = network(given)
        with played.playing(['2']) as module:
            found = module(given)
        middle = network[1](network[0](given))
        seen = Range()
        seen.see(middle)
        weight = snapped_weight(network[2].weight)
        expected = nn.functional.conv2d(seen.snap(middle), weight, network[2].bias)
        assert torch.equal(found, expected) and not torch.equal(found, plain)
        assert torch.equal(network(given), plain)
    assert all(torch.equal(before[k], v) for k, v in network.state_dict().items())
    assert all(p.requires_grad for p in network.parameters())


def test_a_detector_in_eight_bits_says_nearly_the_same(make_relu_network):
    network = fuse_batch_norm(make_relu_network())
    images = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(2))
    played = FakeQuantized(network, [(images,)])
    with torch.inference_mode():
        plain = network(images)['hm'].sigmoid()
        with played.playing(played.layers):
            found = network(images)['hm'].sigmoid()
    difference = (found - plain).abs().max().item()
    assert 0 < difference < 0.15


def test_an_unknown_layer_is_an_error_and_leaves_no_trace():
    network = nn.Sequential(nn.Conv2d(1, 1, 1))
    played = FakeQuantized(network, [(torch.ones(1, 1, 2, 2),)])
    with pytest.raises(KeyError), played.playing(['0', '7']):
        pass
    assert not network[0]._forward_pre_hooks
