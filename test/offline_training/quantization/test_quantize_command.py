"""From a bundle and frames to an int8 graph in the bundle that the node loads."""

import argparse
import json

import cv2
import numpy as np
import pytest

from mot_compress_ros.errors import BundleError, InputError, InvalidOptionError
from mot_compress_ros.inference import BackendOptions, build_detector, load_bundle
from mot_compress_ros.inference.graphs import digest, graphs_of, paths_of, read_graph
from offline_training.__main__ import main
from offline_training.commands import quantize
from offline_training.quantization.by_ptq import job_graph
from offline_training.quantization.config import PtqConfig, RANGES
from offline_training.quantization.graph_files import bundle_for, write_int8
from offline_training.quantization.openvino_ptq import quantize_graph


@pytest.fixture
def folder(tmp_path, frames):
    """Two frames as image files."""
    (tmp_path / 'frames').mkdir()
    for index, frame in enumerate(frames[:2]):
        cv2.imwrite(str(tmp_path / 'frames' / f'{index}.png'), frame.image)
    return tmp_path / 'frames'


def arguments(*given):
    parser = argparse.ArgumentParser()
    quantize.add_arguments(parser)
    return parser.parse_args([str(v) for v in given])


def test_ptq_puts_a_graph_into_the_bundle_that_the_node_loads(
    tmp_path, write_bundle, folder, frames, capsys
):
    model, report = write_bundle(tmp_path / 'tiny'), tmp_path / 'report.json'
    given = ['--model', model, '--calibration', folder, '--max-drop', 1, '--json', report]
    assert quantize.run(arguments(*given)) == 0
    bundle = load_bundle(model)
    (graph,) = graphs_of(bundle.manifest.graphs)
    assert (graph.engine, graph.precision, graph.sparse_heads) == ('openvino', 'int8', True)
    assert (graph.input_size_wh, graph.batch, graph.head_activation) == ((96, 64), 1, 'relu')
    assert graph.sha256 == digest(path.read_bytes() for path in paths_of(model, graph))
    assert graph.weights_sha256 == bundle.manifest.weights_sha256
    assert graph.parity['rows']['openvino float32']['score'] == 1.0
    assert graph.parity['int8_layers'] == graph.parity['layers'] - 1
    out = capsys.readouterr().out
    assert '| openvino float32 |' in out and '| openvino int8 ' in out
    rows = json.loads(report.read_text())['rows']
    assert rows['openvino int8']['bytes'] < 0.5 * rows['openvino float32']['bytes']
    assert rows['openvino int8']['ms'] > 0
    options = BackendOptions(backend='openvino', precision='int8')
    seen = build_detector(bundle, options=options).observe(frames[:1])[0].heatmap
    eager = build_detector(bundle, options=BackendOptions(precision='fp32'))
    assert 0 < np.abs(seen - eager.observe(frames[:1])[0].heatmap).max() < 0.3
    paths_of(model, graph)[1].write_bytes(b'other weights')
    with pytest.raises(BundleError, match='sha256'):
        read_graph(bundle, graph)


def test_another_output_takes_the_weights_and_sound_graphs_along(tmp_path, make_job):
    """A graph of another kind stays; one that is damaged is left behind."""
    job = make_job()
    model = quantize_graph(job_graph(job), job.samples[:1], PtqConfig()).model
    images = job.samples[0].images_rgb
    kind = {'input_size_wh': (96, 64), 'batch': 1}

    def write(bundle, output, *, sparse_heads):
        write_int8(bundle, output, model, job.network, images, sparse_heads=sparse_heads, **kind)
        return load_bundle(output)

    first = write(job.bundle, job.bundle.path, sparse_heads=True)
    before = dict(first.tensors)
    second = write(first, tmp_path / 'second', sparse_heads=True)
    assert second.manifest.name == 'second'
    assert len(graphs_of(second.manifest.graphs)) == 1, 'in the place of the one of its kind'
    assert all(np.array_equal(before[k], v) for k, v in second.tensors.items())
    (graph,) = graphs_of(first.manifest.graphs)
    paths_of(first.path, graph)[0].write_text('damaged')
    third = _copied(first, tmp_path / 'third')
    assert third.manifest.graphs == ()
    assert _copied(second, tmp_path / 'fourth').manifest.graphs == second.manifest.graphs


def _copied(bundle, output):
    return bundle_for(bundle, output, None, measured={})


def test_eager_and_sparse24_leave_the_bundle_alone(tmp_path, write_bundle, folder, capsys):
    model = write_bundle(tmp_path / 'tiny')
    before = (model / 'model.json').read_bytes()
    for method, row in (('eager', 'torch eager int8'), ('sparse24', 'openvino float32, 2:4')):
        report = tmp_path / f'{method}.json'
        given = ['--model', model, '--calibration', folder, '--method', method, '--json', report]
        assert quantize.run(arguments(*given)) == 0
        rows = json.loads(report.read_text())['rows']
        assert list(rows)[1] == row and 0 < list(rows.values())[1]['score'] <= 1
        assert 'nothing that the node loads' in capsys.readouterr().err
    assert (model / 'model.json').read_bytes() == before
    assert not (model / 'graphs').exists()


def test_ranges_are_compared_and_a_table_is_written_into_a_page(tmp_path, write_bundle, folder):
    model, page = write_bundle(tmp_path / 'tiny'), tmp_path / 'page.md'
    page.write_text('<!-- quantize ranges: begin -->\n<!-- quantize ranges: end -->\n')
    given = ['--model', model, '--calibration', folder, '--method', 'ranges', '--update', page]
    assert quantize.run(arguments(*given)) == 0
    rows = [line for line in page.read_text().splitlines() if line.startswith('| int8, ')]
    assert len(rows) == len(RANGES) + 2
    assert 'Made by `python -m offline_training' in page.read_text()
    assert not (model / 'graphs').exists()
    with pytest.raises(InputError, match='quantize ptq: begin'):
        quantize.run(arguments(*given[:-4], '--update', page))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.filterwarnings(  # of NNCF's, that compiles its kernels beside
    'ignore:Exception ignored in. <function Pool:pytest.PytestUnraisableExceptionWarning'
)
def test_qat_writes_new_weights_and_a_graph_of_them(tmp_path, write_bundle, folder, frames):
    model, output = write_bundle(tmp_path / 'tiny'), tmp_path / 'trained'
    report = tmp_path / 'report.json'
    given = ['--model', model, '--calibration', folder, '--method', 'qat', '--output', output]
    # Ranges that cut off far too much, which training has to mend.
    settings = ['ptq.ranges=percentile', 'ptq.outliers=0.2', 'ptq.bias_correction=false']
    settings += ['qat.steps=10', 'qat.batch_size=2', 'qat.learning_rate=1e-3']
    chosen = [word for setting in settings for word in ('--set', setting)]
    assert quantize.run(arguments(*given, *chosen, '--max-drop', 1, '--json', report)) == 0
    facts = json.loads(report.read_text())['facts']
    assert facts['last_loss'] < facts['first_loss']
    old, new = load_bundle(model), load_bundle(output)
    assert old.manifest.weights_sha256 != new.manifest.weights_sha256
    assert new.manifest.training['quantization']['started_from'] == 'tiny'
    assert (new.manifest.architecture, set(new.tensors)) == (
        old.manifest.architecture,
        set(old.tensors),
    )
    (graph,) = graphs_of(new.manifest.graphs)
    assert graph.weights_sha256 == new.manifest.weights_sha256
    options = BackendOptions(backend='openvino', precision='int8')
    seen = build_detector(new, options=options).observe(frames[:1])[0].heatmap
    taught = build_detector(old, options=BackendOptions(precision='fp32'))
    expected = taught.observe(frames[:1])[0].heatmap
    assert np.abs(seen - expected).mean() < 0.15, 'it says what it was taught'


@pytest.mark.parametrize(
    ('given', 'reason'),
    [
        ([], '--calibration: needed'),
        (['--calibration', 'x', '--method', 'qat'], '--output: needed'),
        (['--calibration', 'x', '--set', 'ptq.ranges=guess'], r'ptq\.ranges.*histogram'),
        (['--calibration', 'x', '--batch', '0'], '--batch: got 0'),
        (['--calibration', 'x', '--max-drop', '-1'], r'bound\.max_drop'),
    ],
)
def test_options_that_make_no_sense_are_refused(tmp_path, write_bundle, given, reason):
    model = write_bundle(tmp_path / 'tiny')
    with pytest.raises(InvalidOptionError, match=reason):
        quantize.run(arguments('--model', model, *given))


def test_it_is_a_command(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(['quantize', '--help'])
    assert stopped.value.code == 0
    assert '--calibration' in capsys.readouterr().out
