"""Graphs into a bundle: whole, after the comparison, and taken by the command line."""

from dataclasses import replace
import json

import cv2
import numpy as np
import onnxruntime as ort
import pytest
import torch

from mot_compress_ros.errors import BundleError, InputError, InvalidOptionError
from mot_compress_ros.inference import load_bundle
from mot_compress_ros.inference.backends.torch_eager import load_network
from mot_compress_ros.inference.checkpoint import MANIFEST_FILE, save_bundle
from mot_compress_ros.inference.graphs import graphs_of, paths_of, read_graph
from mot_compress_ros.networks import ArchitectureConfig, JointDetector, resized
from offline_training.__main__ import main
from offline_training.export import ENGINES, PRECISIONS
from offline_training.export.exporting import export_graph, try_graph, verify_graphs
from offline_training.export.frames import letterboxed_images
from offline_training.export.graph_network import graph_network, GraphNetwork

SIZE_WH = (96, 64)
IMAGES = np.random.default_rng(0).integers(0, 256, (2, 64, 96, 3), np.uint8)


@pytest.fixture
def folder(tmp_path, write_tiny_bundle):
    return write_tiny_bundle(tmp_path / 'tiny')


def export(folder, **changes):
    arguments = {'engine': 'onnx', 'precision': 'fp32', 'input_size_wh': SIZE_WH, **changes}
    return export_graph(load_bundle(folder), images_rgb=IMAGES, **arguments)


def graphs(folder):
    return graphs_of(load_bundle(folder).manifest.graphs)


@pytest.mark.parametrize('engine', ENGINES)
def test_a_graph_is_named_in_the_manifest_with_what_was_compared(folder, engine):
    path = export(folder, engine=engine)
    (graph,) = graphs(folder)
    bundle = load_bundle(folder)
    assert path == paths_of(folder, graph)[0]
    assert graph.weights_sha256 == bundle.manifest.weights_sha256
    assert graph.head_activation == 'silu'
    assert graph.parity['peaks'] > 5
    assert read_graph(bundle, graph)
    (verdict,) = verify_graphs(bundle, {SIZE_WH: IMAGES})
    assert verdict.failures == ()


def test_a_graph_of_the_same_kind_takes_its_place(folder, make_tiny_network):
    export(folder)
    first = graphs(folder)[0]
    export(folder, sparse_heads=False)
    bundle = load_bundle(folder)
    other = {k: v.numpy() for k, v in make_tiny_network(1).state_dict().items()}
    save_bundle(folder, bundle.manifest, other)
    export(folder)
    dense, new = graphs(folder)
    assert (dense.sparse_heads, new.sparse_heads) == (False, True)
    assert new.sha256 != first.sha256
    left = {path.name for path in (folder / 'graphs').iterdir()}
    assert left == {path.name for graph in (dense, new) for path in paths_of(folder, graph)}
    with pytest.raises(BundleError, match='made of the weights'):
        read_graph(load_bundle(folder), dense)


def test_a_graph_that_differs_is_not_written(folder, monkeypatch):
    """An exporter that gets a weight wrong."""
    make = ENGINES['onnx']()

    def wrong(network, *, precision):
        with torch.no_grad():
            network.network.hm[2].bias.add_(1)
        return make(network, precision=precision)

    monkeypatch.setitem(ENGINES, 'onnx', lambda: wrong)
    before = (folder / MANIFEST_FILE).read_text()
    with pytest.raises(BundleError, match=r'heat map differs by 0\.\d+, expected at most 0\.001'):
        export(folder)
    assert main(['export', '--model', str(folder), '--engines', 'onnx', '--images', '2']) == 1
    assert (folder / MANIFEST_FILE).read_text() == before
    assert not (folder / 'graphs').exists()


def test_a_batch_of_two_is_compared_as_one(folder):
    export(folder, batch=2)
    (graph,) = graphs(folder)
    (data,) = read_graph(load_bundle(folder), graph)
    session = ort.InferenceSession(data, providers=['CPUExecutionProvider'])
    assert session.get_inputs()[0].shape == [2, 3, 64, 96]


def test_half_precision_keeps_its_inputs_and_outputs(folder):
    verdict, (data,) = try_graph(
        load_bundle(folder),
        engine='onnx',
        precision='fp16',
        input_size_wh=SIZE_WH,
        images_rgb=IMAGES,
    )
    session = ort.InferenceSession(data, providers=['CPUExecutionProvider'])
    kinds = {port.type for port in (*session.get_inputs(), *session.get_outputs())}
    assert kinds == {'tensor(float)'}
    assert 0 < verdict.parity.heatmap_max_abs < 0.05


def test_fp32_and_bf16_of_openvino_share_their_files(folder):
    bundle, made = load_bundle(folder), {}
    found = [
        try_graph(
            bundle,
            engine='openvino',
            precision=precision,
            input_size_wh=SIZE_WH,
            images_rgb=IMAGES,
            made=made,
        )
        for precision in ('fp32', 'bf16')
    ]
    (exact, parts), (rough, same) = found
    assert parts is same
    assert exact.graph.file == rough.graph.file
    assert exact.parity.heatmap_max_abs < rough.parity.heatmap_max_abs


@pytest.mark.parametrize(
    ('engine', 'precision', 'message'),
    [
        ('onnx', 'bf16', 'export makes onnx graphs of fp32, fp16'),
        ('openvino', 'int8', 'int8 graphs are made by `quantize`'),
        ('tensorflow', 'fp32', 'legal: onnx, openvino'),
    ],
)
def test_what_an_engine_does_not_have(folder, engine, precision, message):
    with pytest.raises(InvalidOptionError, match=message):
        export(folder, engine=engine, precision=precision)


def test_every_engine_has_precisions():
    assert set(PRECISIONS) == set(ENGINES)


def test_a_pruned_network_is_exported(folder):
    """Fewer channels in the hidden layer of a head, as `channels` says."""
    bundle = load_bundle(folder)
    network = load_network(bundle)
    c_in, c_out = network.wh[0].in_channels, network.wh[0].out_channels
    channels = {'wh.0': [c_in, c_out // 2], 'wh.2': [c_out // 2, 4]}
    tensors = dict(bundle.tensors)
    kept = slice(0, c_out // 2)
    tensors['wh.0.weight'] = tensors['wh.0.weight'][kept]
    tensors['wh.0.bias'] = tensors['wh.0.bias'][kept]
    tensors['wh.2.weight'] = tensors['wh.2.weight'][:, kept]
    save_bundle(folder, replace(bundle.manifest, channels=channels), tensors)
    assert resized(network, channels).wh[0].out_channels == c_out // 2
    for engine in ENGINES:
        export(folder, engine=engine)
    assert all(not v.failures for v in verify_graphs(load_bundle(folder), {SIZE_WH: IMAGES}))


def test_outputs_are_named_by_the_heads_that_read_them(make_tiny_network):
    network = GraphNetwork(make_tiny_network(), input_size_wh=SIZE_WH)
    assert network.output_names == ('hm', 'feature_wh_reg_id')
    dense = GraphNetwork(make_tiny_network(), input_size_wh=SIZE_WH, sparse_heads=False)
    assert dense.output_names == ('hm', 'wh', 'reg', 'id')


def test_a_head_that_reads_something_else_has_an_output_of_its_own(folder):
    """AttTrack's concatenation: box heads read the plain feature."""
    torch.manual_seed(0)
    config = ArchitectureConfig(width=0.0625, embedding_dim=8, fusion='concat')
    network = GraphNetwork(JointDetector(config), input_size_wh=SIZE_WH)
    assert network.output_names == ('hm', 'feature_wh_reg', 'feature_id')
    assert network.input_names == ('images', 'prior')


def test_the_command_writes_verifies_and_reports(tmp_path, folder, capsys):
    """On a recording, which is what a user has."""
    sequence = write_images(tmp_path / 'images', n=10)
    report = tmp_path / 'report.json'
    arguments = ['--model', str(folder), '--input', str(sequence), '--images', '2']
    options = ['--precision', 'fp32', '--sparse-heads', 'both', '--json', str(report)]
    assert main(['export', *arguments, *options]) == 0
    assert [g.label for g in graphs(folder)] == [
        'onnx fp32 96x64 batch 1, heads at peaks',
        'onnx fp32 96x64 batch 1, dense heads',
        'openvino fp32 96x64 batch 1, heads at peaks',
        'openvino fp32 96x64 batch 1, dense heads',
    ]
    content = json.loads(report.read_text())
    assert content['kind'] == 'export'
    assert len(content['graphs']) == 4
    assert main(['verify', *arguments]) == 0
    assert capsys.readouterr().out.count('| ') > 8
    assert (
        main(['export', '--model', str(folder), '--engines', 'onnx', '--precision', 'bf16']) == 2
    )


def test_verify_wants_graphs(folder, capsys):
    assert main(['verify', '--model', str(folder)]) == 2
    assert 'offline_training export' in capsys.readouterr().err


def test_too_short_a_recording_is_told(tmp_path):
    folder = write_images(tmp_path / 'images', n=5)
    with pytest.raises(InputError, match='fewer than 2'):
        letterboxed_images(folder, n=2, size_wh=SIZE_WH)


def write_images(folder, *, n):
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index in range(n):
        image = rng.integers(0, 256, (64, 96, 3), np.uint8)
        cv2.imwrite(str(folder / f'{index:04d}.png'), image)
    return folder


def test_graph_networks_take_the_size_they_are_given(folder):
    network = graph_network(load_bundle(folder), input_size_wh=(160, 96), batch=3)
    assert [tuple(x.shape) for x in network.example] == [(3, 3, 96, 160)]
