"""Deformable convolution against a loop over its definition, other runtimes, and its gradients."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from mot_compress_ros.networks.deformable import deform_conv2d, DeformConv2d, fastest


def draw(batch=2, c_in=3, c_out=4, height=5, width=6, spread=2.0, dtype=torch.float64):
    """Input, offsets, mask, weight and bias; offsets reach well over the border."""
    torch.manual_seed(0)
    return [
        torch.randn(batch, c_in, height, width, dtype=dtype),
        torch.randn(batch, 18, height, width, dtype=dtype) * spread,
        torch.rand(batch, 9, height, width, dtype=dtype),
        torch.randn(c_out, c_in, 3, 3, dtype=dtype),
        torch.randn(c_out, dtype=dtype),
    ]


def bilinear(plane, y, x):
    """The value of a plane (H, W) between its cells; outside it is zero."""
    total, top, left = 0.0, math.floor(y), math.floor(x)
    for row in (top, top + 1):
        for column in (left, left + 1):
            if 0 <= row < plane.shape[0] and 0 <= column < plane.shape[1]:
                share = (1 - abs(y - row)) * (1 - abs(x - column))
                total += share * plane[row, column]
    return total


def deform_conv2d_in_loops(x, offsets, mask, weight, bias):
    """Zhu et al., Deformable ConvNets v2, equation 1, cell by cell."""
    x, offsets, mask, weight, bias = (t.numpy() for t in (x, offsets, mask, weight, bias))
    batch, c_in, height, width = x.shape
    out = np.zeros((batch, len(weight), height, width))
    for image, row, column in np.ndindex(batch, height, width):
        for tap in range(9):
            y = row + tap // 3 - 1 + offsets[image, 2 * tap, row, column]
            z = column + tap % 3 - 1 + offsets[image, 2 * tap + 1, row, column]
            values = np.array([bilinear(x[image, c], y, z) for c in range(c_in)])
            values *= mask[image, tap, row, column]
            out[image, :, row, column] += weight[:, :, tap // 3, tap % 3] @ values
    return out + bias[:, None, None]


@pytest.mark.parametrize('spread', [0.3, 2.0, 30.0])
def test_it_is_what_the_definition_says(spread):
    inputs = draw(spread=spread)
    expected = deform_conv2d_in_loops(*inputs)
    np.testing.assert_allclose(deform_conv2d(*inputs), expected, atol=1e-12)


def test_offsets_are_y_then_x_of_each_tap_row_by_row():
    """Tap 5 is the middle row's right one; one row down and two columns left of it is (1, -1)."""
    x = torch.arange(30.0).view(1, 1, 5, 6)
    offsets, mask = torch.zeros(1, 18, 5, 6), torch.zeros(1, 9, 5, 6)
    offsets[:, 10], offsets[:, 11], mask[:, 5] = 1, -2, 1
    out = deform_conv2d(x, offsets, mask, torch.ones(1, 1, 3, 3), torch.zeros(1))
    torch.testing.assert_close(out[0, 0, :4, 1:], x[0, 0, 1:, :-1])
    assert not out[0, 0, 4].any() and not out[0, 0, :, 0].any()  # these read outside


@pytest.mark.parametrize('size', [(1, 1), (1, 7), (4, 5)])
def test_without_offsets_it_is_a_plain_convolution(size):
    x, offsets, mask, weight, bias = draw(height=size[0], width=size[1])
    plain = F.conv2d(x, weight, bias, padding=1)
    out = deform_conv2d(x, offsets * 0, torch.ones_like(mask), weight, bias)
    torch.testing.assert_close(out, plain)
    torch.testing.assert_close(
        deform_conv2d(
            x.to(memory_format=torch.channels_last), offsets * 0, mask * 0 + 1, weight, bias
        ),
        plain,
    )


def test_gradients_are_those_of_finite_differences():
    inputs = draw(batch=1, c_in=2, c_out=1, height=2, width=3)
    assert torch.autograd.gradcheck(deform_conv2d, [t.requires_grad_() for t in inputs])


def test_at_a_cell_the_gradient_is_the_step_to_the_next():
    """Offsets start at zero, where the value has a kink; torchvision takes the same side."""
    torch.manual_seed(0)
    x, mask = torch.randn(1, 1, 4, 5), torch.zeros(1, 9, 4, 5)
    mask[:, 4] = 1
    offsets = torch.zeros(1, 18, 4, 5, requires_grad=True)
    deform_conv2d(x, offsets, mask, torch.ones(1, 1, 3, 3), torch.zeros(1)).sum().backward()
    below, right = F.pad(x, (0, 1, 0, 1))[0, 0, 1:, :-1], F.pad(x, (0, 1, 0, 1))[0, 0, :-1, 1:]
    torch.testing.assert_close(offsets.grad[0, 8], below - x[0, 0])
    torch.testing.assert_close(offsets.grad[0, 9], right - x[0, 0])


@pytest.mark.parametrize('offset', [1e30, float('inf'), float('-inf')])
def test_offsets_that_overflowed_read_nothing(offset):
    x, offsets, mask, weight, bias = draw()
    offsets[:, 3] = offset
    assert deform_conv2d(x, offsets, mask, weight, bias).isfinite().all()


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_keeps_sampling_places(dtype):
    """Position 300 and a quarter is no number of half precision; the place must be exact."""
    x = torch.zeros(1, 1, 3, 600, dtype=dtype)
    x[..., 300] = 4
    offsets = torch.zeros(1, 18, 3, 600, dtype=dtype)
    offsets[:, 9] = 0.25
    mask = torch.zeros(1, 9, 3, 600, dtype=dtype)
    mask[:, 4] = 1
    out = deform_conv2d(
        x, offsets, mask, torch.ones(1, 1, 3, 3, dtype=dtype), torch.zeros(1, dtype=dtype)
    )
    assert out[0, 0, 1, 298:302].tolist() == [0, 1, 3, 0]


def test_a_new_layer_is_half_a_plain_convolution():
    """Offsets start at zero and the mask at sigmoid(0)."""
    torch.manual_seed(0)
    layer = DeformConv2d(3, 4)
    x = torch.randn(2, 3, 6, 5)
    torch.testing.assert_close(layer(x), F.conv2d(x, layer.weight / 2, padding=1))


def test_a_layer_takes_offsets_and_mask_from_its_own_convolution():
    torch.manual_seed(0)
    layer = DeformConv2d(3, 4).double()
    torch.nn.init.normal_(layer.conv_offset_mask.weight, std=0.2)
    x = torch.randn(1, 3, 6, 5).double()
    with torch.no_grad():
        numbers = layer.conv_offset_mask(x)
        expected = deform_conv2d_in_loops(
            x, numbers[:, :18], numbers[:, 18:].sigmoid(), layer.weight, layer.bias
        )
        np.testing.assert_allclose(layer(x), expected, atol=1e-12)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32])
def test_the_fastest_implementation_is_one_that_works(dtype):
    inputs = draw(dtype=dtype)
    chosen = fastest('cpu', dtype)
    torch.testing.assert_close(chosen(*inputs), deform_conv2d(*inputs), rtol=0.03, atol=0.03)


def test_torchvision_computes_the_same():
    try:
        from torchvision.ops import deform_conv2d as reference
    except (ImportError, RuntimeError) as error:  # RuntimeError: built for another torch
        pytest.skip(f'no working torchvision: {error}')
    x, offsets, mask, weight, bias = draw(dtype=torch.float32)
    expected = reference(x, offsets, weight, bias, padding=1, mask=mask)
    torch.testing.assert_close(
        deform_conv2d(x, offsets, mask, weight, bias), expected, rtol=1e-4, atol=1e-5
    )
    assert fastest('cpu', torch.float32) is not deform_conv2d


def test_onnx_runtime_computes_the_same():
    """Order of offsets, taps and borders, by the operator of the ONNX standard.

    The file holds one node, `DeformConv` of opset 19 with kernel 3 x 3 and padding 1.
    """
    runtime = pytest.importorskip('onnxruntime')
    x, offsets, mask, weight, bias = draw(dtype=torch.float32)
    inputs = {'X': x, 'W': weight, 'offset': offsets, 'B': bias, 'mask': mask}
    file = Path(__file__).parent / 'deform_conv.onnx'
    session = runtime.InferenceSession(file, providers=['CPUExecutionProvider'])
    (expected,) = session.run(None, {key: value.numpy() for key, value in inputs.items()})
    ours = deform_conv2d(x, offsets, mask, weight, bias)
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-5)
