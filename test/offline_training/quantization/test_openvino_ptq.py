import os

import numpy as np
import openvino as ov
from openvino import opset13 as ops
import pytest

from mot_compress_ros.errors import InvalidDataError, InvalidOptionError
from offline_training.quantization.by_ptq import in_batches
from offline_training.quantization.calibration import Sample
from offline_training.quantization.config import BoundConfig, PtqConfig, RANGES
from offline_training.quantization.openvino_ptq import (
    Bound,
    compiled_for_cpu,
    counted,
    layer_name,
    quantize_graph,
)
from offline_training.quantization.tools import load_nncf, silent_tools

SHAPE = [1, 3, 16, 24]
CHANNELS = 8
NAMES = [*(f'/backbone/c.{index}/Conv' for index in range(4)), '/hm/hm.0/Conv', '/hm/hm.2/Conv']


@pytest.fixture(scope='module')
def graph():
    """Six convolutions with ReLU between them, named as an exported detector names its own."""
    rng = np.random.default_rng(0)
    out = ops.parameter(SHAPE, np.float32, name='images')
    out.output(0).tensor.set_names({'images'})
    inputs = [out]
    for name in NAMES:
        before = out.output(0).shape[1]
        weight = rng.normal(0, 1, (CHANNELS, before, 3, 3)).astype(np.float32) / (3 * before**0.5)
        weight *= np.logspace(-1.5, 0.5, CHANNELS, dtype=np.float32)[:, None, None, None]
        out = ops.convolution(out, weight, [1, 1], [1, 1], [1, 1], [1, 1])
        out.set_friendly_name(name)
        out = ops.add(out, np.full((1, CHANNELS, 1, 1), 0.1, np.float32))
        out = ops.relu(out) if name != NAMES[-1] else ops.sigmoid(out)
    out.output(0).tensor.set_names({'hm'})
    return ov.Model([ops.result(out)], inputs, 'small')


@pytest.fixture(scope='module')
def samples():
    rng = np.random.default_rng(1)
    shape = (1, *SHAPE[2:], 3)
    return [Sample(images_rgb=rng.integers(0, 256, shape, np.uint8)) for _ in range(4)]


def difference(graph, model, samples):
    """Mean difference of the answers of two graphs."""
    before, after = (compiled_for_cpu(one) for one in (graph, model))
    gaps = [np.abs(before(s.images)[0] - after(s.images)[0]).mean() for s in samples]
    return float(np.mean(gaps))


def layers_in_int8(compiled):
    """How many convolutions the runtime computes in 8 bits."""
    kinds = [
        (info['layerType'].astype(str), info['runtimePrecision'].astype(str))
        for info in (op.get_rt_info() for op in compiled.get_runtime_model().get_ops())
    ]
    return sum(kind == 'Convolution' and of in ('i8', 'u8') for kind, of in kinds)


def test_all_but_the_last_layer_compute_in_int8_and_say_nearly_the_same(graph, samples):
    done = quantize_graph(graph, samples, PtqConfig())
    assert (done.layers, done.int8_layers) == (6, 5)
    assert layers_in_int8(compiled_for_cpu(done.model)) == 5
    assert counted(graph).int8_layers == 0, 'the graph in float32 is left as it was'
    assert 0 < difference(graph, done.model, samples) < 0.01
    whole = quantize_graph(graph, samples, PtqConfig(float_last_layers=False))
    assert whole.int8_layers == 6


def test_weights_are_per_channel(graph, samples):
    """The convert after each int8 weight is multiplied by one scale per output channel."""
    done = quantize_graph(graph, samples, PtqConfig())
    scales = []
    for op in done.model.get_ops():
        if op.get_type_name() == 'Constant' and op.get_element_type() == ov.Type.i8:
            (convert,) = {i.get_node() for i in op.output(0).get_target_inputs()}
            (multiply,) = {i.get_node() for i in convert.output(0).get_target_inputs()}
            scales.append(list(multiply.input_value(1).get_node().shape))
    assert scales == [[CHANNELS, 1, 1, 1]] * 5


@pytest.mark.parametrize('ranges', RANGES)
def test_every_way_to_find_ranges_works(graph, samples, ranges):
    done = quantize_graph(graph, samples, PtqConfig(ranges=ranges, preset='performance'))
    assert difference(graph, done.model, samples) < 0.02


def test_ways_to_find_ranges_differ(graph, samples):
    """Cutting away a tenth of the values at each end costs more than minima and maxima."""
    errors = [
        difference(graph, quantize_graph(graph, samples, config).model, samples)
        for config in (
            PtqConfig(ranges='minmax', bias_correction=False),
            PtqConfig(ranges='percentile', outliers=0.1, bias_correction=False),
        )
    ]
    assert 2 * errors[0] < errors[1]


def test_slow_bias_correction_works(graph, samples):
    done = quantize_graph(graph, samples, PtqConfig(fast_bias_correction=False))
    assert difference(graph, done.model, samples) < 0.01


def test_modules_can_be_left_in_float(graph, samples):
    done = quantize_graph(graph, samples, PtqConfig(ignored=('hm', 'backbone.c.1')))
    assert done.int8_layers == 3
    with pytest.raises(InvalidOptionError, match=r'ptq\.ignored: neck .*backbone\.c\.0, backb'):
        quantize_graph(graph, samples, PtqConfig(ignored=('neck',)))


def test_a_failing_score_takes_layers_back_until_it_is_kept(graph, samples):
    """The score falls to 0 where more than two layers compute in 8 bits."""
    seen = []

    def score(compiled, items):
        seen.append(layers_in_int8(compiled))
        value = 1.0 if seen[-1] <= 2 else 0.0
        return value, [value] * len(items)

    bound = Bound(score=score, items=3, config=BoundConfig(max_drop=0.5))
    done = quantize_graph(graph, samples, PtqConfig(), bound=bound)
    assert (done.score_before, done.score_after) == (1.0, 1.0)
    assert max(seen) == 5
    assert layers_in_int8(compiled_for_cpu(done.model)) <= 2
    assert done.int8_layers < 5


def test_a_kept_score_takes_nothing_back(graph, samples):
    def score(compiled, items):
        return 1.0, [1.0] * len(items)

    bound = Bound(score=score, items=3, config=BoundConfig())
    assert quantize_graph(graph, samples, PtqConfig(), bound=bound).int8_layers == 5


def test_a_bound_that_cannot_be_kept_is_an_error(graph, samples):
    calls = []

    def score(compiled, items):
        calls.append(compiled)
        return (1.0 if len(calls) == 1 else 0.4), [0.5] * len(items)

    config = BoundConfig(max_drop=0.01, restored_layers=1)
    bound = Bound(score=score, items=2, config=config)
    with pytest.raises(InvalidDataError, match=r'1\.0000 in float32, 0\.4000.*max_drop=0\.01'):
        quantize_graph(graph, samples, PtqConfig(), bound=bound)


def test_samples_are_joined_to_the_batch_of_the_graph(samples):
    batches = in_batches(samples, 3)
    assert [b.images.shape[0] for b in batches] == [3, 3]
    rows = np.concatenate([b.images for b in batches])
    expected = [*samples, *samples[:2]]  # four samples: the last batch is filled up
    assert np.array_equal(rows, np.concatenate([s.images for s in expected]))
    assert all(a is b for a, b in zip(in_batches(samples, 1), samples, strict=True))


@pytest.mark.parametrize(
    ('operation', 'module'),
    [
        ('/backbone/model.21/cv3/conv/Conv/WithoutBiases', 'backbone.model.21.cv3.conv'),
        ('/backbone/model.0/model.0.0/Conv/WithoutBiases', 'backbone.model.0.0'),
        ('/backbone/model.2/m/m.0/cv2/conv/Conv', 'backbone.model.2.m.0.cv2.conv'),
        ('/hm/hm.2/Conv_1', 'hm.2'),
        ('ConvolutionBackpropData_12', 'ConvolutionBackpropData_12'),
    ],
)
def test_names_of_operations(operation, module):
    assert layer_name(operation) == module


def test_the_tools_leave_the_signal_stack_alone(graph, samples, signal_stack):
    """NNCF loads the CPU plugin again and again, which registers memory that it takes back."""
    before = signal_stack()
    quantize_graph(graph, samples, PtqConfig())
    assert signal_stack() == before


def test_the_tools_do_not_report_home(monkeypatch):
    monkeypatch.delenv('CI', raising=False)
    with silent_tools():
        assert os.environ['CI'] == 'true' and os.environ['NNCF_CI'] == '1'
    assert 'CI' not in os.environ
    monkeypatch.setenv('CI', 'mine')
    assert 'Stub' in type(load_nncf().telemetry.wrapper.telemetry).__name__ or 'Mock' in str(
        type(load_nncf().telemetry.wrapper.telemetry)
    )
    assert os.environ['CI'] == 'mine'
