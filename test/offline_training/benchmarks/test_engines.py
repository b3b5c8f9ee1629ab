"""`benchmark engines` on a tiny network: who takes part, what is written."""

import json

import cv2
import numpy as np
import pytest

from mot_compress_ros.inference import load_bundle
from offline_training.__main__ import main
from offline_training.benchmarks.engines_report import goals, sparse_gains, tables, times_as_fast
from offline_training.benchmarks.engines_turn import Contestant, contestants_of, REFERENCE, summary

TINY = ['--size', '96x64', '--frames', '2', '--warm-up', '1', '--repeats', '2', '--images', '2']


def measured(runtime, precision, sparse, medians):
    return {
        'runtime': runtime,
        'precision': precision,
        'sparse_heads': sparse,
        'p50_ms': float(np.median(medians)),
        'turn_medians_ms': medians,
    }


def found(**rows):
    return {'contestants': {label.replace('_', ' '): row for label, row in rows.items()}}


def test_the_reference_comes_first_and_nobody_twice():
    asked = contestants_of(['torch_eager', 'openvino'], ['fp32'], ['peaks', 'dense'], device='cpu')
    assert asked[0] == REFERENCE
    assert [c.label for c in asked] == [
        'torch_eager fp32 dense',
        'torch_eager fp32 peaks',
        'openvino fp32 peaks',
        'openvino fp32 dense',
    ]
    only = contestants_of(['torch_cuda_graph'], ['fp16'], ['peaks', 'dense'], device='cuda')
    assert [c.label for c in only[1:]] == ['torch_cuda_graph fp16 dense']
    assert contestants_of(['torch_cuda_graph'], ['fp16'], ['dense'], device='cpu') == [REFERENCE]


def test_ratios_are_of_the_same_turn():
    """The machine was three times as slow in the second turn, for both."""
    other = Contestant(runtime='openvino', precision='fp32', sparse=True)
    turns = {
        REFERENCE: [turn([10, 10]), turn([30, 30]), turn([10, 12])],
        other: [turn([5, 5]), turn([15, 15]), turn([5, 6])],
    }
    result = summary(turns)
    assert result[other.label]['times_as_fast'] == 2
    assert result[REFERENCE.label]['times_as_fast'] == 1
    assert result[other.label]['p50_ms'] == np.percentile([5, 5, 15, 15, 5, 6], 50)


def turn(total_ms):
    return {'total_ms': total_ms, 'network_ms': total_ms, 'peaks_per_frame': 3.0}


def test_goals_of_int8():
    rows = found(
        openvino_fp32=measured('openvino', 'fp32', True, [25.0, 26.0]),
        openvino_int8=measured('openvino', 'int8', True, [10.0, 10.0]),
        onnx_runtime_fp32=measured('onnx_runtime', 'fp32', True, [14.0, 14.0]),
    )
    own, all_of_them = goals('student', rows)
    assert (own['value'], own['met']) == (pytest.approx(2.55), True)
    assert (all_of_them['value'], all_of_them['met']) == (pytest.approx(1.4), False)
    assert goals('student', found(a=measured('openvino', 'fp32', True, [1.0]))) == []


def test_the_gain_of_heads_at_peaks():
    peaks = measured('openvino', 'fp32', True, [8.0, 10.0])
    dense = measured('openvino', 'fp32', False, [12.0, 15.0])
    rows = {'contestants': {'openvino fp32 peaks': peaks, 'openvino fp32 dense': dense}}
    assert sparse_gains(rows) == [('openvino fp32', 1.5)]
    assert times_as_fast(dense, peaks) == pytest.approx(1 / 1.5)


def test_the_whole_benchmark(tmp_path, write_tiny_bundle):
    folder = write_tiny_bundle(tmp_path / 'tiny')
    page = tmp_path / 'page.md'
    page.write_text('# Page\n<!-- engines: begin -->\n<!-- engines: end -->\n')
    arguments = ['--models', str(folder), *TINY, '--runtimes', 'openvino', 'torch_eager']
    arguments += [
        '--precisions',
        'fp32',
        'int8',
        '--input',
        str(write_images(tmp_path / 'images')),
    ]
    outputs = ['--json', str(tmp_path / 'a.json'), '--update', str(page)]
    assert main(['benchmark', 'engines', *arguments, *outputs]) == 0
    report = json.loads((tmp_path / 'a.json').read_text())
    model = report['models']['tiny']
    assert set(model['contestants']) == {
        'torch_eager fp32 dense',
        'torch_eager fp32 peaks',
        'openvino fp32 peaks',
        'openvino fp32 dense',
    }
    assert set(model['refused']) == {'openvino int8 peaks', 'openvino int8 dense'}
    assert len(model['contestants']['openvino fp32 peaks']['samples_ms']) == 4
    assert tables(report) in page.read_text()
    assert (tmp_path / 'images' / 'engines.svg').read_text().startswith('<svg')
    assert load_bundle(folder).manifest.graphs == (), 'the bundle itself is left alone'


def write_images(folder):
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index in range(10):
        image = rng.integers(0, 256, (64, 96, 3), np.uint8)
        cv2.imwrite(str(folder / f'{index:04d}.png'), image)
    return folder
