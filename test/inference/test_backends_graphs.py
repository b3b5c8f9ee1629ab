"""Runtimes of exported graphs on the shipped student, and graphs that are refused."""

from dataclasses import replace
import json

import numpy as np
import openvino as ov
from openvino import opset13 as operators
import pytest
import torch

from mot_compress_ros.datatypes import Frame
from mot_compress_ros.errors import BundleError, InvalidOptionError
from mot_compress_ros.inference import BackendOptions, build_detector, DecodeConfig, load_bundle
from mot_compress_ros.inference.backends import BACKENDS
from mot_compress_ros.inference.backends.graph_backend import GraphBackend, split_batch
from mot_compress_ros.inference.backends.openvino_core import shared_core
from mot_compress_ros.inference.backends.openvino_graph import say_nothing
from mot_compress_ros.inference.checkpoint import MANIFEST_FILE, ModelManifest, save_bundle
from mot_compress_ros.inference.decode import find_peaks
from mot_compress_ros.inference.graphs import graphs_of, paths_of, read_graph
from mot_compress_ros.networks import ArchitectureConfig, JointDetector
from mot_compress_ros.options import to_mapping
from offline_training.export.exporting import export_graph, Made
from offline_training.export.frames import letterboxed_images

SIZE_WH = (416, 256)
RUNTIMES = ('openvino', 'onnx_runtime')  # of exported graphs
ALL_RUNTIMES = (*RUNTIMES, 'torch_eager', 'auto')  # that run on a CPU
ENGINES = {'openvino': 'openvino', 'onnx_runtime': 'onnx'}
DECODE = DecodeConfig(min_score=0.15)


@pytest.fixture(scope='module')
def images():
    return letterboxed_images(None, n=2, size_wh=SIZE_WH)


def sized(bundle):
    return replace(bundle, manifest=replace(bundle.manifest, input_size_wh=SIZE_WH))


def export_all(folder, images):
    """Graphs of both engines and both kinds of heads; one of two images besides."""
    made = Made()
    for engine, batch, sparse in (
        ('openvino', 1, True),
        ('openvino', 2, True),
        ('openvino', 1, False),
        ('onnx', 1, True),
        ('onnx', 1, False),
    ):
        export_graph(
            load_bundle(folder),
            engine=engine,
            precision='fp32',
            input_size_wh=SIZE_WH,
            batch=batch,
            sparse_heads=sparse,
            images_rgb=images,
            made=made,
        )
    return sized(load_bundle(folder))


@pytest.fixture(scope='module')
def student(tmp_path_factory, images):
    """The shipped student at a smaller size, with its graphs."""
    shipped = load_bundle('road_student')
    folder = tmp_path_factory.mktemp('models') / 'road_student'
    save_bundle(folder, replace(shipped.manifest, graphs=()), shipped.tensors)
    return export_all(folder, images)


@pytest.fixture(scope='module')
def told_student(tmp_path_factory, images):
    """The same with a gate that looks at a prior; it is drawn, so that the prior matters."""
    shipped = load_bundle('road_student')
    architecture = {**shipped.manifest.architecture, 'fusion': 'gated'}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = JointDetector(ArchitectureConfig(**architecture))
        for layer in (network.fusion.gain, network.fusion.shift):
            torch.nn.init.normal_(layer.weight, std=0.1)
    gate = {k: v.numpy() for k, v in network.state_dict().items() if k.startswith('fusion.')}
    folder = tmp_path_factory.mktemp('models') / 'told'
    manifest = replace(shipped.manifest, architecture=architecture, name='told', graphs=())
    save_bundle(folder, manifest, {**shipped.tensors, **gate})
    return export_all(folder, images)


def reference(bundle):
    options = BackendOptions(device='cpu', precision='fp32', sparse_heads='off')
    return BACKENDS['torch_eager']()(bundle, options)


def graph_backend(bundle, runtime, heads='on'):
    options = BackendOptions(backend=runtime, device='cpu', precision='fp32', sparse_heads=heads)
    return BACKENDS[runtime]()(bundle, options)


def assert_same(a, b, *, images):
    for index in range(images):
        np.testing.assert_allclose(a.heatmap[index], b.heatmap[index], atol=1e-4)
        _, _, ys, xs = find_peaks(a.heatmap[index], DECODE)
        assert len(ys) > 2
        first, second = a.gather(index, ys, xs), b.gather(index, ys, xs)
        np.testing.assert_allclose(first.ltrb, second.ltrb, atol=2e-3)
        np.testing.assert_allclose(first.offset, second.offset, atol=1e-3)
        np.testing.assert_allclose(first.embeddings, second.embeddings, atol=1e-4)


@pytest.mark.parametrize('heads', ['on', 'off'])
@pytest.mark.parametrize('runtime', ALL_RUNTIMES)
def test_the_shipped_student_says_the_same(student, images, runtime, heads):
    backend, torch_backend = graph_backend(student, runtime, heads), reference(student)
    assert ('dense heads' in backend.name) == (heads == 'off')
    assert backend.prior_planes == torch_backend.prior_planes
    assert_same(torch_backend.run(images[:1]), backend.run(images[:1]), images=1)
    assert_same(torch_backend.run(images), backend.run(images), images=2)


@pytest.mark.parametrize('heads', ['on', 'off'])
@pytest.mark.parametrize('runtime', ALL_RUNTIMES)
def test_a_student_that_is_told_says_the_same(told_student, images, runtime, heads):
    backend, torch_backend = graph_backend(told_student, runtime, heads), reference(told_student)
    assert backend.prior_planes == torch_backend.prior_planes == 5
    prior = 0.1 * np.random.default_rng(0).random((2, 5, 64, 104), np.float32)
    told, untold = torch_backend.run(images, prior), torch_backend.run(images)
    assert np.abs(told.heatmap - untold.heatmap).max() > 0.05, 'the prior matters'
    assert_same(told, backend.run(images, prior), images=2)
    assert_same(untold, backend.run(images), images=2)
    assert_same(untold, backend.run(images[:1]), images=1)


@pytest.mark.parametrize('heads', ['on', 'off'])
def test_nothing_told_is_a_prior_of_zeros_to_the_bit(told_student, images, heads):
    backend = graph_backend(told_student, 'openvino', heads)
    told = backend.run(images, np.zeros((2, 5, 64, 104), np.float32))
    _, _, ys, xs = find_peaks(told.heatmap[1], DECODE)
    values, untold = told.gather(1, ys, xs), backend.run(images)
    np.testing.assert_array_equal(untold.heatmap, told.heatmap)
    np.testing.assert_array_equal(untold.gather(1, ys, xs).ltrb, values.ltrb)


def test_nothing_told_leaves_nothing_of_the_gate(told_student):
    """No product, no sum and no constant of it is left to be read on every frame."""
    graph = next(g for g in graphs_of(told_student.manifest.graphs) if g.engine == 'openvino')
    xml, weights = read_graph(told_student, graph)
    model = shared_core().read_model(model=xml, weights=weights)
    count = len(model.get_ops())
    say_nothing(model)
    names = [node.get_friendly_name() for node in model.get_ordered_ops()]
    assert len(names) < count
    assert [n for n in names if 'fusion' in n or 'prior' in n] == []
    assert [port.get_any_name() for port in model.inputs] == ['images']


def test_what_is_told_in_another_way_becomes_a_constant():
    """Of a concatenation (the paper's fusion) the zeros stay."""
    image = operators.parameter([1, 2, 4, 4], np.float32, name='images')
    prior = operators.parameter([1, 3, 4, 4], np.float32, name='prior')
    prior.output(0).set_names({'prior'})
    doubled = operators.multiply(operators.add(prior, np.float32(1)), np.float32(2))
    joined = operators.concat([image, doubled], 1)
    model = ov.Model([joined], [image, prior], 'told')
    say_nothing(model)
    given = np.random.default_rng(0).random((1, 2, 4, 4), np.float32)
    (found,) = shared_core().compile_model(model, 'CPU')([given]).values()
    np.testing.assert_array_equal(found[:, :2], given)
    np.testing.assert_array_equal(found[:, 2:], 2)


@pytest.mark.parametrize('runtime', ALL_RUNTIMES)
def test_a_detector_finds_the_same(student, images, runtime):
    frames = [Frame(image=image, stamp_ns=0, color_order='rgb') for image in images]
    found = []
    for backend in ('torch_eager', runtime):
        options = BackendOptions(backend=backend, device='cpu', precision='fp32')
        found.append(build_detector(student, options=options).detect(frames))
    for a, b in zip(*found, strict=True):
        assert len(a) == len(b) > 2
        assert a.class_ids.tolist() == b.class_ids.tolist()
        np.testing.assert_allclose(a.boxes_xyxy_px, b.boxes_xyxy_px, atol=1e-2)


@pytest.mark.parametrize('runtime', RUNTIMES)
def test_an_output_survives_the_next_run(student, images, runtime):
    backend = graph_backend(student, runtime)
    first = backend.run(images[:1])
    heat, (_, _, ys, xs) = first.heatmap.copy(), find_peaks(first.heatmap[0], DECODE)
    before = first.gather(0, ys, xs)
    backend.run(images[1:])
    np.testing.assert_array_equal(first.heatmap, heat)
    np.testing.assert_array_equal(first.gather(0, ys, xs).ltrb, before.ltrb)


@pytest.mark.parametrize(
    ('n', 'sizes', 'expected'),
    [(1, (1,), [1]), (3, (1,), [1, 1, 1]), (5, (1, 2), [2, 2, 1]), (3, (4, 2), [2, 2])],
)
def test_images_go_to_the_largest_graph_that_they_fill(n, sizes, expected):
    assert list(split_batch(n, sizes)) == expected


class FixedBatch:
    """A graph of two images whose heat map is the mean of each, and whose heads are dense."""

    prior_planes = 0

    def __init__(self):
        self.given = []

    def __call__(self, images_rgb, prior):
        assert len(images_rgb) == 2
        self.given.append(images_rgb.mean(axis=(1, 2, 3)).tolist())
        heat = np.broadcast_to(
            images_rgb.mean(axis=(1, 2, 3)).astype(np.float32)[:, None, None, None], (2, 1, 2, 2)
        )
        return {'hm': heat, **{name: np.zeros((2, 4, 2, 2)) for name in ('wh', 'reg', 'id')}}


def test_a_graph_of_two_images_is_filled_up(student):
    graph = replace(graphs_of(student.manifest.graphs)[0], batch=2)
    runner = FixedBatch()
    backend = GraphBackend(student, [graph], lambda _: runner, 'two')
    images = np.stack([np.full((8, 8, 3), value, np.uint8) for value in (10, 20, 30)])
    output = backend.run(images)
    assert output.heatmap[:, 0, 0, 0].tolist() == [10, 20, 30]
    assert runner.given == [[10, 20], [30, 0]]


@pytest.mark.parametrize('runtime', RUNTIMES)
def test_a_missing_graph_names_the_command_that_makes_it(tmp_path, write_tiny_bundle, runtime):
    bundle = load_bundle(write_tiny_bundle(tmp_path / 'tiny'))
    options = BackendOptions(backend=runtime, device='cpu', precision='fp32')
    command = (
        f'python -m offline_training export --model {bundle.path} --engines {ENGINES[runtime]} '
        '--precision fp32 --input-size 96x64'
    )
    with pytest.raises(BundleError, match=command):
        build_detector(bundle, options=options)


def test_a_graph_of_another_size_is_not_taken(student):
    larger = replace(student, manifest=replace(student.manifest, input_size_wh=(448, 256)))
    with pytest.raises(BundleError, match=r'448x256; it has openvino fp32 416x256 batch 1'):
        graph_backend(larger, 'openvino')


def test_an_int8_graph_is_named_with_its_own_command(student):
    options = BackendOptions(backend='openvino', precision='int8')
    with pytest.raises(BundleError, match='offline_training quantize --model'):
        BACKENDS['openvino']()(student, options)


@pytest.mark.parametrize('runtime', RUNTIMES)
def test_a_precision_or_device_that_a_runtime_lacks(student, runtime):
    wrong = {'openvino': 'fp16', 'onnx_runtime': 'bf16'}[runtime]
    with pytest.raises(InvalidOptionError, match=f'precision: {wrong}'):
        BACKENDS[runtime]()(student, BackendOptions(backend=runtime, precision=wrong))
    with pytest.raises(InvalidOptionError, match='device: cuda'):
        BACKENDS[runtime]()(student, BackendOptions(backend=runtime, device='cuda'))


@pytest.fixture
def copied(tmp_path, student):
    """A copy of the student's folder that a test may damage."""
    folder = tmp_path / 'copied'
    save_bundle(folder, replace(student.manifest, graphs=()), student.tensors)
    (folder / 'graphs').mkdir()
    for graph in graphs_of(student.manifest.graphs):
        for path in paths_of(student.path, graph):
            (folder / graph.file).with_name(path.name).write_bytes(path.read_bytes())
    path = folder / MANIFEST_FILE
    content = json.loads(path.read_text())
    content['graphs'] = [graph.as_json() for graph in graphs_of(student.manifest.graphs)]
    path.write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize('runtime', RUNTIMES)
@pytest.mark.parametrize('damage', ['changed', 'cut short', 'gone', 'weights'])
def test_a_graph_that_is_not_the_one_that_was_compared(copied, runtime, damage):
    bundle = load_bundle(copied)
    graphs = [g for g in graphs_of(bundle.manifest.graphs) if g.engine == ENGINES[runtime]]
    for graph in graphs:
        path = paths_of(copied, graph)[-1]  # OpenVINO's weights count as much as its graph
        data = bytearray(path.read_bytes())
        if damage == 'changed':
            data[len(data) // 2] ^= 1
        path.write_bytes(data[:-1] if damage == 'cut short' else data)
        if damage == 'gone':
            path.unlink()
    if damage == 'weights':
        tensors = {**bundle.tensors, 'wh.0.bias': bundle.tensors['wh.0.bias'] + 1}
        bundle = save_bundle(copied, bundle.manifest, tensors)
    told = {'gone': 'cannot be read', 'weights': 'made of the weights'}.get(damage, 'sha256 is')
    with pytest.raises(BundleError, match=rf'{told}[\s\S]*offline_training export --model'):
        graph_backend(bundle, runtime)


def test_what_is_whole_but_no_graph_is_refused(copied):
    bundle = load_bundle(copied)
    from mot_compress_ros.inference.backends.onnx_runtime import OnnxRunner

    with pytest.raises(BundleError, match='does not read it'):
        OnnxRunner(b'no graph', [('CPUExecutionProvider', {})], threads=1, label='graphs/x.onnx')
    assert bundle.manifest.graphs


def test_pivot_vectors_are_those_of_torch(tmp_path):
    """EFM: the linear layer over the embedding is evaluated in numpy."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = JointDetector(ArchitectureConfig(width=0.0625, embedding_dim=8, pivots=7)).eval()
    for head, spread in (('hm', 10), ('wh', 4), ('reg', 4), ('id', 1)):
        getattr(network, head)[-1].weight.data.normal_(0, spread)
    folder = tmp_path / 'efm'
    manifest = ModelManifest(
        name='efm',
        architecture=to_mapping(network.config),
        class_names=('pedestrian', 'cyclist', 'vehicle'),
        input_size_wh=(96, 64),
        embedding_dim=7,
    )
    save_bundle(folder, manifest, {k: v.numpy() for k, v in network.state_dict().items()})
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 96, 3), np.uint8)
    export_graph(
        load_bundle(folder),
        engine='openvino',
        precision='fp32',
        input_size_wh=(96, 64),
        images_rgb=images,
    )
    bundle = load_bundle(folder)
    output, expected = graph_backend(bundle, 'openvino').run(images), reference(bundle).run(images)
    ys, xs = np.array([0, 7, 15]), np.array([0, 12, 23])
    a, b = output.gather(1, ys, xs).embeddings, expected.gather(1, ys, xs).embeddings
    assert a.shape == (3, 7)
    np.testing.assert_allclose(a, b, atol=1e-5)
