"""A merged `Focus` computes the same."""

import torch

from mot_compress_ros.networks import fuse_batch_norm, merge_focus
from mot_compress_ros.networks.yolov5_blocks import Focus


def test_the_merged_convolution_is_the_same(make_tiny_network):
    torch.manual_seed(0)
    x = torch.rand(2, 3, 64, 96)
    with torch.inference_mode():
        expected = make_tiny_network()(x)
        merged = merge_focus(fuse_batch_norm(make_tiny_network()))
        found = merged(x)
    assert not any(isinstance(module, Focus) for module in merged.modules())
    for name, values in expected.items():
        torch.testing.assert_close(found[name], values, atol=1e-4, rtol=1e-4)


def test_a_batch_norm_that_is_not_folded_is_left_alone(make_tiny_network):
    network = merge_focus(make_tiny_network())
    assert any(isinstance(module, Focus) for module in network.modules())
